"""YAML into pydantic models, with file and line in every error."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ofer_bench.core.errors import SpecError

Model = TypeVar("Model", bound=BaseModel)

# libyaml reads the shipped files ten times faster; not every PyYAML is built with it.
_FAST_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(text: str, model: type[Model], source: str | Path) -> Model:
    """Parse ``text`` into ``model``; a mistake raises :class:`SpecError` naming ``source`` and the line."""
    try:
        node, value = _load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise SpecError(source, f"not valid YAML: {error.problem}", line=line) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SpecError(source, f"not valid YAML: {error.reason}", line=line) from None
    except (yaml.YAMLError, ValueError) as error:
        # A value that only looks like a date or a number.
        raise SpecError(source, f"not valid YAML: {error}", hint="quote it if it is a text") from None
    if not isinstance(value, dict):
        raise SpecError(source, "expected a mapping at the top", line=1)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "(top)"
        raise SpecError(source, f"{where}: {first['msg']}", line=_line_of(node, first["loc"])) from None


def load_yaml(path: Path, model: type[Model]) -> Model:
    """Read and parse one file."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(path, f"can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SpecError(path, "is not UTF-8 text") from None
    return parse_yaml(text, model, path)


def packaged_yaml(package: str, name: str, model: type[Model]) -> Model:
    """Parse ``name`` shipped inside ``package``."""
    resource = resources.files(package).joinpath(name)
    return parse_yaml(resource.read_text(encoding="utf-8"), model, f"{package}/{name}")


def packaged_names(package: str) -> list[str]:
    """Stems of the YAML files shipped inside ``package``, sorted."""
    entries = resources.files(package).iterdir()
    return sorted(Path(entry.name).stem for entry in entries if entry.name.endswith(".yaml"))


def _load(text: str) -> tuple[yaml.Node | None, Any]:
    """Nodes and value of ``text``; what is wrong with it is told by PyYAML itself, the same on every machine."""
    try:
        return _load_with(_FAST_LOADER, text)
    except yaml.YAMLError:
        return _load_with(yaml.SafeLoader, text)


def _load_with(kind: Any, text: str) -> tuple[yaml.Node | None, Any]:
    loader = kind(text)
    try:
        node = loader.get_single_node()
        return node, None if node is None else loader.construct_document(node)
    finally:
        loader.dispose()


def _line_of(node: yaml.Node | None, location: tuple[Any, ...]) -> int | None:
    """Line of the deepest node that ``location`` reaches."""
    line = node.start_mark.line + 1 if node is not None else None
    for part in location:
        if node is None:
            break
        line = node.start_mark.line + 1
        child = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    line, child = key.start_mark.line + 1, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            child = node.value[part]
            line = child.start_mark.line + 1
        node = child
    return line
