"""Edits of a YAML text that leave every other byte as it is: new items, new entries, other values.

Comments stay where they are, except those inside a value that is replaced. Line ends and indentation follow the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from orchestrator.model import Json
from orchestrator.plans.yamlspans import Span, spans
from orchestrator.plans.yamltext import entry_lines, inline_text, item_lines, json_text, value_parts

_BLANK_LINE = re.compile(r"\n[ \t]*\r?\n")


class YamlEdits:
    """Collects edits of one text; ``result`` applies them. Places are ``Span`` values of the unchanged text.

    A last line without an end gets one, so that what is added below it stands on lines of its own.
    """

    def __init__(self, text: str) -> None:
        self.newline = "\r\n" if "\r\n" in text[: text.find("\n") + 1] else "\n"
        self.text = text if not text or text.endswith(("\n", "\r")) else text + self.newline
        self.root, self.end = spans(self.text)
        self._edits: list[tuple[int, int, str]] = []

    def result(self) -> str:
        """The text with all edits; those at one place in the order in which they were made."""
        parts: list[str] = []
        at = 0
        for start, end, replacement in sorted(self._edits, key=lambda edit: edit[:2]):
            parts += [self.text[at:start], replacement]
            at = end
        return "".join([*parts, self.text[at:]])

    def column(self, place: int) -> int:
        """How many characters stand before ``place`` in its line."""
        return place - max(self.text.rfind("\n", 0, place), self.text.rfind("\r", 0, place)) - 1

    def append_lines(self, lines: Sequence[str]) -> None:
        """Put ``lines`` at the end of the document, after a blank one."""
        before = self.text[: self.end]
        gap = [""] if before.strip() and not before.endswith(("\n\n", "\n\r\n")) else []
        self._insert_lines(self.end, [*gap, *lines])

    def append_items(self, span: Span, values: Sequence[Json]) -> None:
        """Add ``values`` at the end of the list ``span``, as its last items are written."""
        if span.is_flow:
            self._append_flow(span, [self._inline(value) for value in values])
            return
        first, last = span.items[0], span.items[-1]
        dash = span.start if self.text[span.start] == "-" else self.text.rfind("-", 0, first.start)
        column = self.column(dash)
        step = first.start - dash if dash < first.start < self._line_end(dash) else 2
        place = self._after(last.end, column)
        gap = [""] if len(span.items) > 1 and _BLANK_LINE.search(self.text, span.items[-2].end, last.start) else []
        lines = [line for value in values for line in [*gap, *item_lines(value, column, step)]]
        # A blank line may belong to the text above it; one more would change what that says.
        is_after_blank = gap and not self.text[:place].splitlines()[-1].strip()
        self._insert_lines(place, lines[1:] if is_after_blank else lines)

    def begin_list(self, key: Span, value: Span, values: Sequence[Json]) -> None:
        """Write the list ``values`` below ``key``, in place of ``value``, which stands for nothing or is empty."""
        start = value.start
        while self.text[start - 1] in " \t":
            start -= 1
        self._edits.append((start, value.end, ""))
        column = self.column(key.start) + 2
        lines = [line for each in values for line in item_lines(each, column)]
        self._insert_lines(self._next_line(value.end), lines)

    def add_entries(self, span: Span, entries: Mapping[str, Json]) -> None:
        """Add ``entries`` at the end of the mapping ``span``."""
        if span.is_flow:
            self._append_flow(span, [self._inline({key: value})[1:-1] for key, value in entries.items()])
            return
        column = self.column(span.keys[0].start)
        lines = [line for key, value in entries.items() for line in entry_lines(key, value, column)]
        self._insert_lines(self._after(span.items[-1].end, column - 1), lines)

    def put_first(self, span: Span, key: str, value: Json) -> None:
        """Add the short entry ``key: value`` at the beginning of the mapping ``span``."""
        entry = self._inline({key: value})[1:-1]
        start = span.keys[0].start if span.keys else span.end - 1
        has_own_lines = not span.is_flow or "\n" in self.text[span.start : start]
        gap = self.newline + " " * self.column(start) if has_own_lines else " "
        comma = "," if span.is_flow else ""
        self._edits.append((start, start, entry + (comma + gap if span.keys else "")))

    def set_value(self, span: Span, key: Span, value: Span, new: Json) -> None:
        """Replace ``value``, which stands under ``key`` in the mapping ``span``."""
        colon = self.text.find(":", key.end, value.end + 1)
        if span.is_flow:
            start, end = (value.start, value.end) if value.start < value.end else (max(key.end, colon + 1),) * 2
            lead = ": " if colon < 0 else " " if self.text[start - 1] == ":" else ""
            self._edits.append((start, end, lead + self._inline(new)))
            return
        after, body = value_parts(new, self.column(key.start) + 2)
        starts_in_key_line = value.start <= self._line_end(key.end)
        comment = (value.end, self._line_end(value.end)) if starts_in_key_line else (colon + 1, self._line_end(key.end))
        lead = f" {after}" if after else ""
        below = "".join(self.newline + line for line in body)
        self._edits.append((colon + 1, self._line_end(value.end), lead + self.text[slice(*comment)] + below))

    def _inline(self, value: Json) -> str:
        """``value`` on one line: as JSON in a text that is JSON."""
        root = self.root
        is_json = root is not None and root.is_flow and all(self.text[key.start] == '"' for key in root.keys)
        return json_text(value) if is_json else inline_text(value)

    def _append_flow(self, span: Span, pieces: Sequence[str]) -> None:
        """Add ``pieces`` before the bracket that closes ``span``, on lines of their own where the others have them."""
        opening = self.text.index("[" if span.kind == "list" else "{", span.start)
        first = (span.keys or span.items)[0] if span.items else None
        if first is None:
            self._edits.append((opening + 1, opening + 1, ", ".join(pieces)))
            return
        end = span.items[-1].end
        comma = self._comma(end, span.end - 1)
        if comma is None:
            self._edits.append((end, end, ","))
        place = end if comma is None else comma + 1
        gap = " "
        if "\n" in self.text[opening : first.start]:
            gap = self.newline + " " * self.column(first.start)
            if self._line_end(place) < span.end - 1:
                place = self._line_end(place)
        self._edits.append((place, place, gap + f",{gap}".join(pieces)))

    def _comma(self, start: int, end: int) -> int | None:
        """The index of a comma between two places, outside of comments."""
        for match in re.finditer(r"#[^\r\n]*|,", self.text[start:end]):
            if match[0] == ",":
                return start + match.start()
        return None

    def _insert_lines(self, place: int, lines: Sequence[str]) -> None:
        self._edits.append((place, place, "".join(line + self.newline for line in lines)))

    def _after(self, place: int, column: int) -> int:
        """The beginning of the line to insert at, after ``place`` and the comments that are indented over ``column``.

        Spaces on a line of their own are passed as well: below a block of text they would become part of it.
        """
        result = at = self._next_line(place)
        while at < self.end:
            line = self.text[at : self._line_end(at)]
            content = line.lstrip()
            if content and not (content.startswith("#") and len(line) - len(content) > column):
                break
            at = self._next_line(at)
            if line:
                result = at
        return result

    def _line_end(self, place: int) -> int:
        """Where the line of ``place`` ends, before what ends it."""
        match = re.compile(r"\r|\n").search(self.text, place)
        return match.start() if match else len(self.text)

    def _next_line(self, place: int) -> int:
        end = self._line_end(place)
        return end + (2 if self.text.startswith("\r\n", end) else 1 if end < len(self.text) else 0)
