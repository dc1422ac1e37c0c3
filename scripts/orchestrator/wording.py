"""How problems are worded: foreign text made safe to print, values by name, and what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

EXCERPT_LENGTH = 60


def excerpt(text: str, length: int = EXCERPT_LENGTH) -> str:
    """``text`` in double quotes on one line, cut to ``length`` characters, with nothing in it that a terminal obeys."""
    shown = text if len(text) <= length else text[: length - 1] + "…"
    return f'"{printable(shown)}"'


def printable(text: str) -> str:
    """``text`` with everything that a terminal obeys or hides written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def found(value: object) -> str:
    """What a value of YAML is, for "expected …, found …"."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value!r:.40}"
        case str():
            return f"the text {excerpt(value)}" if value.strip() else "a blank text"
        case list() | tuple():
            return "a list" if value else "an empty list"
        case dict():
            return "a mapping" if value else "an empty mapping"
        case _:
            return f"a {type(value).__name__}"


def listed(names: Sequence[str], most: int = 8) -> str:
    """``names`` in a sentence: ``a, b and c``; beyond ``most`` their rest is a number."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The one of ``choices`` that ``word`` was probably meant to be; None when nothing is near."""
    from difflib import get_close_matches

    by_folded = {choice.casefold().replace("-", "_"): choice for choice in choices}
    folded = word[:EXCERPT_LENGTH].casefold().replace("-", "_")
    if folded in by_folded:
        return by_folded[folded]
    close = get_close_matches(folded, by_folded, n=1)
    return by_folded[close[0]] if close else None
