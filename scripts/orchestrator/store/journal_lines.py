"""A line of the journal: an event as JSON, sealed so that a later change of it is found.

Each line ends with ``chain``, the first 16 hex digits of SHA-256(chain of the line before, this line without its
chain): a line that was changed, taken out or put in afterwards is found and named.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256

from orchestrator.errors import Problem
from orchestrator.events import Event
from orchestrator.model import Json

LINE_LIMIT = 4000
"""Bytes of one line; a write of up to 4 KB is the unit that tests of torn appends were made with."""

START = "0" * 16
"""The chain in front of the first line."""

_BODY = -len(f',"chain":"{START}"}}')
"""Where the seal of a line begins, from its end."""
_CUT = " …"
_NEVER_CUT = frozenset(
    {
        *("timestamp", "type", "orchestration_id", "task", "attempt", "agent", "result", "hash", "payload", "source"),
        *("session_id", "supervisor", "fields", "kind", "by", "executor"),
    }
)
"""What the state is made of; only words for people give way when a line grows too long."""


def fitted(event: Event) -> Event:
    """``event`` as it will be read back: in at most ``LINE_LIMIT`` bytes, its longest texts cut visibly, as JSON."""
    read: Event = json.loads(_body(event))
    return read


def sealed(event: Event, chain: str) -> tuple[bytes, str]:
    """``event`` as a line with its newline, and the chain that the line ends with."""
    body = _body(event)
    link = _link(chain, body)
    return body[:-1] + _seal(link) + b"\n", link


def unsealed(line: bytes, chain: str) -> tuple[Event | None, str, str]:
    """The event of ``line`` (without newline), the chain it ends with, and what is wrong with it, if anything."""
    link = _seal_of(line)
    body = line[:_BODY] + b"}" if link else line
    try:
        event = json.loads(body.decode())
    except (ValueError, RecursionError):
        return None, chain, "is not JSON"
    if not isinstance(event, dict) or "type" not in event:
        return None, chain, "is not an event"
    if not link:
        return event, chain, "was not written by this program"
    if _link(chain, body) != link:
        return event, link, "or the one before it was changed after it was written"
    return event, link, ""


def read_lines(lines: Sequence[bytes], chain: str) -> tuple[list[Event | None], str, list[tuple[int, str]]]:
    """``unsealed`` for the lines after ``chain``: their events, the chain that the last one ends with, and the faults,
    each with the number of its line, from 1.
    """
    sound = _read_sound(lines, chain)
    if sound is not None:
        return *sound, []
    events: list[Event | None] = []
    faults: list[tuple[int, str]] = []
    for number, line in enumerate(lines, start=1):
        event, chain, fault = unsealed(line, chain)
        events.append(event)
        if fault:
            faults.append((number, fault))
    return events, chain, faults


def _read_sound(lines: Sequence[bytes], chain: str) -> tuple[list[Event | None], str] | None:
    """The events of ``lines`` and the chain that they end with; None unless every one of them is sound.

    Every process reads every line, most of them while others wait for it: the JSON of all is read at once, and no
    function is called for a single one.
    """
    link = chain.encode()
    bodies: list[bytes] = []
    for line in lines:
        body = line[:_BODY] + b"}"
        link = sha256(link + body).hexdigest()[:16].encode()
        if line[_BODY:] != b',"chain":"%b"}' % link:
            return None
        bodies.append(body)
    try:
        events: list[Event | None] = json.loads(b"[" + b",".join(bodies) + b"]")
    except (ValueError, RecursionError):
        return None
    is_sound = len(events) == len(lines) and all(type(event) is dict and "type" in event for event in events)
    return (events, link.decode()) if is_sound else None


def faults_of(lines: Sequence[bytes]) -> list[tuple[int, str]]:
    """The same faults for all lines of a journal; nothing is parsed where nothing is wrong."""
    faults: list[tuple[int, str]] = []
    chain = START
    for number, line in enumerate(lines, start=1):
        link = _link(chain, line[:_BODY] + b"}")
        if line[_BODY:] == _seal(link):
            chain = link
            continue
        _, chain, fault = unsealed(line, chain)
        if fault:
            faults.append((number, fault))
    return faults


def damage(number: int, fault: str) -> Problem:
    """The problem of the line ``number``, from 1."""
    return Problem(
        f"line {number} of events.jsonl {fault}",
        "look at the results that it concerns; the journal is only ever appended to",
        line=number,
    )


def _link(chain: str, body: bytes) -> str:
    return sha256(chain.encode() + body).hexdigest()[:16]


def _seal(link: str) -> bytes:
    return b',"chain":"%b"}' % link.encode()


def _seal_of(line: bytes) -> str:
    """The chain that ``line`` (without newline) says it ends with; empty when it has none."""
    link = line[-len(START) - 2 : -2].decode("ascii", "replace")
    return link if line[_BODY:] == _seal(link) else ""


def _body(event: Event) -> bytes:
    body = _json(event)
    room = 1200
    while len(body) > LINE_LIMIT + _BODY and room > 1:
        event = {key: value if key in _NEVER_CUT else _clipped(value, room) for key, value in event.items()}
        body = _json(event)
        room //= 2
    return body


def _json(event: Event) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _clipped(value: Json, room: int) -> Json:
    if isinstance(value, str) and len(value) > room:
        return value[:room] + _CUT
    if isinstance(value, list):
        kept = [_clipped(item, room) for item in value[: max(3, room // 10)]]
        return kept if len(kept) == len(value) else [*kept, _CUT.strip()]
    if isinstance(value, dict):
        return {key: _clipped(item, room) for key, item in value.items()}
    return value
