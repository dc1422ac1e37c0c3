"""The one seam for the time of day."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import clock
from orchestrator.errors import UsageError

MOMENT = 1_795_222_380.123
MOMENTS = st.floats(min_value=0, max_value=4_000_000_000)


@pytest.fixture(params=["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Kiritimati"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A clock that has not been asked yet, as in a new process."""
    monkeypatch.setattr(clock, "_read", clock._read_first)
    return monkeypatch


def test_a_timestamp_of_the_journal_is_utc_with_milliseconds() -> None:
    assert clock.utc_text(MOMENT) == "2026-11-21T00:53:00.123Z"
    assert clock.utc_text(0) == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("ts", "text"), [(59.9996, "00:01:00.000"), (86_399.9999, "00:00:00.000"), (59.9994, "00:00:59.999")]
)
def test_rounding_carries_over_into_seconds_and_days(ts: float, text: str) -> None:
    assert clock.utc_text(ts)[11:-1] == text


@given(MOMENTS)
def test_a_timestamp_that_is_read_and_written_again_is_the_same(ts: float) -> None:
    text = clock.utc_text(ts)
    assert clock.utc_text(clock.parse_utc(text)) == text
    assert abs(clock.parse_utc(text) - ts) < 0.000_501


@given(MOMENTS, MOMENTS)
def test_texts_are_in_the_order_of_their_times(one: float, other: float) -> None:
    assert (clock.utc_text(one) <= clock.utc_text(other)) or one > other


@given(MOMENTS)
def test_a_time_with_offset_means_the_same_moment(ts: float) -> None:
    assert clock.utc_text(clock.parse_utc(clock.iso_offset(ts))) == clock.utc_text(ts)


def test_other_forms_of_iso_8601_are_read() -> None:
    expected = 1_795_222_380.0
    for text in ("2026-11-21T00:53:00Z", "2026-11-21T01:53:00+01:00", "2026-11-20T21:23:00.000-03:30"):
        assert clock.parse_utc(text) == expected


@pytest.mark.parametrize("text", ["", "today", "2026-11-21T00:53:00", "2026-11-21", "2026-13-01T00:00:00Z", "12:00Z"])
def test_a_time_without_zone_or_meaning_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        clock.parse_utc(text)


def test_local_forms_follow_the_zone_of_the_machine(zone: str) -> None:
    expected = {
        "UTC": ("2026-11-21 00:53:00", "2026-11-21T00:53:00.123+00:00"),
        "Europe/Berlin": ("2026-11-21 01:53:00", "2026-11-21T01:53:00.123+01:00"),
        "Asia/Kolkata": ("2026-11-21 06:23:00", "2026-11-21T06:23:00.123+05:30"),
        "America/St_Johns": ("2026-11-20 21:23:00", "2026-11-20T21:23:00.123-03:30"),
        "Pacific/Kiritimati": ("2026-11-21 14:53:00", "2026-11-21T14:53:00.123+14:00"),
    }[zone]
    assert (clock.local_datetime(MOMENT), clock.iso_offset(MOMENT)) == expected
    assert clock.local_time(MOMENT) == expected[0][11:]
    assert clock.parse_utc(clock.iso_offset(MOMENT)) == MOMENT


def test_now_is_the_time_of_the_machine(setting: pytest.MonkeyPatch) -> None:
    setting.delenv(clock.NOW_VARIABLE, raising=False)
    before = time.time()
    assert before <= clock.now() <= time.time()


def test_a_moment_in_the_environment_stops_the_clock(setting: pytest.MonkeyPatch) -> None:
    setting.setenv(clock.NOW_VARIABLE, "2026-11-21T00:53:00.123Z")
    assert clock.now() == clock.now() == MOMENT


@pytest.mark.parametrize("shift_s", [3600, -86_400])
def test_a_shift_in_the_environment_lets_it_run_on(setting: pytest.MonkeyPatch, shift_s: int) -> None:
    setting.setenv(clock.NOW_VARIABLE, f"{shift_s:+d}")
    first = clock.now()
    assert abs(first - time.time() - shift_s) < 1
    assert clock.now() > first


@pytest.mark.parametrize("text", ["soon", "+x", "12:00", "2026-11-21T00:53:00"])
def test_a_wrong_setting_is_named_with_its_variable(setting: pytest.MonkeyPatch, text: str) -> None:
    setting.setenv(clock.NOW_VARIABLE, text)
    with pytest.raises(UsageError, match=clock.NOW_VARIABLE):
        clock.now()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 999)), min_size=1, max_size=20))
def test_times_read_one_after_the_other_are_what_each_is_alone(moments: list[tuple[int, int]]) -> None:
    for second, millisecond in moments:
        text = f"2026-11-21T00:53:0{second}.{millisecond:03d}Z"
        assert clock.parse_utc(text) == datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize("text", ["2026-11-21T00:53:00.1x3Z", "2026-11-21T00:53:00.١٢٣Z", "2026-11-21T00:53:00.123z "])
def test_a_text_that_begins_like_the_last_time_is_looked_at_all_the_same(text: str) -> None:
    clock.parse_utc("2026-11-21T00:53:00.123Z")
    with pytest.raises(ValueError, match="isoformat"):
        clock.parse_utc(text)
