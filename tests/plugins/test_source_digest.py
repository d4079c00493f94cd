"""The digest of a plugin's source: it changes with what the plugin is made of, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import ofer_baselines
from ofer_bench.plugins import source
from ofer_bench.plugins.source import source_digest

Digests = Callable[..., list[str]]


@pytest.fixture
def digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Digests:
    """Digests of modules under ``tmp_path``, read anew."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def fresh(*modules: str) -> list[str]:
        source.source_digest.cache_clear()
        source._path.cache_clear()
        return [source_digest(module) for module in modules]

    return fresh


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_it_follows_imports_of_the_plugins_own_package(tmp_path: Path, digests: Digests) -> None:
    main = "import json\nfrom plug_pkg.helper import f\nfrom ofer_bench.api import Card\n"
    files = {"__init__.py": "", "main.py": main, "helper.py": "def f():\n    return 1\n", "other.py": "x = 1\n"}
    write(tmp_path / "plug_pkg", files)
    first = digests("plug_pkg.main")
    write(tmp_path / "plug_pkg", {"other.py": "x = 2\n"})
    assert digests("plug_pkg.main") == first
    write(tmp_path / "plug_pkg", {"helper.py": "def f():\n    return 2\n"})
    assert digests("plug_pkg.main") != first


@pytest.mark.parametrize(
    ("module", "edited"),
    [
        ("rel_pkg", "net.py"),
        ("rel_pkg", "sub/deep.py"),
        ("rel_pkg.sub", "net.py"),
        ("rel_pkg.sub", "sub/deep.py"),
        ("rel_pkg.sub.deep", "net.py"),
    ],
)
def test_relative_imports_are_followed_from_modules_and_packages(
    tmp_path: Path, digests: Digests, module: str, edited: str
) -> None:
    files = {
        "__init__.py": "from .net import Net\nfrom . import sub\n",
        "net.py": "class Net: ...\n",
        "sub/__init__.py": "from .deep import x\n",
        "sub/deep.py": "from ..net import Net\nx = 1\n",
    }
    write(tmp_path / "rel_pkg", files)
    first = digests(module)
    write(tmp_path / "rel_pkg", {edited: files[edited] + "y = 2\n"})
    assert digests(module) != first


def test_it_stops_at_the_harness(tmp_path: Path, digests: Digests, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = {"api.py": "", "core/errors.py": "", "spec/profile.py": "", "data/decode.py": ""}
    packages = {f"{folder}__init__.py": "" for folder in ("", "core/", "spec/", "data/")}
    write(tmp_path / "fake_bench", {**harness, **packages})
    text = "".join(f"import fake_bench.{name[:-3].replace('/', '.')}\n" for name in harness)
    write(tmp_path, {"reads.py": text})
    monkeypatch.setattr(source, "_HARNESS", tuple(n.replace("ofer_bench", "fake_bench") for n in source._HARNESS))
    monkeypatch.setattr(source, "_PROJECT", ("fake_bench",))
    first = digests("reads")
    for name in ("api.py", "core/errors.py", "spec/profile.py"):
        write(tmp_path / "fake_bench", {name: "# said anew\n"})
        assert digests("reads") == first
    write(tmp_path / "fake_bench", {"data/decode.py": "# said anew\n"})
    assert digests("reads") != first


def test_editing_one_baseline_leaves_the_others_alone(tmp_path: Path, digests: Digests) -> None:
    names = ("dan", "mean_fill", "one_class_svm", "resnet18")
    original = Path(str(ofer_baselines.__file__)).parent
    for name in (*names, "classifier_training"):
        code = (original / f"{name}.py").read_text().replace("ofer_baselines", "copied_baselines")
        write(tmp_path / "copied_baselines", {f"{name}.py": code, "__init__.py": ""})
    modules = [f"copied_baselines.{name}" for name in names]

    def changed_by(edited: str) -> set[str]:
        before = digests(*modules)
        path = tmp_path / "copied_baselines" / f"{edited}.py"
        path.write_text(path.read_text() + "# edited\n")
        return {name for name, old, new in zip(names, before, digests(*modules), strict=True) if old != new}

    assert changed_by("mean_fill") == {"mean_fill"}
    assert changed_by("one_class_svm") == {"one_class_svm"}
    assert changed_by("dan") == {"dan"}
    assert changed_by("classifier_training") == {"dan", "resnet18"}
