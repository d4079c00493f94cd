"""The user's own images: found, named apart and decoded; and the folder that results go to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from ofer_bench.core.errors import ImageUnreadable


@dataclass(slots=True)
class Decoded:
    """Images uint8 [size,size,3] with the file and the result name of each, and what could not be read."""

    path: list[Path] = field(default_factory=list)
    name: list[str] = field(default_factory=list)
    image: list[np.ndarray] = field(default_factory=list)
    failed: list[tuple[Path, ImageUnreadable]] = field(default_factory=list)


def find_images(sources: Sequence[Path]) -> list[Path]:
    """Return files as they are and folders by their image files, each once. SpecError where there is nothing."""
    from ofer_bench.core.errors import SpecError
    from ofer_bench.data.decode import image_files

    found: list[Path] = []
    for source in sources:
        if not source.exists():
            raise SpecError(source, "is not there", hint="give image files, or a folder that has some")
        images = image_files(source) if source.is_dir() else [source]
        if not images:
            raise SpecError(source, "holds no images", hint="give image files, or a folder that has some")
        found += images
    return list(dict.fromkeys(found))


def result_names(paths: Sequence[Path]) -> list[str]:
    """Name the results of ``paths``: by stem, else with the suffix, else with the folders, as it takes to tell them."""
    from ofer_bench.core.errors import SpecError

    for name in (lambda p: p.stem, lambda p: p.name, lambda p: "-".join(p.resolve().parts[1:])):
        names = [name(path) for path in paths]
        # Some file systems take two names for one that differ only in case.
        if len({name.casefold() for name in names}) == len(names):
            return names
    raise SpecError(paths[0], "and another image would get results of the same name", hint="rename one of them")


def decode_images(paths: Sequence[Path], size: int) -> Decoded:
    """Decode what can be decoded."""
    from ofer_bench.core.errors import ImageUnreadable
    from ofer_bench.data.decode import decode_image

    decoded = Decoded()
    for path, name in zip(paths, result_names(paths), strict=True):
        try:
            decoded.image.append(decode_image(path, size))
        except ImageUnreadable as error:
            decoded.failed.append((path, error))
        else:
            decoded.path.append(path)
            decoded.name.append(name)
    return decoded


def make_folder(path: Path, hint: str) -> None:
    """Make the folder for results, before any work is done for it. StoreError with ``hint`` when that fails."""
    from ofer_bench.core.errors import StoreError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path} can't be written: {error.strerror}", hint=hint) from None
