"""Durations as people write them, and as they are shown."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.durations import LONGEST_S, duration_text, estimate, estimate_text, seconds
from orchestrator.model import Estimate

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90s", 90),
        ("20m", 20 * MINUTE),
        ("2h", 2 * HOUR),
        ("1d", DAY),
        ("1h30m", 1.5 * HOUR),
        ("1.5h", 1.5 * HOUR),
        ("1h 5m", 65 * MINUTE),
        (" 2 H ", 2 * HOUR),
        ("1d2h3m4s", DAY + 2 * HOUR + 3 * MINUTE + 4),
        ("90", 90),
        ("0.5", 0.5),
        (90, 90),
        (0, 0),
        (1.5, 1.5),
    ],
)
def test_a_duration_is_seconds_or_has_units(text: str | float, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "m",
        "h30m",
        "20 minutes",
        "1m1h",
        "1h1h",
        "2h30",
        "1e3",
        "1,5h",
        "٣m",
        "20m-30m",
        "nan",
        "inf",
        "x" * 99,
    ],
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds(text)


@pytest.mark.parametrize("value", [-1, -0.5, "-1", "-20m", "- 5s"])
def test_a_negative_duration_is_refused(value: str | float) -> None:
    with pytest.raises(ValueError, match=r"negative|not a duration"):
        seconds(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, -(10**400), "9" * 50, LONGEST_S + 1, "367d"])
def test_a_duration_without_measure_is_refused(value: str | float) -> None:
    with pytest.raises(ValueError, match=r"not a duration|longer than 366 days|negative"):
        seconds(value)


@pytest.mark.parametrize("value", [True, False])
def test_a_truth_value_is_no_number_of_seconds(value: bool) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        seconds(value)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("20m", (20, 20)),
        ("20m-30m", (20, 30)),
        ("20-30m", (20, 30)),
        ("20m – 30m", (20, 30)),
        ("1-1h30m", (60, 90)),
        ("0-5m", (0, 5)),
        (600, (10, 10)),
        ("600-1200", (10, 20)),
    ],
)
def test_an_estimate_is_a_duration_or_a_range(text: str | float, ends: tuple[int, int]) -> None:
    assert estimate(text) == Estimate(ends[0] * MINUTE, ends[1] * MINUTE)


@pytest.mark.parametrize("text", ["30m-20m", "0", "0-0m", 0, "-5m", "-5m-10m", "5m-", "5m-6m-7m", "a-b", "-"])
def test_a_range_that_runs_backwards_or_is_nothing_is_refused(text: str | float) -> None:
    with pytest.raises(ValueError, match=r"\w+"):
        estimate(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0s"),
        (0.04, "0s"),
        (0.3, "0.3s"),
        (2.14, "2.1s"),
        (7, "7s"),
        (9.96, "10s"),
        (12.4, "12s"),
        (59.6, "1m"),
        (60, "1m"),
        (200, "3m 20s"),
        (3_599.6, "1h"),
        (3_900, "1h 5m"),
        (86_399, "1d"),
        (2 * DAY + 3 * HOUR, "2d 3h"),
        (-3, "0s"),
    ],
)
def test_a_duration_is_shown_with_at_most_two_units(value: float, text: str) -> None:
    assert duration_text(value) == text


@given(st.floats(0, LONGEST_S - DAY))
def test_what_is_shown_can_be_read_again_and_is_right_to_half_its_last_unit(value: float) -> None:
    shown = duration_text(value)
    grain = {"d": HOUR, "h": MINUTE if value < DAY else HOUR, "m": 1.0, "s": 0.1 if value < 10 else 1.0}
    assert abs(seconds(shown) - value) <= grain[shown.split()[0][-1]] / 2 + 1e-6
    assert len(shown.split()) <= 2


@given(st.integers(0, 3_599) | st.integers(60, 1_439).map(lambda minutes: minutes * 60))
def test_whole_seconds_below_an_hour_and_whole_minutes_below_a_day_survive(value: int) -> None:
    assert seconds(duration_text(value)) == value


@given(st.integers(1, 59), st.integers(0, 59))
def test_an_estimate_that_is_shown_can_be_read_again(low: int, more: int) -> None:
    value = Estimate(low * MINUTE, (low + more) * MINUTE)
    assert estimate(estimate_text(value)) == value


@given(st.text())
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    for read in (seconds, estimate):
        try:
            read(text)
        except ValueError as error:
            assert str(error).isprintable()  # noqa: PT017  # any other error must fail the test
