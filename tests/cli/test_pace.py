from __future__ import annotations

import pytest

from ofer_bench.cli.pace import WINDOW_S, Pace, duration


def test_rate_and_time_left_of_a_steady_stage() -> None:
    pace = Pace(100.0)
    assert pace.tell(104.0, 8, 48, "faces") == "2 faces/s, 20 s left"
    assert pace.tell(110.0, 20, 48, "faces") == "2 faces/s, 14 s left"


def test_before_anything_is_done_it_says_what_goes_on_and_forgets_that_time() -> None:
    pace = Pace(0.0)
    assert pace.tell(20.0, 0, 100, "compiling") == "compiling"
    assert pace.tell(25.0, 50, 100, "faces") == "10 faces/s, 5 s left"


def test_only_the_last_half_minute_counts() -> None:
    pace = Pace(0.0)
    # 900 of 1000 were found finished; from then on it is one a second.
    for second in range(1, 60):
        text = pace.tell(float(second), 900 + second, 1000, "faces")
    assert WINDOW_S < 58
    assert text == "1 faces/s, 41 s left"


def test_a_stage_that_starts_over_or_stands_still_is_no_error() -> None:
    pace = Pace(0.0)
    pace.tell(1.0, 50, 100, "images")
    assert pace.tell(2.0, 10, 100, "images") == "images"
    assert pace.tell(3.0, 20, 100, "images") == "10 images/s, 8 s left"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (99, "99 s"), (120, "2 min"), (5_900, "98 min"), (12_000, "3 h 20 min"), (200_000, "55 h 33 min")],
)
def test_times_have_two_figures(seconds: float, text: str) -> None:
    assert duration(seconds) == text
