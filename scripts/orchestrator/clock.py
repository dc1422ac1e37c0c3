"""The one seam for the time of day: every timestamp of the program comes from here.

Call it as ``clock.now()``, so that a test can replace it with ``monkeypatch.setattr(clock, "now", …)``. A test that
starts the program as a process sets ``ORCHESTRATE_NOW``: ``2026-11-21T00:53:00Z`` stops the clock at that moment,
``+3600`` and ``-86400`` let it run so many seconds ahead or behind. Nobody else sets that variable.

Waiting, timeouts and durations do not belong here: they use ``time.monotonic``, which no change of the clock touches.
"""

from __future__ import annotations

import os
import time
from datetime import datetime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NOW_VARIABLE = "ORCHESTRATE_NOW"
"""The variable that moves or stops the clock of a process under test."""

_DAY_S = 86_400


def now() -> float:
    """The time of day in Unix seconds."""
    return _read()


def utc_text(ts: float) -> str:
    """``2026-11-21T00:53:00.123Z`` for Unix seconds: the form of every timestamp in the journal and in our files.

    Rounded to the millisecond, so that `parse_utc` and back gives the same text; the order of two texts is the order
    of their times.
    """
    seconds, milliseconds = divmod(round(ts * 1000), 1000)
    day, second = divmod(seconds, _DAY_S)
    minutes, second = divmod(second, 60)
    return f"{_date_text(day)}T{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}.{milliseconds:03d}Z"


def parse_utc(text: str) -> float:
    """Unix seconds of an ISO 8601 time that says where it stands: with ``Z`` or an offset, the fraction optional.

    Raises `ValueError` for any other text, one without an offset among them: guessing a zone would shift it silently.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return moment.timestamp()


def local_time(ts: float) -> str:
    """``HH:MM:SS`` in the zone of the machine, as in the columns Start and End."""
    t = time.localtime(ts)
    return f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"


def local_datetime(ts: float) -> str:
    """``YYYY-MM-DD HH:MM:SS`` in the zone of the machine, as in the execution log."""
    t = time.localtime(ts)
    return f"{t.tm_year:04d}-{t.tm_mon:02d}-{t.tm_mday:02d} {t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"


def iso_offset(ts: float) -> str:
    """``2026-11-21T01:53:00.123+01:00``: the form of times in what ``--json`` prints."""
    seconds, milliseconds = divmod(round(ts * 1000), 1000)
    t = time.localtime(seconds)
    sign = "-" if t.tm_gmtoff < 0 else "+"
    minutes = abs(t.tm_gmtoff) // 60
    offset = f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
    return f"{local_datetime(seconds).replace(' ', 'T')}.{milliseconds:03d}{offset}"


_last_date: tuple[int, str] = (0, "1970-01-01")


def _date_text(day: int) -> str:
    """``YYYY-MM-DD`` of a day since 1970; the last one is kept, because neighbours in a journal share it."""
    global _last_date
    known, text = _last_date
    if known != day:
        t = time.gmtime(day * _DAY_S)
        text = f"{t.tm_year:04d}-{t.tm_mon:02d}-{t.tm_mday:02d}"
        _last_date = (day, text)
    return text


def _reading(setting: str) -> Callable[[], float]:
    """The clock that ``ORCHESTRATE_NOW`` asks for."""
    try:
        if setting[0] in "+-":
            shift_s = float(setting)
            return lambda: time.time() + shift_s
        stopped = parse_utc(setting)
    except ValueError as error:
        from orchestrator.errors import UsageError

        advice = "2026-11-21T00:53:00Z, +3600 (seconds ahead), -3600 (behind), or unset it"
        raise UsageError(f"{NOW_VARIABLE} is not a time: {setting!r}", advice) from error
    return lambda: stopped


def _read_first() -> float:
    """Decides at the first question, not at import, so that a wrong setting ends in a message and no traceback."""
    global _read
    setting = os.environ.get(NOW_VARIABLE, "").strip()
    _read = _reading(setting) if setting else time.time
    return _read()


_read: Callable[[], float] = _read_first
