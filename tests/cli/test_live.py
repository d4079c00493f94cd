from __future__ import annotations

import io

import pytest
from rich.console import Console

from ofer_bench.cli.live import LiveView, PlainLines, short


def drive(view: LiveView | PlainLines) -> None:
    with view:
        view.begin(12, 3)
        view.stage("train/ParaFace/face-mae/seed0")
        view.advance(64, 640, "images")
        if isinstance(view, LiveView):
            # The view draws ten times a second on its own; here it has to do so now.
            view._bars.refresh()
        view.advance(640, 640, "images")
        view.finish("train/ParaFace/face-mae/seed0", 4.2)
        view.stage("train/ParaFace/dan/seed0")
        view.fail("train/ParaFace/dan/seed0", "RuntimeError: no luck")
        view.note("writing the report")


def test_the_live_view_shows_stage_rate_cache_and_what_happened() -> None:
    out = io.StringIO()
    drive(LiveView(Console(file=out, force_terminal=True, width=80)))
    text = out.getvalue()
    for part in ("3 cached", "images/s", "left", "4.2 s", "no luck", "writing the report"):
        assert part in text


def test_plain_lines_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    drive(PlainLines())
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "12 stages, 3 cached",
        "start train/ParaFace/face-mae/seed0",
        "done  train/ParaFace/face-mae/seed0 (4.2 s)",
        "start train/ParaFace/dan/seed0",
        "FAILED train/ParaFace/dan/seed0: RuntimeError: no luck",
        "writing the report",
    ]


def test_long_labels_are_cut_to_the_terminal() -> None:
    assert short("a" * 60, 80) == "a" * 25 + "…"
    assert short("train/x", 80) == "train/x"
