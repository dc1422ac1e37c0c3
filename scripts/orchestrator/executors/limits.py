"""When to go on: the reset time a limit names, the delays before trying again, and quiet hours.

Pure: "now" is always a parameter and always aware of its zone. Where a text names no zone, or one that
this machine does not know, the zone of ``now`` is meant; give it a real zone and not a bare offset,
so that the answer is right on the other side of a change of clocks.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from orchestrator.dataclasses import dataclass
from orchestrator.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

BACKOFF_FIRST_S = 5.0
BACKOFF_LONGEST_S = 300.0
BACKOFF_SPREAD = 0.2
PROBE_FIRST_S = 60.0
PROBE_LONGEST_S = 1800.0

JUST_PASSED = timedelta(minutes=10)
"""A reset this little in the past is the one that was meant: an answer is judged after the CLI's own
retries, up to 200 s later, and "resets 3pm" read at 3:01pm does not mean tomorrow."""

MILLISECONDS_FROM = 1e11
"""Unix times from here on are milliseconds; as seconds this is the year 5138."""

_LONGEST_READ = 2000
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_WEEKDAYS = "mon|tue|wed|thu|fri|sat|sun"

# Patterns are compiled when first used: most runs meet no limit.
_ANNOUNCED = r"(?i)\bresets?\b|regain access|available again|try again|\buntil\b"
_NAMED = r"(?i)\b(?:hit|reached) your ((?:[\w.'’-]+ ){0,2}?[\w.'’-]+) limit\b"
_PIPED = r"(?i)limit reached\s*\|\s*(\d{10,13})\b"
_ISO = (
    r"(?i)(?P<day>\d{4}-\d\d-\d\d)(?:T|\s+(?:at\s+)?)(?P<clock>\d\d:\d\d(?::\d\d)?)(?:\.\d+)?"
    r"\s*(?P<zone>Z|UTC|[+-]\d\d:?\d\d)?"
)
_UNITS = r"days?|hours?|hrs?|minutes?|mins?|seconds?|secs?|[dhms]"
_IN = rf"(?i)\bin\s+((?:\d+\s*(?:{_UNITS})\b[\s,]*(?:and\s+)?)+)"
_SPAN = r"(?i)(\d{1,5})\s*([dhms])"
_CLOCK = (
    r"(?i)(?:\b(?P<month>" + _MONTHS + r")[a-z]*\.?\s+(?P<date>\d{1,2})(?:st|nd|rd|th)?(?:,?\s+(?P<year>\d{4}))?,?\s+"
    r"(?:at\s+)?|\b(?P<weekday>" + _WEEKDAYS + r")[a-z]*\.?,?\s+(?:at\s+)?)?"
    r"\b(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?(?::\d\d)?\s*(?P<half>[ap]\.?m\b)?"
)
_ZONE = r"\(([A-Za-z][A-Za-z0-9_+\-]*(?:/[A-Za-z0-9_+\-]+)*)\)"


def limit_reset(text: str, now: datetime) -> datetime | None:
    """The moment at which the limit that ``text`` reports is over, in the zone of ``now``.

    ``text`` is a message of the CLI: ``resets 3:45pm (America/New_York)``, ``resets Mon 12:00am``,
    ``resets Nov 23, 8:12pm (UTC)``, ``resets Apr 23 at 4pm``, ``resets 15:45``, ``resets in 2h 5m``,
    ``usage limit reached|1763700000``, or a time in ISO form. A time of day means its next occurrence,
    or the one of the last ten minutes; None when no time is given.
    """
    text = text[:_LONGEST_READ]
    piped = re.search(_PIPED, text)
    if piped:
        return instant(float(piped[1]), now.tzinfo)
    announced = re.search(_ANNOUNCED, text)
    tail = text[announced.end() :] if announced else ""
    iso = re.search(_ISO, tail) if announced else re.fullmatch(_ISO, text.strip())
    if iso:
        return _iso(iso, now)
    span = re.search(_IN, tail)
    if span:
        seconds = {"d": 86400, "h": 3600, "m": 60, "s": 1}
        return now + timedelta(seconds=sum(int(n) * seconds[unit.lower()] for n, unit in re.findall(_SPAN, span[1])))
    for clock in re.finditer(_CLOCK, tail):
        if clock["half"] or clock["minute"]:
            return _occurrence(clock, _zone(tail[clock.end() :], now), now)
    return None


def limit_name(text: str) -> str:
    """Which limit ``text`` reports: ``session limit``, ``weekly limit``, ``Opus limit``; ``usage limit`` by default."""
    match = re.search(_NAMED, text[:_LONGEST_READ])
    return f"{match[1]} limit" if match else "usage limit"


def instant(number: float, zone: tzinfo | None = UTC) -> datetime | None:
    """The unix time ``number``, in seconds or milliseconds, as a moment; None when it is none."""
    seconds = number / 1000 if number >= MILLISECONDS_FROM else number
    if not 0 < seconds < 2**33:
        return None
    return datetime.fromtimestamp(seconds, UTC).astimezone(zone or UTC)


def backoff_s(n: int, jitter: float) -> float:
    """Seconds before retry ``n``, counted from 1: 5, 10, doubling to 300, spread by ``jitter`` × 20 %.

    ``jitter`` is a random number from -1 to 1, drawn by the caller.
    """
    if n < 1:
        raise ValueError(f"retries count from 1, not {n}")
    if not -1 <= jitter <= 1:
        raise ValueError(f"jitter goes from -1 to 1, not {jitter}")
    return _doubled(BACKOFF_FIRST_S, BACKOFF_LONGEST_S, n) * (1 + BACKOFF_SPREAD * jitter)


def probe_delay_s(n: int) -> float:
    """Seconds before probe ``n``, counted from 1, of a limit that names no reset: 60, doubling to 1,800."""
    return _doubled(PROBE_FIRST_S, PROBE_LONGEST_S, n)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The hours of each day in which nothing new is started; from ``begins`` up to but without ``ends``."""

    begins: time
    ends: time

    @classmethod
    def parse(cls, text: str) -> QuietHours:
        """Read ``22:00-07:00``; UsageError when it is anything else, or as good as always."""
        match = re.fullmatch(r"\s*(\d{1,2}):(\d\d)\s*[-–]\s*(\d{1,2}):(\d\d)\s*", text)
        try:
            if match is None:
                raise ValueError
            begin_h, begin_m, end_h, end_m = map(int, match.groups())
            hours = cls(time(begin_h, begin_m), time(end_h % 24 if end_m == 0 and end_h == 24 else end_h, end_m))
        except ValueError:
            raise UsageError(
                f"quiet hours {text!r} are not a span of the day", "two times of day, as in 22:00-07:00"
            ) from None
        if hours.begins == hours.ends:
            raise UsageError(f"quiet hours {text!r} begin when they end", "two different times, as in 22:00-07:00")
        return hours

    def is_quiet(self, now: datetime) -> bool:
        """Whether nothing is started at ``now``, by the wall clock of its zone."""
        clock = now.time()
        if self.begins < self.ends:
            return self.begins <= clock < self.ends
        return clock >= self.begins or clock < self.ends

    def end(self, now: datetime) -> datetime:
        """The next moment after ``now`` at which the quiet hours end, whether or not they have begun."""
        days = [now.date() + timedelta(days=n) for n in range(3)]
        return _moments(now, now.tzinfo or UTC, self.ends, days, timedelta(0))[0]

    def __str__(self) -> str:
        return f"{self.begins:%H:%M}-{self.ends:%H:%M}"


