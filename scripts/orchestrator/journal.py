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

LINE_LIMIT = 4000
"""Bytes of one line; a write of up to 4 KB is the unit that tests of torn appends were made with."""

_START = "0" * 16
_SEAL = ',"chain":"0123456789abcdef"}'
_CUT = " …"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the journal after ``lines`` complete lines: the offset in bytes and the chain so far."""

    offset: int = 0
    lines: int = 0
    chain: str = _START


def sealed(event: Event, chain: str) -> tuple[bytes, str]:
    """``event`` as a line with its newline, and the chain that the line ends with."""
    body = _body(event)
    link = _link(chain, body)
    return body[:-1] + b',"chain":"' + link.encode() + b'"}\n', link


def unsealed(line: bytes, chain: str) -> tuple[Event | None, str, str]:
    """The event of ``line`` (without newline), the chain it ends with, and what is wrong with it, if anything."""
    body, link = line[: -len(_SEAL)] + b"}", line[-18:-2].decode("ascii", "replace")
    is_sealed = line.endswith(b'"}') and line[-len(_SEAL) : -18] == b',"chain":"'
    try:
        event = json.loads(body if is_sealed else line)
    except ValueError:
        return None, chain, "is not JSON"
    if not isinstance(event, dict) or "type" not in event:
        return None, chain, "is not an event"
    if not is_sealed:
        return None, chain, "was not written by this program"
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
        """Go on from ``position``, if the file still reaches that far."""
        if self._size() < position.offset:
            return False
        self.position = position
        return True

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
                self.problems.append(_damage(self.position.lines, fault))
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
            body, is_sealed = line[: -len(_SEAL)] + b"}", line[-len(_SEAL) : -18] == b',"chain":"'
            link = line[-18:-2].decode("ascii", "replace")
            if is_sealed and _link(chain, body) == link:
                chain = link
                continue
            _, chain, fault = unsealed(line, chain)
            problems.append(_damage(number, fault))
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
        with open(self.torn_path, "ab", opener=_private) as torn:
            torn.write(tail + b"\n")
            torn.flush()
            os.fsync(torn.fileno())
        os.ftruncate(self._descriptor(), self.position.offset)
        return f"an unfinished last line of the journal ({len(tail)} bytes) was set aside in {self.torn_path}"

    def _descriptor(self) -> int:
        if self._append_fd is None:
            try:
                flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
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

    def _size(self) -> int:
        try:
            return os.stat(self.path).st_size
        except FileNotFoundError:
            return 0


def _unwritable(path: str, error: OSError, outcome: str) -> CannotGoOnError:
    return CannotGoOnError(
        f"the journal {path} cannot be written: {error.strerror}",
        f"free some space or restore write access, then run the command again; {outcome}",
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _link(chain: str, body: bytes) -> str:
    return sha256(chain.encode() + body).hexdigest()[:16]


def _damage(number: int, fault: str) -> Problem:
    return Problem(
        f"line {number} of events.jsonl {fault}",
        "look at the results that it concerns; the journal is only ever appended to",
        line=number,
    )


def _body(event: Event) -> bytes:
    """``event`` as JSON of at most ``LINE_LIMIT`` bytes; the longest texts are cut, visibly."""
    body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    room = 1200
    while len(body) > LINE_LIMIT - len(_SEAL) and room > 10:
        event = {key: _clipped(value, room) for key, value in event.items()}  # type: ignore[misc]
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        room //= 2
    return body


def _clipped(value: object, room: int) -> object:
    if isinstance(value, str) and len(value) > room:
        return value[:room] + _CUT
    if isinstance(value, list):
        kept = [_clipped(item, room) for item in value[: max(3, room // 10)]]
        return kept if len(kept) == len(value) else [*kept, _CUT.strip()]
    if isinstance(value, dict):
        return {key: _clipped(item, room) for key, item in value.items()}
    return value
