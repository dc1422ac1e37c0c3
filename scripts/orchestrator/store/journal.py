"""``events.jsonl``: what happened, one JSON object a line, only ever appended.

A line counts with its newline. The position of an event is the number of its line, from 1. What a line looks like:
``journal_lines``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import FileIO
from threading import Condition

from orchestrator.dataclasses import dataclass
from orchestrator.errors import CannotGoOnError, Problem
from orchestrator.events import Event
from orchestrator.store.journal_lines import START, damage, faults_of, read_lines, sealed
from orchestrator.system.file_steps import failure

_NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the journal after ``lines`` complete lines: the offset in bytes and the chain so far."""

    offset: int = 0
    lines: int = 0
    chain: str = START


BEGINNING = Position()

_COMPARED = 64
"""Bytes at the end of what was read that must still be there when it is read on."""


def _end_of(position: Position) -> bytes:
    """What the line that ends at ``position`` ends with, if it is sound."""
    return position.chain.encode() + b'"}\n' if position.lines else b""


class CutError(Exception):
    """What was read of the journal is not its beginning any more."""


class Journal:
    """The file of a run, read from where it was left. Appending needs the lock of the store."""

    def __init__(self, path: str, torn_path: str) -> None:
        self.path = path
        self.torn_path = torn_path
        self.position = BEGINNING
        self.problems: list[Problem] = []
        self._last = b""
        self._tail = b""
        self._append_fd: int | None = None
        self._flushed = 0
        self._is_flushing = False
        self._flushed_more = Condition()

    def resume(self, position: Position) -> bool:
        """Go on from ``position``, if that is still a place in this journal."""
        if not self.has(position):
            return False
        self.position, self._last = position, _end_of(position)
        return True

    def has(self, position: Position) -> bool:
        """Whether the line that ends at ``position`` is still the one that ended there."""
        if not position.lines:
            return position == BEGINNING
        try:
            return self._read(position.offset, _end_of(position), most=0) is not None
        except CannotGoOnError:
            return False

    def start_again(self) -> None:
        """Read the next news from the beginning."""
        self.position, self._last = BEGINNING, b""
        self.problems.clear()

    def go_on_as(self, other: Journal) -> None:
        """Go on from where ``other``, a reader of the same file, has come to."""
        self.position, self.problems = other.position, other.problems
        self._last, self._tail = other._last, other._tail

    def news(self) -> list[Event | None]:
        """The events since the last call; None stands for a line that says nothing.

        Raises ``CutError`` where the line that was read last is not there any more: the disk was full and another
        process took back what it had begun to write, or somebody put another file in its place.
        """
        data = self._read(self.position.offset, self._last)
        if data is None:
            raise CutError
        end = data.rfind(b"\n") + 1
        self._tail = data[end:]
        if not end:
            return []
        before = self.position
        events, chain, faults = read_lines(data[: end - 1].split(b"\n"), before.chain)
        self.problems += [damage(before.lines + number, fault) for number, fault in faults]
        self.position = Position(before.offset + end, before.lines + len(events), chain)
        self._last = data[max(0, end - _COMPARED) : end]
        return events

    def news_or_all(self) -> list[Event | None]:
        """``news``; all events from the first where the file is not the one any more that was read so far."""
        try:
            return self.news()
        except CutError:
            self.start_again()
            return self.news()

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
        self._last = data[-_COMPARED:]
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

    def reopen(self) -> None:
        """Append to the file that has the name from now on; another one may be in its place."""
        with self._flushed_more:
            while self._is_flushing:
                self._flushed_more.wait()
            self._flushed = 0
            self.close()

    def close(self) -> None:
        """Give the descriptor back."""
        if self._append_fd is not None:
            os.close(self._append_fd)
            self._append_fd = None

    def faults(self) -> list[Problem]:
        """Every line of the whole file that is damaged or was changed after it was written."""
        return [damage(number, fault) for number, fault in faults_of(self._lines(BEGINNING))]

    def events(self, start: Position = BEGINNING) -> list[Event | None]:
        """The events after ``start``, without moving the position of this reader."""
        return read_lines(self._lines(start), start.chain)[0]

    def _set_tail_aside(self) -> str:
        """Move an unfinished last line, left by a process that was killed, to the file beside."""
        tail = self._tail
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
        self._tail = b""
        return f"an unfinished last line of the journal ({len(tail)} bytes) was set aside in {self.torn_path}"

    def _descriptor(self) -> int:
        if self._append_fd is None:
            try:
                flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0) | _NOFOLLOW
                self._append_fd = os.open(self.path, flags, 0o600)
            except OSError as error:
                raise _unwritable(self.path, error, "nothing was changed") from error
        return self._append_fd

    def _lines(self, start: Position) -> list[bytes]:
        return (self._read(start.offset, _end_of(start)) or b"").split(b"\n")[:-1]

    def _read(self, offset: int, before: bytes, most: int = -1) -> bytes | None:
        """At most ``most`` bytes from ``offset`` on; None when what stands there is not behind ``before`` any more."""
        try:
            with FileIO(self.path) as file:
                if before:
                    file.seek(offset - len(before))
                    if file.read(len(before)) != before:
                        return None
                return file.readall() if most < 0 else file.read(most)
        except FileNotFoundError:
            return None if before else b""
        except OSError as error:
            raise failure("read", self.path, error) from error


def _unwritable(path: str, error: OSError, outcome: str) -> CannotGoOnError:
    return CannotGoOnError(
        f"the journal {path} cannot be written: {error.strerror}",
        f"free some space or restore write access, then run the command again; {outcome}",
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | _NOFOLLOW, 0o600)