def _doubled(first: float, longest: float, n: int) -> float:
    """``first`` doubled ``n`` - 1 times, at most ``longest``."""
    return min(longest, first * 2.0 ** min(n - 1, 32))


def _iso(match: re.Match[str], now: datetime) -> datetime | None:
    zone = (match["zone"] or "").upper()
    offset = "+00:00" if zone in ("Z", "UTC") else zone
    try:
        moment = datetime.fromisoformat(f"{match['day']}T{match['clock']}{offset}")
    except ValueError:
        return None
    return (moment if offset else moment.replace(tzinfo=now.tzinfo)).astimezone(now.tzinfo)


def _zone(text: str, now: datetime) -> tzinfo:
    """The zone named in brackets in ``text``; the one of ``now`` where there is none or it is unknown."""
    local = now.tzinfo or UTC
    match = re.search(_ZONE, text)
    if match is None:
        return local
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(match[1])
    except (LookupError, ValueError, OSError):
        return local


def _occurrence(match: re.Match[str], zone: tzinfo, now: datetime) -> datetime | None:
    """The moment that a time of day, with or without a day, means at ``now``."""
    hour, minute = int(match["hour"]), int(match["minute"] or 0)
    if match["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match["half"][0] in "pP" else 0)
    if hour > 23 or minute > 59:
        return None
    today = now.astimezone(zone).date()
    days = [today + timedelta(days=n) for n in range(-1, 9)]
    grace = JUST_PASSED
    if match["month"]:
        years = [int(match["year"])] if match["year"] else range(today.year - 1, today.year + 2)
        named = [_day(year, _MONTHS.split("|").index(match["month"].lower()) + 1, int(match["date"])) for year in years]
        days = [day for day in named if day]
        # A named day is not repeated: the nearest one is meant, so that a reset of an hour ago is not next year's.
        grace = timedelta(days=180)
    elif match["weekday"]:
        days = [day for day in days if day.weekday() == _WEEKDAYS.split("|").index(match["weekday"].lower())]
    moments = _moments(now, zone, time(hour, minute), days, grace)
    return moments[0] if moments else None


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _moments(now: datetime, zone: tzinfo, clock: time, days: Iterable[date], grace: timedelta) -> list[datetime]:
    """The moments with this wall clock on ``days`` that are later than ``now`` minus ``grace``, in order.

    Compared in UTC, because moments of one zone compare by their wall clocks. A wall clock that occurs twice
    gives two moments; one that is left out is taken as late as the clocks were put forward.
    """
    found = set()
    for day in days:
        first = datetime.combine(day, clock, zone).astimezone(UTC)
        second = datetime.combine(day, clock, zone).replace(fold=1).astimezone(UTC)
        found |= {first, max(first, second)}
    return [moment.astimezone(now.tzinfo) for moment in sorted(found) if moment > now.astimezone(UTC) - grace]
