"""Text of others inside Markdown of ours: nothing that it contains may change the document around it.

Every function takes any string at all and answers Markdown that shows it.
``cell`` is the one that is read back: ``uncell(cell(text)) == text``.
Pure, and imported on the hot path of ``status``: nothing but ``re``.
"""

from __future__ import annotations

import re
from typing import Final

ELLIPSIS: Final = "…"

# What steers terminals or turns the reading direction of the text after it, and what UTF-8 cannot hold: C0 and C1
# controls, the Unicode line separators, bidirectional embeddings, overrides and isolates, lone surrogates.
_STEERING_SET: Final = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_STEERING: Final = re.compile(f"[{_STEERING_SET}]")

# What CommonMark (0.31, 2.4 "Backslash escapes") lets a backslash escape.
_PUNCTUATION: Final = r"!-/:-@\[-`{-~"

# Emphasis, strikethrough, links, HTML and entities only where they could begin: most names stay as they were typed.
_ESCAPED: Final = r"`|\\(?![A-Za-z0-9])|\*(?! )|(?<![^\W_])_(?! )|~(?=~)|(?<=~)~|\](?=\()"
_REPLACED: Final = rf"<(?=[A-Za-z/!?])|&(?=#?\w+;)|\\\Z|[\t\n{_STEERING_SET}]"
_IN_CELL: Final = re.compile(rf"(?P<replaced>{_REPLACED})|(?P<escaped>\||{_ESCAPED})")
_IN_PROSE: Final = re.compile(rf"(?P<replaced>{_REPLACED})|(?P<escaped>{_ESCAPED})")
# Nothing to escape: worth asking first, because the table of a large plan is thousands of such cells.
_HARMLESS: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ,.:;'\"()/+=?!#@%$^{}-]*[A-Za-z0-9.)])?")
_NAMED: Final = {"\n": "<br>", "<": "&lt;", "&": "&amp;"}
_WRITTEN: Final = re.compile(
    rf"\\(?P<escaped>[{_PUNCTUATION}])|&#(?P<code>[0-9]{{1,7}});|(?P<name>&lt;|&amp;|<br ?/?>)", re.IGNORECASE
)

# What begins a heading, quote, list, rule or link definition; the backslash goes before the character in group 1.
_BLOCK_START: Final = re.compile(r"([>\[=]|[-+*_](?= |-|\Z)|#(?=#{0,5}(?: |\Z)))|[0-9]{1,9}([.)])(?= |\Z)")
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_BACKTICKS: Final = re.compile(r"`+")
# Accents, the joiner, variation selectors, keycaps and skin tones: they belong to the character before them.
_ATTACHED: Final = re.compile("[\u0300-\u036f\u200d\ufe0e\ufe0f\u20d0-\u20ff\U0001f3fb-\U0001f3ff]")


def cell(text: str) -> str:
    r"""``text`` as one cell of a GFM table, on one line; ``uncell`` reads it back unchanged.

    A pipe becomes ``\|`` and a line break ``<br>``; a backtick is escaped, because a pipe inside a code span ends
    the cell all the same, and so are a backslash that would escape something and what would begin emphasis, a link,
    HTML or an entity. Characters that steer a terminal or the reading direction become numeric references, and so
    does white space at either end, which readers of tables strip.
    The result neither ends in a backslash nor has an even number of them before a pipe, so that readers which look
    at one character only, and those which count, find the same cells.
    """
    if _HARMLESS.fullmatch(text):
        return text
    core = text.strip()
    if len(core) == len(text):
        return _IN_CELL.sub(_guarded, core)
    before = len(text) - len(text.lstrip())
    after = text[before + len(core) :]
    return _references(text[:before]) + _IN_CELL.sub(_guarded, core) + _references(after)


def uncell(markdown: str) -> str:
    """The text that ``cell`` wrote, or that a person typed into a table cell. Padding around it is dropped."""
    return _WRITTEN.sub(_plain, markdown.strip(" \t"))


def inline(text: str) -> str:
    """``text`` as one line of Markdown that shows it as it is, wherever a line or a list item may begin.

    White space is collapsed, and characters that steer a terminal or the reading direction are dropped.
    """
    line = _IN_PROSE.sub(_guarded, _collapsed(text))
    start = _BLOCK_START.match(line)
    if start is None:
        return line
    at = start.start(start.lastindex or 0)
    return f"{line[:at]}\\{line[at:]}"


def one_line(text: str, limit: int = 80) -> str:
    """``text`` as plain text on one line of at most ``limit`` characters, with ``…`` where it was cut.

    White space is collapsed, characters that steer a terminal are dropped, and the cut leaves no letter without its
    accent and no emoji without its colour. Not escaped: ``inline`` and ``cell`` do that.
    """
    line = _collapsed(text)
    if len(line) <= limit:
        return line
    end = max(limit - len(ELLIPSIS), 0)
    while end > 0 and (_ATTACHED.match(line, end) or line[end - 1] == "\u200d"):
        end -= 1
    return (line[:end].rstrip() + ELLIPSIS)[: max(limit, 0)]


def printable(text: str) -> str:
    """``text`` without what steers a terminal or turns the reading direction; its line ends are ``\\n``, tabs stay."""
    return _STEERING.sub("", _LINE_END.sub("\n", text))


def fenced(text: str, info: str = "") -> str:
    """``text`` untouched inside a code fence longer than any run of backticks in it; ends without a newline.

    ``info`` is the language of the fence and is ours, never a value from outside.
    """
    fence = "`" * max(3, _longest_run(text) + 1)
    end = "" if not text or text.endswith("\n") else "\n"
    return f"{fence}{info}\n{text}{end}{fence}"


def inline_code(text: str) -> str:
    """``text`` as a code span on one line, for prose and lists. Never in a table, where a pipe would end the cell."""
    line = _collapsed(text)
    if not line:
        return ""
    ticks = "`" * (_longest_run(line) + 1)
    pad = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def quoted(text: str) -> str:
    """``text`` as a block quote; ends without a newline and wants a blank line after it.

    Headings, lists and code in it are shown as such but stay inside: a fence or an HTML block that it leaves open
    ends with the quote. Characters that steer a terminal or the reading direction are dropped.
    """
    return "\n".join(f"> {line}" if line else ">" for line in printable(text).rstrip().split("\n"))


def _collapsed(text: str) -> str:
    if text.isascii() and text.isprintable() and "  " not in text:  # the usual text, in a tenth of the time
        return text.strip(" ")
    return " ".join(printable(" ".join(text.split())).split())


def _guarded(match: re.Match[str]) -> str:
    character = match[0]
    if match["escaped"]:
        return f"\\{character}"
    return _NAMED.get(character) or _references(character)


def _references(characters: str) -> str:
    return "".join(f"&#{ord(character)};" for character in characters)


def _plain(match: re.Match[str]) -> str:
    if match["escaped"]:
        return match["escaped"]
    if match["code"]:
        code = int(match["code"])
        return chr(code) if code <= 0x10FFFF else match[0]
    return {"&lt;": "<", "&amp;": "&"}.get(match["name"].lower(), "\n")


def _longest_run(text: str) -> int:
    return max(map(len, _BACKTICKS.findall(text)), default=0)
