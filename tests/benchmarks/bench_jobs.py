"""Cold runs with one process and with several: ``python tests/benchmarks/bench_jobs.py [--jobs 2] [--set KEY=VALUE]…``.

Each is the command ``ofer-bench run`` with a store of its own, so that ``--set`` and a smaller profile make it shorter.
Prints wall time, and what one takes of the other's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUN = [sys.executable, "-c", "from ofer_bench.cli.main import main; main()", "run"]


def cold_run(jobs: int, suite: str, overrides: list[str]) -> float:
    """Seconds of a run from an empty store to its report; CalledProcessError if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        changes = [part for text in overrides for part in ("--set", text)]
        out = str(Path(folder) / "run")
        started = time.perf_counter()
        subprocess.run(
            [*RUN, suite, "--jobs", str(jobs), "--out", out, *changes],
            env={**os.environ, "OFER_BENCH_STORE": str(Path(folder) / "store")},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return time.perf_counter() - started


def main() -> None:
    """Run, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="core")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    options = parser.parse_args()
    alone = cold_run(1, options.suite, options.overrides)
    print(f"1 process    {alone:6.0f} s")
    together = cold_run(options.jobs, options.suite, options.overrides)
    print(f"{options.jobs} processes  {together:6.0f} s  {together / alone:.2f} of that")


if __name__ == "__main__":
    main()
