"""Typed errors. Every message says what is wrong and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class OferBenchError(Exception):
    """Base of all errors that a user can cause and mend; ``exit_code`` is the CLI's."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.hint = hint
        super().__init__(f"{message}\n  fix: {hint}" if hint else message)


class UnknownName(OferBenchError):
    """A name that is not registered; suggests the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], close: Iterable[str] = ()) -> None:
        close = list(close)
        hint = f"did you mean {' or '.join(repr(c) for c in close)}?" if close else None
        super().__init__(f"unknown {kind} {name!r}", hint=hint or f"known: {', '.join(sorted(known)) or '(none)'}")
        self.kind, self.name = kind, name


class SpecError(OferBenchError):
    """A YAML file or a command-line value that does not fit its model."""

    def __init__(self, source: str | Path, problem: str, *, line: int | None = None, hint: str | None = None):
        where = f"{source}:{line}" if line is not None else str(source)
        super().__init__(f"{where}: {problem}", hint=hint)
        self.line = line


class DatasetMissing(OferBenchError):
    """A data set whose files are not where they should be."""

    exit_code = 3

    def __init__(self, name: str, *, root: str | Path | None, hint: str) -> None:
        super().__init__(f"data set {name} not found at {root}" if root else f"data set {name} has no root", hint=hint)
        self.name = name


class ImageUnreadable(OferBenchError):
    """One image that can't be decoded or has no usable content."""

    exit_code = 1

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}", hint="replace or remove the file; it counts as a failure until then")
        self.path = Path(path)


class OccluderError(OferBenchError):
    """An occlusion that can't be made as asked (ratio out of range, empty object folder)."""


class StoreError(OferBenchError):
    """An artefact that can't be written or is damaged."""


class UpstreamMissing(OferBenchError):
    """A training whose upstream components should be in the store and are not."""

    def __init__(self, stage: str, component: str) -> None:
        super().__init__(
            f"{stage} is not in the store",
            hint=f"train it first with the same options: ofer-bench train {component}; or leave out --stage",
        )


class PluginError(OferBenchError):
    """A plugin that can't be loaded or breaks its contract."""


class WeightsError(OferBenchError):
    """A file of weights that is missing, can't be read, or does not fit the component that shall load it."""


class TrainingDiverged(OferBenchError):
    """A training that ended in something that is not a number."""

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(f"training of {what}: {problem}", hint="lower the recipe's learning rate, look at the faces")


class ProcessFailed(OferBenchError):
    """One of several processes that train together has failed."""

    def __init__(self, rank: int, size: int, problem: str) -> None:
        super().__init__(
            f"process {rank + 1} of the {size} that train together: {problem}",
            hint="the same command goes on from the last checkpoint; --devices 1 trains without further processes",
        )


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turn what the system says while results are written to ``root`` into :class:`StoreError`."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{root} can't be written: {error.strerror or error}", hint="choose another folder") from None
