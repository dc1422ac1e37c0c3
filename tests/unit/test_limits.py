"""When to go on: reset times as the CLI writes them, delays, quiet hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orchestrator.errors import UsageError
from orchestrator.executors.limits import (
    JUST_PASSED,
    QuietHours,
    backoff_s,
    instant,
    limit_name,
    limit_reset,
    probe_delay_s,
)

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 21, 1, 30, tzinfo=BERLIN)
"""A Saturday."""


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("You've hit your session limit · resets 3:45pm (America/New_York)", "2026-11-21T21:45"),
        ("You've hit your session limit · resets 4:12am (UTC)", "2026-11-21T05:12"),
        ("You've hit your weekly limit · resets Nov 23, 8:12pm (America/New_York)", "2026-11-24T02:12"),
        ("You've hit your Opus limit · resets Jan 2, 2027, 4pm (UTC)", "2027-01-02T17:00"),
        ("resets 3pm", "2026-11-21T15:00"),
        ("resets 3 PM", "2026-11-21T15:00"),
        ("resets 3:45\u202fPM", "2026-11-21T15:45"),
        ("resets 12am", "2026-11-22T00:00"),
        ("resets 12pm", "2026-11-21T12:00"),
        ("resets 15:45", "2026-11-21T15:45"),
        ("resets 00:15", "2026-11-22T00:15"),
        ("resets at 5am", "2026-11-21T05:00"),
        ("5-hour limit reached ∙ resets 5am", "2026-11-21T05:00"),
        ("resets Mon 12:00am", "2026-11-23T00:00"),
        ("resets Saturday 1:00am", "2026-11-28T01:00"),
        ("resets Sat 2am", "2026-11-21T02:00"),
        ("resets Apr 23 at 4pm (UTC)", "2027-04-23T18:00"),
        ("resets Dec 1, 3:30am", "2026-12-01T03:30"),
        ("try again at Jun 11th, 2027 12:27 AM.", "2027-06-11T00:27"),
        ("Claude AI usage limit reached|1795234325", "2026-11-21T05:12:05"),
        ("Claude AI usage limit reached|1795234325000", "2026-11-21T05:12:05"),
        ("You will regain access on 2026-12-01 at 00:00 UTC.", "2026-12-01T01:00"),
        ("limit resets 2026-11-22T10:00:00Z", "2026-11-22T11:00"),
        ("limit resets 2026-11-22T10:00:00.123+05:30", "2026-11-22T05:30"),
        ("limit resets 2026-11-22 10:00", "2026-11-22T10:00"),
        ("2026-11-22T10:00:00+01:00", "2026-11-22T10:00"),
        ("resets in 2h 5m", "2026-11-21T03:35"),
        ("resets in 1 hour and 20 minutes", "2026-11-21T02:50"),
        ("try again in 45 seconds", "2026-11-21T01:30:45"),
        ("resets in 3 days", "2026-11-24T01:30"),
    ],
)
def test_the_reset_is_read_as_the_cli_writes_it(text: str, moment: str) -> None:
    assert limit_reset(text, NOW) == berlin(moment)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "You've hit your session limit",
        "Credit balance is too low",
        "resets soon",
        "resets 13pm",
        "resets 0am",
        "resets 25:00",
        "resets 10:75",
        "resets Feb 30, 4pm",
        "usage limit reached|17",
        "usage limit reached|9999999999",
        "limit resets 2026-13-45T10:00:00Z",
        "at 3pm the model answered",
    ],
)
def test_a_text_without_a_time_names_no_reset(text: str) -> None:
    assert limit_reset(text, NOW) is None


@pytest.mark.parametrize("zone", ["Nowhere/Land", "../etc/passwd", "America", "x", "UTC+99"])
def test_a_zone_that_is_not_known_is_the_zone_of_now(zone: str) -> None:
    assert limit_reset(f"resets 3pm ({zone})", NOW) == berlin("2026-11-21T15:00")


def test_the_answer_is_in_the_zone_of_now() -> None:
    reset = limit_reset("resets 3pm (America/New_York)", NOW)
    assert reset is not None
    assert reset.tzinfo is BERLIN


def test_a_reset_that_has_just_passed_is_not_tomorrows() -> None:
    assert limit_reset("resets 1:25am", NOW) == berlin("2026-11-21T01:25")
    assert limit_reset("resets 1:19am", NOW) == berlin("2026-11-22T01:19")
    after_midnight = datetime(2026, 11, 21, 0, 3, tzinfo=BERLIN)
    assert limit_reset("resets 11:58pm", after_midnight) == berlin("2026-11-20T23:58")


def test_a_day_that_has_passed_is_not_next_years() -> None:
    assert limit_reset("resets Nov 20, 11pm", NOW) == berlin("2026-11-20T23:00")


def test_a_day_after_new_year_is_next_years() -> None:
    december = datetime(2026, 12, 30, 12, 0, tzinfo=BERLIN)
    assert limit_reset("resets Jan 2, 4pm", december) == berlin("2027-01-02T16:00")


def test_a_wall_clock_that_is_left_out_is_taken_late() -> None:
    # In New York the clocks went from 2:00 to 3:00 on this day.
    before = datetime(2026, 3, 8, 1, 0, tzinfo=NEW_YORK)
    assert limit_reset("resets 2:30am", before) == datetime(2026, 3, 8, 3, 30, tzinfo=NEW_YORK)


def test_a_wall_clock_that_occurs_twice_is_the_next_of_both() -> None:
    # In New York the clocks went from 2:00 back to 1:00 on this day.
    first = datetime(2026, 11, 1, 1, 0, tzinfo=NEW_YORK)
    between = datetime(2026, 11, 1, 1, 45, tzinfo=NEW_YORK)
    assert _utc(limit_reset("resets 1:30am", first)) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert _utc(limit_reset("resets 1:30am", between)) == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


def test_a_reset_on_the_other_side_of_a_change_of_clocks_keeps_its_wall_clock() -> None:
    saturday = datetime(2026, 10, 24, 20, 0, tzinfo=BERLIN)
    reset = limit_reset("resets 9am", saturday)
    assert reset is not None
    assert (reset.hour, _utc(reset)) == (9, datetime(2026, 10, 25, 8, 0, tzinfo=UTC))


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None


def as_the_cli_writes(moment: datetime, now: datetime, zone: str) -> str:
    """The CLI's own way of writing a reset: the date only when it is more than a day away."""
    local = moment.astimezone(ZoneInfo(zone))
    clock = f"{local:%I}".lstrip("0") + (f":{local:%M}" if local.minute else "") + f"{local:%p}".lower()
    day = f"{local:%b} {local.day}, " if moment - now > timedelta(days=1) else ""
    year = f"{local.year}, " if day and local.year != now.astimezone(ZoneInfo(zone)).year else ""
    return f"You've hit your session limit · resets {day}{year}{clock} ({zone})"


