"""Durations as people write them in a plan, and as they are shown.

A duration is written ``90s``, ``20m``, ``2h``, ``1d``, ``1h30m``, ``1.5h`` or as a bare number of seconds.
Everything inside the program is seconds.
"""

from __future__ import annotations

import math
import re

from orchestrator.model import Estimate
from orchestrator.wording import excerpt

LONGEST_S = 366 * 86_400.0
"""No duration may be longer; timers of operating systems overflow far above, and nobody means it."""

FORMS = "90s, 20m, 2h or 1h30m"
"""Examples for advice."""

_UNITS = (86_400.0, 3_600.0, 60.0, 1.0)
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_BARE = re.compile(_NUMBER)
_PARTS = re.compile(rf"(?:({_NUMBER}) ?d)? ?(?:({_NUMBER}) ?h)? ?(?:({_NUMBER}) ?m)? ?(?:({_NUMBER}) ?s)?")
_RANGE = re.compile(r"([^-–]+?) ?[-–] ?([^-–]+)")
_MOST_CHARACTERS = 60


def seconds(text: str | float) -> float:
    """The seconds that ``text`` stands for; a number, bare or as text, is seconds already.

    Raises ``ValueError``, with a message for a person, for anything that is not a duration of 0 to 366 days.
    """
    value = _number(text) if isinstance(text, (int, float)) and not isinstance(text, bool) else _read(text)
    shown = excerpt(text) if isinstance(text, str) else f"{value:g}"
    if math.isnan(value):
        raise ValueError(f"{shown} is not a duration")
    if value < 0:
        raise ValueError(f"{shown} is negative, and a duration cannot be")
    if value > LONGEST_S:
        raise ValueError(f"{shown} is longer than 366 days")
    return value


def estimate(text: str | float) -> Estimate:
    """The estimate that ``text`` stands for: a duration, or a range ``20m-30m`` or ``20-30m``.

    Raises ``ValueError``, with a message for a person, for anything else, a range that runs backwards, and zero.
    """
    low, high = _ends(text)
    if low > high:
        raise ValueError(f"the range {excerpt(str(text))} runs backwards")
    if high == 0:
        raise ValueError("an estimate must be longer than 0")
    return Estimate(low, high)


def duration_text(seconds: float) -> str:
    """``seconds`` for a person, with at most two units: ``2.1s``, ``7s``, ``3m 20s``, ``1h 5m``, ``2d 3h``.

    Below 10 s in tenths, below an hour in seconds, below a day in minutes, then in hours, each rounded half up.
    A negative duration, which a clock set back leaves behind, is ``0s``.
    """
    tenths = _rounded(seconds * 10)
    if tenths < 100:
        return f"{tenths // 10}s" if tenths % 10 == 0 else f"{tenths / 10}s"
    whole = _rounded(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3_600:
        return _two_units(whole, 60, "m", "s")
    minutes = _rounded(seconds / 60)
    if minutes < 24 * 60:
        return _two_units(minutes, 60, "h", "m")
    return _two_units(_rounded(seconds / 3_600), 24, "d", "h")


def estimate_text(value: Estimate) -> str:
    """``value`` for a person: ``20m``, or ``20m-30m`` where its ends differ."""
    low, high = duration_text(value.low_s), duration_text(value.high_s)
    return high if low == high else f"{low}-{high}"


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _read(text: str | bool) -> float:
    """The seconds of a written duration, not yet checked for its size."""
    if isinstance(text, bool):
        raise ValueError(f"{str(text).lower()} is not a duration")
    words = " ".join(text.split()).lower()
    if not words:
        raise ValueError("a duration cannot be blank")
    positive = words.removeprefix("-")
    sign = -1.0 if positive != words else 1.0
    if positive and len(positive) <= _MOST_CHARACTERS:
        if _BARE.fullmatch(positive):
            return sign * float(positive)
        if parts := _PARTS.fullmatch(positive):
            return sign * sum(float(number or 0) * unit for number, unit in zip(parts.groups(), _UNITS, strict=True))
    raise ValueError(f"{excerpt(text)} is not a duration")


def _ends(text: str | float) -> tuple[float, float]:
    """The ends of an estimate; a lower one without a unit has the first unit of the upper."""
    words = " ".join(text.split()).lower() if isinstance(text, str) else ""
    ends = _RANGE.fullmatch(words)
    if not ends:
        value = seconds(text)
        return value, value
    low, high = ends.groups()
    unit = re.search("[dhms]", high)
    return seconds(f"{low}{unit[0]}" if unit and _BARE.fullmatch(low) else low), seconds(high)


def _rounded(value: float) -> int:
    return max(0, math.floor(value + 0.5))


def _two_units(value: int, size: int, large: str, small: str) -> str:
    return f"{value // size}{large} {value % size}{small}" if value % size else f"{value // size}{large}"
