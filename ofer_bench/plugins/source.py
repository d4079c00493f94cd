"""Digest of a plugin's source, without importing it: the module and what it imports of its own package."""

from __future__ import annotations

import ast
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

from ofer_bench.core.hashing import digest, file_digest

_HARNESS = ("ofer_bench.api", "ofer_bench.core", "ofer_bench.spec")
_PROJECT = ("ofer_bench", "ofer_baselines", "ofer_occluders")


@cache
def source_digest(module: str) -> str:
    """Digest ``module`` and, transitively, what it imports of its own top-level package and of this project.

    Follows imports inside functions too. It stops at the harness (``ofer_bench.api``, ``core``, ``spec``), which is
    versioned by the schema numbers of its stages.
    """
    followed = {*_PROJECT, module.partition(".")[0]}
    files: dict[str, str] = {}
    queue = [module]
    while queue:
        name = queue.pop()
        if name in files or any(name == part or name.startswith(f"{part}.") for part in _HARNESS):
            continue
        path = _path(name)
        if path is not None:
            files[name] = file_digest(path)
            queue.extend(n for n in _imports(path, name) if n.partition(".")[0] in followed)
    return digest(files)


@cache
def _path(name: str) -> Path | None:
    """File of a module, found without running any of its code."""
    parts = name.split(".")
    search: list[str] | None = None
    spec = None
    for depth in range(len(parts)):
        spec = find_spec(parts[0]) if depth == 0 else PathFinder.find_spec(".".join(parts[: depth + 1]), search)
        if spec is None:
            return None
        search = list(spec.submodule_search_locations or ())
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _imports(path: Path, module: str) -> list[str]:
    # The dots of a relative import count from the package that holds the module; a package's own code lies in it.
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            target = ".".join(part for part in (base, node.module or "") if part)
            names += [target, *(f"{target}.{alias.name}" for alias in node.names)]
    return names