@given(
    now=st.datetimes(min_value=datetime(2025, 1, 1), max_value=datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    minutes=st.integers(min_value=1, max_value=40 * 24 * 60),
    zone=st.sampled_from(
        ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]
    ),
    home=st.sampled_from([UTC, BERLIN, timezone(timedelta(hours=-5))]),
)
def test_what_the_cli_writes_is_read_to_the_minute(now: datetime, minutes: int, zone: str, home: ZoneInfo) -> None:
    moment = (now + timedelta(minutes=minutes)).replace(second=0, microsecond=0)
    local = moment.astimezone(ZoneInfo(zone))
    assume(moment > now)
    assume(local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset())
    # About a day ahead the time of day may be one that has just passed, or come twice where the clocks change.
    assume(minutes < 22 * 60 or minutes > 26 * 60)
    assert limit_reset(as_the_cli_writes(moment, now, zone), now.astimezone(home)) == moment


@given(st.text(), st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_no_text_fails(text: str, now: datetime) -> None:
    limit_reset(text, now)
    limit_reset(f"resets {text}", now)


@given(
    hour=st.integers(0, 23),
    minute=st.integers(0, 59),
    now=st.datetimes(min_value=datetime(2025, 1, 1), max_value=datetime(2030, 1, 1), timezones=st.just(BERLIN)),  # noqa: DTZ001
)
def test_a_time_of_day_is_never_more_than_a_day_ahead(hour: int, minute: int, now: datetime) -> None:
    reset = limit_reset(f"resets {hour:02}:{minute:02}", now)
    assert reset is not None
    ahead = reset.astimezone(UTC) - now.astimezone(UTC)
    assert -JUST_PASSED <= ahead <= timedelta(hours=25)


def test_an_instant_is_read_in_seconds_and_in_milliseconds() -> None:
    moment = datetime(2026, 11, 21, 4, 12, 5, tzinfo=UTC)
    assert instant(1795234325) == moment
    assert instant(1795234325000) == moment
    assert instant(1795234325.0, BERLIN) == moment


@pytest.mark.parametrize("number", [0, -1, 1e30, float("nan"), float("inf"), 9_999_999_999])
def test_a_number_that_is_no_time_is_no_instant(number: float) -> None:
    assert instant(number) is None


def test_retries_wait_five_seconds_doubling_to_five_minutes() -> None:
    assert [backoff_s(n, 0) for n in range(1, 10)] == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert backoff_s(10_000, 0) == 300


@given(st.integers(1, 50), st.floats(-1, 1))
def test_a_delay_is_spread_by_a_fifth_at_most(n: int, jitter: float) -> None:
    plain = backoff_s(n, 0)
    assert plain * 0.8 - 1e-9 <= backoff_s(n, jitter) <= plain * 1.2 + 1e-9


@pytest.mark.parametrize(("n", "jitter"), [(0, 0), (-1, 0), (1, 1.01), (1, -2), (1, float("nan"))])
def test_a_delay_of_no_retry_is_refused(n: int, jitter: float) -> None:
    with pytest.raises(ValueError, match=r"count from 1|goes from -1 to 1"):
        backoff_s(n, jitter)


def test_probes_of_an_unknown_reset_grow_to_half_an_hour() -> None:
    assert [probe_delay_s(n) for n in range(1, 8)] == [60, 120, 240, 480, 960, 1800, 1800]
    assert [probe_delay_s(n) for n in (1, 2, 7)] == [60, 120, 1800]


NIGHT = QuietHours.parse("22:00-07:00")
LUNCH = QuietHours.parse("12:00-13:30")


@pytest.mark.parametrize(
    ("hours", "clock", "is_quiet"),
    [
        (NIGHT, "21:59:59", False),
        (NIGHT, "22:00", True),
        (NIGHT, "23:59", True),
        (NIGHT, "00:00", True),
        (NIGHT, "06:59:59", True),
        (NIGHT, "07:00", False),
        (NIGHT, "12:00", False),
        (LUNCH, "11:59", False),
        (LUNCH, "12:00", True),
        (LUNCH, "13:29", True),
        (LUNCH, "13:30", False),
        (LUNCH, "00:00", False),
    ],
)
def test_quiet_hours_go_from_their_begin_up_to_their_end(hours: QuietHours, clock: str, is_quiet: bool) -> None:
    assert hours.is_quiet(berlin(f"2026-11-21T{clock}")) is is_quiet


@pytest.mark.parametrize(
    ("hours", "now", "end"),
    [
        (NIGHT, "2026-11-21T23:10", "2026-11-22T07:00"),
        (NIGHT, "2026-11-22T03:00", "2026-11-22T07:00"),
        (NIGHT, "2026-11-22T07:00", "2026-11-23T07:00"),
        (LUNCH, "2026-11-21T12:30", "2026-11-21T13:30"),
    ],
)
def test_quiet_hours_end_at_the_next_end(hours: QuietHours, now: str, end: str) -> None:
    assert hours.end(berlin(now)) == berlin(end)


def test_quiet_hours_end_by_the_wall_clock_in_a_night_with_a_change_of_clocks() -> None:
    # In Berlin the clocks went from 3:00 back to 2:00 in this night.
    end = NIGHT.end(datetime(2026, 10, 24, 22, 0, tzinfo=BERLIN))
    assert end.astimezone(UTC) == datetime(2026, 10, 25, 6, 0, tzinfo=UTC)


@given(
    begins=st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    ends=st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    now=st.datetimes(min_value=datetime(2025, 1, 1), max_value=datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_nothing_is_quiet_at_the_end_and_everything_is_just_before_it(begins, ends, now) -> None:  # type: ignore[no-untyped-def]
    assume(begins != ends)
    hours = QuietHours(begins, ends)
    end = hours.end(now)
    assert timedelta(0) < end - now <= timedelta(days=1)
    assert not hours.is_quiet(end)
    assert hours.is_quiet(end - timedelta(microseconds=1))
    assert QuietHours.parse(str(hours)) == hours


@pytest.mark.parametrize("text", ["22:00–07:00", " 22:00 - 7:00 ", "22:00-07:00"])
def test_quiet_hours_are_read_as_people_write_them(text: str) -> None:
    assert QuietHours.parse(text) == NIGHT


def test_quiet_hours_may_end_at_midnight() -> None:
    assert str(QuietHours.parse("22:00-24:00")) == "22:00-00:00"


@pytest.mark.parametrize(
    "text", ["", "22-7", "22:00", "25:00-07:00", "22:60-07:00", "22:00-24:30", "night", "22:00-07:00x"]
)
def test_what_is_no_span_of_the_day_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="quiet hours") as refusal:
        QuietHours.parse(text)
    assert "22:00-07:00" in refusal.value.advice


def test_quiet_hours_that_never_end_are_refused() -> None:
    with pytest.raises(UsageError, match="begin when they end"):
        QuietHours.parse("22:00-22:00")


class TestNameOfALimit:
    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("You've hit your session limit · resets 3:45pm (UTC)", "session limit"),
            ("You’ve hit your weekly limit · resets Mon 12:00am", "weekly limit"),
            ("You've hit your Opus limit · resets Apr 23 at 4pm", "Opus limit"),
            ("You've reached your usage limit. Your limit resets at 3pm", "usage limit"),
            ("Claude AI usage limit reached|1763700000", "usage limit"),
            ("You've hit your limit · resets 4pm", "usage limit"),
            ("", "usage limit"),
        ],
    )
    def test_it_is_the_one_that_the_message_names(self, text: str, name: str) -> None:
        assert limit_name(text) == name
