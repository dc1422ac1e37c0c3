"""Path globs of ``writes`` and ``outputs``: which paths one covers, and whether two may mean the same path.

Paths are relative to the project, with ``/`` between names. ``*``, ``?`` and ``[…]`` stand inside one name, ``**`` as a
name for any number of folders. A glob also covers everything below what it matches, for that may be a folder, unless
its last name ends like that of a file (``notes.md``, ``*.py``) and no ``/`` follows.
Letter case and Unicode composition do not count, because on macOS and Windows they do not distinguish files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias, TypeVar
from unicodedata import normalize

from orchestrator.dataclasses import dataclass

_ANY_FOLDERS = "**"
_WILD = frozenset("*?[")
# ``conf.d`` and ``v1.2`` are folders as a rule.
_FILE = re.compile(r".*[^.]\.(?!d$)[A-Za-z][A-Za-z0-9]{0,7}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Characters:
    """A character class: ranges of characters, or all others."""

    ranges: tuple[tuple[str, str], ...]
    is_negated: bool

    def has(self, character: str) -> bool:
        """Whether ``character`` may belong to the class: in one of its cases, or as it is to a negated one."""
        cases = {character} if self.is_negated else {character, character.lower(), character.upper()}
        return any(low <= case <= high for case in cases for low, high in self.ranges) != self.is_negated


@dataclass(frozen=True, slots=True)
class _Star:
    """Any number of characters."""


_STAR = _Star()
_Token: TypeAlias = "str | _Characters | _Star | None"  # None: any one character
_Item = TypeVar("_Item")


def overlap(glob: str, other: str) -> bool:
    """Whether some path may be covered by both globs, or one names a folder around what the other names.

    Never says no wrongly; says yes wrongly only for two character classes without a common character.
    """
    first, second = _covering(glob), _covering(other)
    return _are_nested(glob, other) or _meet(first, second, _ANY_FOLDERS, _names_meet)


def covers(glob: str, path: str) -> bool:
    """Whether ``glob`` covers ``path``. Where two globs cover one path, they overlap."""
    return _meet(_covering(glob), names(path), _ANY_FOLDERS, _name_matches)


def names(path: str) -> tuple[str, ...]:
    """The names in ``path`` from the project down, ready to be compared: ``./Docs//x/`` is ``("docs", "x")``."""
    return tuple(name for name in normalize("NFC", path).split("/") if name not in ("", "."))


def literal_names(glob: str) -> tuple[str, ...]:
    """The names of ``glob`` before its first wildcard, in lower case: a folder, or the path itself.

    Two globs can only overlap where the literal names of one begin those of the other.
    """
    result: list[str] = []
    for name in names(glob):
        if _WILD.intersection(name):
            break
        result.append(_folded(name))
    return tuple(result)


def _covering(glob: str) -> tuple[str, ...]:
    """The names of ``glob``, with ``**`` at the end where it covers what is below."""
    result = names(glob)
    is_file = bool(result) and _FILE.fullmatch(result[-1]) is not None and not glob.endswith("/")
    return result if is_file else (*result, _ANY_FOLDERS)


def _are_nested(glob: str, other: str) -> bool:
    """Whether one glob, taken as it is written, is a path above the other or the same one."""
    first, second = (tuple(map(_folded, names(each))) for each in (glob, other))
    length = min(len(first), len(second))
    return first[:length] == second[:length]


def _meet(
    first: Sequence[_Item], second: Sequence[_Item], star: _Item, item_meets: Callable[[_Item, _Item], bool]
) -> bool:
    """Whether two sequences can stand for the same thing, ``star`` standing for any number of items.

    A search over pairs of positions, each looked at once, so at most the product of the lengths.
    """
    seen: set[tuple[int, int]] = set()
    open_pairs = [(0, 0)]
    while open_pairs:
        pair = i, j = open_pairs.pop()
        if pair in seen:
            continue
        seen.add(pair)
        has_first, has_second = i < len(first), j < len(second)
        if not has_first and not has_second:
            return True
        if has_first and first[i] == star:
            open_pairs.append((i + 1, j))
            if has_second:
                open_pairs.append((i, j + 1))
        elif has_second and second[j] == star:
            open_pairs.append((i, j + 1))
            if has_first:
                open_pairs.append((i + 1, j))
        elif has_first and has_second and item_meets(first[i], second[j]):
            open_pairs.append((i + 1, j + 1))
    return False


def _names_meet(name: str, other: str) -> bool:
    """Whether two names with wildcards may mean the same name."""
    return (
        _name_matches(name, other)
        or _name_matches(other, name)
        or (bool(_WILD.intersection(name)) and _tokens_meet(_tokens(name), _tokens(other)))
    )


def _name_matches(name: str, literal: str) -> bool:
    """Whether ``name``, with wildcards, matches ``literal``, which has none, whatever characters it has."""
    # A folder that is really called [id] is written so in a plan as well.
    if _folded(name) == _folded(literal):
        return True
    return bool(_WILD.intersection(name)) and _tokens_meet(_tokens(name), tuple(literal))


def _folded(text: str) -> str:
    """``text`` without case, character by character, as file systems do it."""
    return text.lower() if text.isascii() else "".join(map(_folded_character, text))


def _folded_character(character: str) -> str:
    upper = character.upper()
    lower = (upper if len(upper) == 1 else character).lower()
    return lower if len(lower) == 1 else character


def _tokens_meet(first: Sequence[_Token], second: Sequence[_Token]) -> bool:
    return _meet(first, second, _STAR, _characters_meet)


def _characters_meet(token: _Token, other: _Token) -> bool:
    if isinstance(token, str) and isinstance(other, str):
        return _folded(token) == _folded(other)
    if isinstance(token, _Characters) and isinstance(other, str):
        return token.has(other)
    if isinstance(other, _Characters) and isinstance(token, str):
        return other.has(token)
    return True


@lru_cache(maxsize=4096)
def _tokens(name: str) -> tuple[_Token, ...]:
    """The characters and wildcards of one name; a ``[`` that is never closed stands for itself."""
    result: list[_Token] = []
    at = 0
    while at < len(name):
        character = name[at]
        if character == "[" and (end := _class_end(name, at)):
            result.append(_class(name[at + 1 : end]))
            at = end
        elif character == "*":
            result.append(_STAR)
        else:
            result.append(None if character == "?" else character)
        at += 1
    return tuple(result)


def _class_end(name: str, at: int) -> int | None:
    """The index of the ``]`` that closes the class beginning at ``at``; as its first character it is part of it."""
    begin = at + 2 if name[at + 1 : at + 2] in ("!", "^") else at + 1
    end = name.find("]", begin + 1)
    return end if end > 0 else None


def _class(content: str) -> _Characters:
    is_negated = content[0] in "!^"
    rest = content[1:] if is_negated else content
    ranges: list[tuple[str, str]] = []
    at = 0
    while at < len(rest):
        if rest[at + 1 : at + 2] == "-" and at + 2 < len(rest):
            ranges.append((rest[at], rest[at + 2]))
            at += 3
        else:
            ranges.append((rest[at], rest[at]))
            at += 1
    return _Characters(tuple(ranges), is_negated)
