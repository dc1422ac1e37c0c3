"""The source of a YAML file: from bytes to text, and from text to parser events.

Only events are taken from the parser: its own composing of nodes recurses, and a deeply nested file ends the process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, islice

import yaml

from orchestrator.errors import Problem
from orchestrator.plans.yamlsyntax import lines_of, syntax_problem
from orchestrator.wording import printable

LARGEST_BYTES = 8 * 1024 * 1024
"""A larger file is refused: it is no plan that a person or a model wrote."""

MOST_PROBLEMS = 200
"""After so many problems a reader stops looking for more."""

_LOADER: type[yaml.CSafeLoader | yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BOM = "\ufeff"
# What YAML does not allow as it is; escapes in double quotes remain possible.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
# These end a line in YAML 1.1, which the library reads, but neither in YAML 1.2 nor in an editor.
_SEPARATORS = "\x85\u2028\u2029"
_PRIVATE_USE = (range(0xE000, 0xF900), range(0xF0000, 0xFFFFE))
# Programs that write JSON escape a character beyond U+FFFF as two halves. Only the slower parser takes them.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_LONGEST_WITH_HALVES = 1024 * 1024
_CONFLICT_BEGIN, _CONFLICT_END = "<<<<<<< ", ">>>>>>> "


class SourceError(Exception):
    """The bytes or the text cannot be read as YAML; ``problems`` says why, with lines."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(problems[0].message)
        self.problems = problems


def source_text(data: bytes) -> str:
    """The text in ``data`` without a byte order mark; raises ``SourceError`` where it cannot be YAML."""
    if len(data) > LARGEST_BYTES:
        size, most = (f"{count / 2**20:.1f} MiB" for count in (len(data), LARGEST_BYTES))
        raise SourceError(
            Problem(f"the file has {size}; at most {most} are read", "put long material into files of its own")
        )
    if _is_utf16(data):
        raise SourceError(Problem("the file is UTF-16, not UTF-8", "save it as UTF-8", line=1))
    try:
        text = data.decode("utf-8").removeprefix(_BOM)
    except UnicodeDecodeError as error:
        place = f"byte 0x{data[error.start]:02x} at position {error.start} of the file"
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError(Problem(f"the file is not UTF-8: {place}", "save it as UTF-8", line=line)) from None
    if problems := _conflicts(text) or _control_characters(text):
        raise SourceError(*problems[:MOST_PROBLEMS])
    return text


def events(text: str) -> Iterator[yaml.Event]:
    """The parser's events for ``text``; their marks count characters, and lines as an editor does.

    Raises ``SourceError`` at the first place that is not YAML.
    """
    stand_ins = _stand_ins(text)
    restored = {ord(stand_in): separator for separator, stand_in in stand_ins.items()}
    hidden = {ord(separator): stand_in for separator, stand_in in stand_ins.items()}
    has_halves = len(text) <= _LONGEST_WITH_HALVES and _HALF.search(text) is not None
    line = 1
    try:
        loader = yaml.SafeLoader if has_halves else _LOADER
        for event in yaml.parse(text.translate(hidden) if hidden else text, Loader=loader):
            line = line_of(event)
            if isinstance(event, yaml.ScalarEvent) and (stand_ins or has_halves):
                event.value = _joined(event.value.translate(restored), line)
            yield event
    except yaml.MarkedYAMLError as error:
        raise SourceError(syntax_problem(error, text)) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        message = printable(f"this is not YAML: {' '.join(str(error).split())}")
        raise SourceError(Problem(message, "compare with an example", line=line)) from None


def _joined(value: str, line: int) -> str:
    """``value`` with the two halves of a character, which JSON escapes one by one, made one."""
    try:
        return value.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        problem = Problem("an escape is half of a character", "write the character itself", line=line)
        raise SourceError(problem) from None


def line_of(event: yaml.Event) -> int:
    """The line in which ``event`` begins, from 1."""
    return event.start_mark.line + 1 if event.start_mark else 1


def _is_utf16(data: bytes) -> bool:
    """Whether ``data`` has the byte order mark of UTF-16, or has every second byte zero, as Western text then does."""
    head = data[:64]
    return data.startswith((b"\xff\xfe", b"\xfe\xff")) or (len(head) > 3 and any(head[::2]) != any(head[1::2]))


def _stand_ins(text: str) -> dict[str, str]:
    """A private character that ``text`` does not have, for each separator; empty where none is needed."""
    if not any(separator in text for separator in _SEPARATORS):
        return {}
    used = set(text)
    free = islice((chr(code) for code in chain(*_PRIVATE_USE) if chr(code) not in used), len(_SEPARATORS))
    return dict(zip(_SEPARATORS, free, strict=False))


def _control_characters(text: str) -> list[Problem]:
    """One problem for each line with a character that YAML does not allow."""
    if not _CONTROL.search(text):
        return []
    found = ((number, _CONTROL.search(line)) for number, line in enumerate(lines_of(text), 1))
    return [
        Problem(f"the control character U+{ord(match[0]):04X} is not allowed in YAML", "remove it", line=number)
        for number, match in found
        if match
    ]


def _conflicts(text: str) -> list[Problem]:
    """One problem for each region that a version control system left to be merged."""
    if _CONFLICT_BEGIN not in text or _CONFLICT_END not in text:
        return []
    problems: list[Problem] = []
    begin: int | None = None
    for number, line in enumerate(lines_of(text), 1):
        if line.startswith(_CONFLICT_BEGIN):
            begin = number
        elif begin is not None and line.startswith(_CONFLICT_END):
            message = f"lines {begin} to {number} are an unresolved merge conflict"
            advice = "keep one side and remove the lines that begin with <<<<<<<, ======= and >>>>>>>"
            problems.append(Problem(message, advice, line=begin))
            begin = None
    return problems
