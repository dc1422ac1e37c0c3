"""Values written as YAML that is pleasant to read and means the same to every reader.

Block style, with short lists and mappings in flow style; texts plain where nothing can be mistaken, several lines as
a literal block, long ones folded, everything else in double quotes with escapes as in JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from orchestrator.model import Json

WIDTH = 100
"""Columns after which a text is folded."""

_FLOW_WIDTH = 72
_STEP = 2
_TRICKY = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
# YAML 1.1 has more words with a type than our own reader; other programs read plans as well.
_WORDS = frozenset({"", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_DURATION = re.compile(r"[0-9]+(?:\.[0-9]+)?[dhms](?:[0-9dhms.-]*[dhms])?")
_FLOW_INDICATORS = frozenset(",[]{}:?#")


def inline_text(value: Json) -> str:
    """``value`` on one line, in flow style."""
    if isinstance(value, str):
        return value if _is_plain(value, _FLOW_INDICATORS) else json_text(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{inline_text(key)}: {inline_text(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline_text, value)) + "]"
    return json_text(value)


def json_text(value: Json) -> str:
    """``value`` on one line as JSON that is YAML as well. Raises ``ValueError`` for NaN and infinity."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return _TRICKY.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def entry_lines(key: str, value: Json, indent: int, is_block: bool = False) -> list[str]:
    """``key: value`` in lines, the first one at ``indent`` columns; ``is_block`` keeps a mapping off the first line."""
    after, body = value_parts(value, indent + _STEP, is_block)
    name = " " * indent + (key if _is_plain(key, _FLOW_INDICATORS) else json_text(key))
    return [f"{name}: {after}" if after else f"{name}:", *body]


def item_lines(value: Json, indent: int, step: int = _STEP) -> list[str]:
    """One item of a block list: its dash at ``indent`` columns, what belongs to it ``step`` columns further."""
    inner = indent + step
    dash = " " * indent + "-" + " " * (step - 1)
    if isinstance(value, dict) and value:
        first, *rest = [line for key, each in value.items() for line in entry_lines(key, each, inner)]
        return [dash + first[inner:], *rest]
    after, body = value_parts(value, inner)
    if after:
        return [dash + after, *body]
    first, *rest = body
    return [dash + first[inner:], *rest]


def value_parts(value: Json, indent: int, is_block: bool = False) -> tuple[str, list[str]]:
    """What stands behind ``key:`` or ``-``, and the lines below it, which begin at ``indent`` columns."""
    if isinstance(value, str):
        return _text_parts(value, indent)
    if isinstance(value, dict) and value and (is_block or not _is_short(value)):
        return "", [line for key, each in value.items() for line in entry_lines(key, each, indent)]
    if isinstance(value, list) and value and not _is_short(value):
        return "", [line for each in value for line in _list_item_lines(each, indent)]
    return inline_text(value), []


def _list_item_lines(value: Json, indent: int) -> list[str]:
    """An item of a list inside an entry: a short mapping of several keys stays on one line."""
    if isinstance(value, dict) and len(value) > 1 and _is_short(value):
        return [" " * indent + "- " + inline_text(value)]
    return item_lines(value, indent)


def _is_short(value: Mapping[str, Json] | Sequence[Json]) -> bool:
    """Whether a list or mapping reads well on one line: few short words, nothing nested deeply."""
    items = list(value.values()) if isinstance(value, Mapping) else list(value)
    for each in items:
        if isinstance(each, (list, dict)) and (
            isinstance(value, list) or any(isinstance(x, (list, dict)) for x in each)
        ):
            return False
        if isinstance(each, str) and ("\n" in each or (isinstance(value, list) and " " in each)):
            return False
    return len(inline_text(value)) <= _FLOW_WIDTH  # type: ignore[arg-type]  # a Mapping of Json is a dict here


def _text_parts(text: str, indent: int) -> tuple[str, list[str]]:
    """A text behind ``key:`` or ``-``: plain, quoted, or the header of a block and its lines."""
    if "\n" in text and _fits_literal(text):
        header, content = ("|", text[:-1]) if text.endswith("\n") else ("|-", text)
        return header, [" " * indent + line if line else "" for line in content.split("\n")]
    if len(text) + indent > WIDTH and _fits_folded(text):
        return ">-", [" " * indent + line for line in _folded(text, WIDTH - indent)]
    return (text if _is_plain(text) else json_text(text)), []


def _fits_literal(text: str) -> bool:
    """Whether a literal block gives back ``text`` exactly, without an indentation indicator."""
    lines = text.split("\n")
    return (
        not _TRICKY.search(text)
        and lines[0][:1] not in ("", " ", "\t")
        and lines[-2:] != ["", ""]
        and not any(line and not line.strip() for line in lines)
    )


def _fits_folded(text: str) -> bool:
    """Whether a folded block gives back ``text`` exactly: one line of words with single spaces."""
    return not _TRICKY.search(text) and "\n" not in text and "\t" not in text and "" not in text.split(" ")


def _folded(text: str, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split(" "):
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _is_plain(text: str, forbidden: frozenset[str] = frozenset()) -> bool:
    """Whether ``text`` without quotes is this text to every reader; ``forbidden`` are characters it must not have."""
    if text.casefold() in _WORDS or text != text.strip() or _TRICKY.search(text) or "\n" in text or "\t" in text:
        return False
    if ": " in text or " #" in text or text.endswith(":") or forbidden.intersection(text):
        return False
    if text[0] in "0123456789":
        return _DURATION.fullmatch(text) is not None
    return text[0].isalpha() or text[0] in "_/("
