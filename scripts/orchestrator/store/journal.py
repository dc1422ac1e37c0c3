"""``events.jsonl``: what happened, one JSON object a line, only ever appended.

A line counts with its newline. Each line ends with ``chain``, the first 16 hex digits of
SHA-256(chain of the line before, this line without its chain): a line that was changed, taken out or
put in afterwards is found and named. The position of an event is the number of its line, from 1.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from threading import Condition

from orchestrator.errors import CannotGoOnError, Problem
from orchestrator.events import Event
from orchestrator.model import Json
from orchestrator.system.file_steps import failure

LINE_LIMIT = 4000
"""Bytes of one line; a write of up to 4 KB is the unit that tests of torn appends were made with."""

_START = "0" * 16
_SEAL = ',"chain":"0123456789abcdef"}'
_CUT = " …"
_NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
_NEVER_CUT = frozenset(
    {
        *("timestamp", "type", "orchestration_id", "task", "attempt", "agent", "result", "hash", "payload", "source"),
        *("session_id", "supervisor", "fields", "kind", "by", "executor"),
    }
)
"""What the state is made of; only words for people give way when a line grows too long."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the journal after ``lines`` complete lines: the offset in bytes and the chain so far."""

    offset: int = 0
    lines: int = 0
    chain: str = _START


def fitted(event: Event) -> Event:
    """``event`` as it will be read back: in at most ``LINE_LIMIT`` bytes, its longest texts cut visibly, as JSON."""
    read: Event = json.loads(_body(event))
    return read


def sealed(event: Event, chain: str) -> tuple[bytes, str]:
    """``event`` as a line with its newline, and the chain that the line ends with."""
    body = _body(event)
    link = _link(chain, body)
    return body[:-1] + b',"chain":"' + link.encode() + b'"}\n', link


def unsealed(line: bytes, chain: str) -> tuple[Event | None, str, str]:
    """The event of ``line`` (without newline), the chain it ends with, and what is wrong with it, if anything."""
    link = _seal_of(line)
    body = _body_of(line) if link else line
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return None, chain, "is not JSON"
    if not isinstance(event, dict) or "type" not in event:
        return None, chain, "is not an event"
    if not link:
        return event, chain, "was not written by this program"
    if _link(chain, body) != link:
        return event, link, "or the one before it was changed after it was written"
    return event, link, ""


