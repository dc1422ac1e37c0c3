"""Text broken into lines for a terminal, by the columns that it takes there and not by its characters."""

from __future__ import annotations

from orchestrator.render.markdown import printable

NARROWEST = 8


def columns(text: str) -> int:
    """How many columns a terminal gives ``text``: two for emoji and East Asian letters, none for accents."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # only where it is needed: its tables of Unicode widths cost start-up time

    return cell_len(text)


def wrapped(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """``text`` in lines of at most ``width`` columns; the line breaks that it has stay.

    The first line begins with ``first``, every other one with ``rest``. Lines keep their indentation, a word longer
    than a line is broken, and characters that would steer the terminal are dropped. Never empty.
    """
    lines: list[str] = []
    room = max(width - max(columns(first), columns(rest)), NARROWEST)
    for line in printable(text).strip("\n").split("\n"):
        lines += _broken(line.expandtabs(4).rstrip(), room)
    return [f"{rest if number else first}{line}".rstrip() for number, line in enumerate(lines)]


def _broken(line: str, room: int) -> list[str]:
    """``line`` in pieces of at most ``room`` columns, each with the indentation of ``line``."""
    if columns(line) <= room:
        return [line]
    indent = line[: min(len(line) - len(line.lstrip()), room // 2)]
    room -= columns(indent)
    pieces: list[str] = []
    piece = ""
    for word in line.split():
        left = room - columns(piece) - 1
        if piece and columns(word) <= left:
            piece = f"{piece} {word}"
            continue
        if piece and columns(word) > room and left >= NARROWEST:
            # A text without spaces is one word, so it begins on the line where it stands.
            beginning = _chopped(word, left)[0]
            piece, word = f"{piece} {beginning}", word[len(beginning) :]
        if piece:
            pieces.append(piece)
        *full, piece = _chopped(word, room)
        pieces += full
    return [indent + piece for piece in (*pieces, piece)]


def _chopped(word: str, room: int) -> list[str]:
    """``word`` in pieces of at most ``room`` columns; no emoji or accented letter is torn."""
    if word.isascii():
        return [word[start : start + room] for start in range(0, len(word), room)]
    from rich.cells import chop_cells

    return chop_cells(word, room)
