"""What CONTRIBUTING.md promises about the code, checked on the files."""

from __future__ import annotations

import re
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [ROOT / "ofer_bench", ROOT / "baselines", ROOT / "occluders", ROOT / "reports"]
MODULES = sorted(p for package in PACKAGES for p in package.rglob("*.py") if p.stat().st_size)


def test_modules_are_short() -> None:
    lines = {p.relative_to(ROOT): len(p.read_text().splitlines()) for p in MODULES}
    assert {p: n for p, n in lines.items() if n > 400} == {}
    assert statistics.median(lines.values()) <= 150


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_says_what_belongs_in_it(path: Path) -> None:
    assert path.read_text().startswith('"""'), "a module begins with its docstring"


def test_nothing_names_a_machine_or_leaves_work_undone() -> None:
    own = rf"(?<![\w.]){re.escape(str(ROOT))}(?!\w)"
    pattern = re.compile(rf"/(?:home|mnt|root|tmp|Users)/\w|{own}|#.*\b(?:TODO|FIXME|XXX)\b")
    assert all(pattern.search(bad) for bad in ('"/home/me/faces"', f'"{ROOT}/faces"', "x = 1  # TODO"))
    # A checkout in /data must not forbid the folder ofer_bench/data.
    assert re.search(own, f"ofer_bench{ROOT}/decode.py") is None
    found = {p.relative_to(ROOT) for p in MODULES if pattern.search(p.read_text())}
    assert found == set()