class Journal:
    """The file of a run, read from where it was left. Appending needs the lock of the store."""

    def __init__(self, path: str, torn_path: str) -> None:
        self.path = path
        self.torn_path = torn_path
        self.position = Position()
        self.problems: list[Problem] = []
        self._append_fd: int | None = None
        self._flushed = 0
        self._is_flushing = False
        self._flushed_more = Condition()

    def resume(self, position: Position) -> bool:
        """Go on from ``position``, if that is still a place in this journal."""
        if not self.has(position):
            return False
        self.position = position
        return True

    def has(self, position: Position) -> bool:
        """Whether the line that ends at ``position`` is still the one that ended there."""
        if not position.lines:
            return position == Position()
        try:
            with open(self.path, "rb", buffering=0) as file:
                file.seek(max(0, position.offset - 19))
                return file.read(19) == position.chain.encode() + b'"}\n'
        except OSError:
            return False

    def start_again(self) -> None:
        """Read the next news from the beginning."""
        self.position = Position()
        self.problems.clear()

    def news(self) -> Iterator[Event | None]:
        """The events since the last call; None stands for a line that says nothing."""
        data = self._read(self.position.offset)
        end = data.rfind(b"\n") + 1
        if not end:
            return
        for line in data[: end - 1].split(b"\n"):
            event, chain, fault = unsealed(line, self.position.chain)
            before = self.position
            self.position = Position(before.offset + len(line) + 1, before.lines + 1, chain)
            if fault:
                self.problems.append(damage(self.position.lines, fault))
            yield event

    def append(self, events: Sequence[Event]) -> str:
        """Write ``events`` at the end, under the lock and after ``news`` was read; ``flush`` makes them durable.

        Answers with a message when an unfinished last line of another process was set aside.
        Nothing half-written stays: when the disk is full the file is cut back to what it was.
        """
        told = self._set_tail_aside()
        lines: list[bytes] = []
        chain = self.position.chain
        for event in events:
            line, chain = sealed(event, chain)
            lines.append(line)
        data = b"".join(lines)
        descriptor = self._descriptor()
        try:
            written = os.write(descriptor, data)
            if written != len(data):
                raise OSError(28, "no space left on the device")
        except OSError as error:
            try:
                os.ftruncate(descriptor, self.position.offset)
            except OSError:
                pass
            raise _unwritable(self.path, error, "nothing was changed") from error
        self.position = Position(self.position.offset + len(data), self.position.lines + len(events), chain)
        return told

    def flush(self, offset: int) -> None:
        """Return when everything before ``offset`` is on disk; threads that ask together share one flush.

        Not under the lock: a line that other processes read before it is durable is still in front of theirs.
        """
        with self._flushed_more:
            while self._flushed < offset and self._is_flushing:
                self._flushed_more.wait()
            if self._flushed >= offset:
                return
            self._is_flushing = True
            reached = self.position.offset
        try:
            os.fsync(self._descriptor())
        except OSError as error:
            raise _unwritable(self.path, error, "whether the last change is on disk is not known") from error
        finally:
            with self._flushed_more:
                self._is_flushing = False
                self._flushed_more.notify_all()
        with self._flushed_more:
            self._flushed = max(self._flushed, reached)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._append_fd is not None:
            os.close(self._append_fd)
            self._append_fd = None

    def faults(self) -> list[Problem]:
        """Every line of the whole file that is damaged or was changed after it was written."""
        problems: list[Problem] = []
        chain = _START
        for number, line in enumerate(self._read(0).split(b"\n")[:-1], start=1):
            if (link := _seal_of(line)) and _link(chain, _body_of(line)) == link:
                chain = link  # nothing is parsed where nothing is wrong
                continue
            _, chain, fault = unsealed(line, chain)
            problems.append(damage(number, fault))
        return problems

    def events(self, start: Position = Position()) -> Iterator[Event | None]:
        """The events after ``start``, without moving the position of this reader."""
        chain = start.chain
        for line in self._read(start.offset).split(b"\n")[:-1]:
            event, chain, _ = unsealed(line, chain)
            yield event

    def _set_tail_aside(self) -> str:
        """Move an unfinished last line, left by a process that was killed, to the file beside."""
        tail = self._read(self.position.offset)
        if not tail:
            return ""
        try:
            with open(self.torn_path, "ab", opener=_private) as torn:
                torn.write(tail + b"\n")
                torn.flush()
                os.fsync(torn.fileno())
            os.ftruncate(self._descriptor(), self.position.offset)
        except OSError as error:
            raise _unwritable(self.path, error, "nothing was changed") from error
        return f"an unfinished last line of the journal ({len(tail)} bytes) was set aside in {self.torn_path}"

    def _descriptor(self) -> int:
        if self._append_fd is None:
            try:
                flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0) | _NOFOLLOW
                self._append_fd = os.open(self.path, flags, 0o600)
            except OSError as error:
                raise _unwritable(self.path, error, "nothing was changed") from error
        return self._append_fd

    def _read(self, offset: int) -> bytes:
        try:
            with open(self.path, "rb", buffering=0) as file:
                if offset:
                    file.seek(offset)
                return file.read()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise failure("read", self.path, error) from error


def _unwritable(path: str, error: OSError, outcome: str) -> CannotGoOnError:
    return CannotGoOnError(
        f"the journal {path} cannot be written: {error.strerror}",
        f"free some space or restore write access, then run the command again; {outcome}",
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | _NOFOLLOW, 0o600)


def _link(chain: str, body: bytes) -> str:
    return sha256(chain.encode() + body).hexdigest()[:16]


def damage(number: int, fault: str) -> Problem:
    """The problem of the line ``number``, from 1."""
    return Problem(
        f"line {number} of events.jsonl {fault}",
        "look at the results that it concerns; the journal is only ever appended to",
        line=number,
    )


def _seal_of(line: bytes) -> str:
    """The chain that ``line`` (without newline) says it ends with; empty when it has none."""
    if line[-2:] != b'"}' or line[-len(_SEAL) : -18] != b',"chain":"':
        return ""
    return line[-18:-2].decode("ascii", "replace")


def _body_of(line: bytes) -> bytes:
    return line[: -len(_SEAL)] + b"}"


def _body(event: Event) -> bytes:
    body = _json(event)
    room = 1200
    while len(body) > LINE_LIMIT - len(_SEAL) and room > 1:
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
