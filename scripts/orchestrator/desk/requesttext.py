"""A request as its parts: what a person wrote, cut where one piece of work ends and the next begins.

Pure. Nothing here judges; ``triage`` does. Named tuples for the reason that ``triagerules`` gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple
from unicodedata import normalize

from orchestrator.desk.triagerules import FileRules, Lexicon, Rules, Sense, Tag, stem
from orchestrator.errors import InvalidInputError

LARGEST_BYTES = 8 * 1024 * 1024
"""A longer request does not fit into a prompt of the CLI (10 MiB) with what goes around it."""

MOST_CHARACTERS = 20_000
"""So much of a request is read; whoever writes more says what it is about before that."""

# What no text has: control characters other than tab, line ends, form feed and escape, and halves of pairs.
_BINARY = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ud800-\udfff\ufffe\uffff]")
_FENCE = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
# Names that only code has, numbers of issues and lines: with one of them a request says exactly what it means.
_NAME = re.compile(
    r"\b\w{1,60}\(\)|(?<![\w-])--[a-z][\w-]{1,60}|\b[^\W_]\w{0,60}_\w{1,60}|\b[a-z]{2,40}[A-Z][a-z]\w{0,60}"
    r"|\B#\d{1,9}\b|\bline \d{1,9}\b"
)
_TOKEN = re.compile(r"""(?P<quote>`[^`\n]{1,300}`|"[^"\n]{1,300}"|“[^”\n]{1,300}”)|[→\n]|[^\s→`"“]+|[`"“]""")
_PIECE = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
_ARROWS = {"->": "→", "=>": "→", "⇒": "→", "➜": "→", "➔": "→"}
_NUMBERED = re.compile(r"\(?\d{1,2}[.)]")
_BULLETS = frozenset({"-", "*", "•", "–", "[", "]", "[]", "[x]"})
_JOINING = frozenset(",、:")
_JOINING_ALONE = frozenset("-–—&+") | {"--"}
_ENDING = frozenset(".!?;。")
_AROUND = "()[]{}<>,.;:!?'\"*"


class Break(IntEnum):
    """What stands before a part: it goes on in the same sentence, begins a new one or a line of a list, or is the
    next step of an order that is spelled out."""

    JOINED = 0
    SENTENCE = 1
    ITEM = 2
    STEP = 3


class Word(NamedTuple):
    """A word or known phrase: the stem of its first word, how it was written, and what it says.

    ``path`` is given where it is a file, ``number`` where it is written in digits.
    """

    stem: str
    text: str
    sense: Sense | None = None
    path: str = ""
    number: int = 0

    @property
    def tags(self) -> frozenset[Tag]:
        """What it says besides areas and acts."""
        return self.sense.tags if self.sense else frozenset()

    @property
    def is_phrase(self) -> bool:
        """Whether it is several words."""
        return " " in self.text


class Part(NamedTuple):
    """Words up to the next break, and what stands before them."""

    before: Break
    words: tuple[Word, ...]


class Request(NamedTuple):
    """What was read of a request: ``names`` are exact ones of code, lines and issues; ``is_known``: some word was."""

    parts: tuple[Part, ...]
    files: tuple[str, ...]
    names: tuple[str, ...]
    words: int
    is_known: bool
    total_characters: int

    @property
    def is_cut(self) -> bool:
        """Whether only its beginning was read."""
        return self.total_characters > MOST_CHARACTERS


def request_text(data: bytes) -> str:
    """The text of a request that comes as a file; raises InvalidInputError where it is empty or no text."""
    if len(data) > LARGEST_BYTES:
        raise InvalidInputError(
            f"the request has {len(data) / 2**20:.1f} MiB; at most {LARGEST_BYTES // 2**20} MiB fit into a prompt",
            "put the material into files of the project and name them",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"the request is not text: byte 0x{data[error.start]:02x} at position {error.start} is not UTF-8",
            "save it as UTF-8; a binary file is better named in the request",
        ) from None
    return checked(text)


def checked(text: str) -> str:
    """``text`` as it is; raises InvalidInputError where it says nothing or is binary."""
    if match := _BINARY.search(text):
        raise InvalidInputError(
            f"the request is not text: it has the character U+{ord(match[0]):04X} at position {match.start()}",
            "write it as plain text; a binary file is better named in the request",
        )
    if not any(map(str.isalnum, text)):
        raise InvalidInputError("the request is empty", 'say what is to be done: "Fix the typo in README.md"')
    return text


def read(text: str, rules: Rules) -> Request:
    """The parts of ``text``; raises InvalidInputError where it says nothing or is binary."""
    # What is blank or a drawing before the first word is passed over, so that something is always read.
    begin = next(at for at, character in enumerate(checked(text)) if character.isalnum() or character in "`-*\"'“(")
    shown = normalize("NFKC", text[begin : begin + MOST_CHARACTERS]).replace("\r", "\n")
    for arrow, sign in _ARROWS.items():
        shown = shown.replace(arrow, sign)
    # Pasted code and logs are what the request is about, not what it asks for.
    prose = _FENCE.sub("\n", shown)
    prose = prose if any(map(str.isalnum, prose)) else shown
    scan = _Scan(rules)
    for match in _TOKEN.finditer(_unquoted(prose.strip())):
        scan.take(match[0], is_quote=match["quote"] is not None)
    parts = scan.finished()
    words = [word for part in parts for word in part.words]
    return Request(
        parts=parts,
        files=tuple(dict.fromkeys(word.path for word in words if word.path)),
        names=tuple(dict.fromkeys(_NAME.findall(prose))),
        words=scan.words,
        is_known=any(word.sense for word in words),
        total_characters=len(text),
    )


def path_of(text: str, files: FileRules) -> str:
    """``text`` where it is the path of a file or folder, else nothing."""
    name = text.casefold()
    first, slash, rest = name.partition("/")
    _, dot, ending = name.rpartition(".")
    if name in files.not_files or "//" in name or not any(map(str.isalnum, name)):
        return ""
    if (dot and ending in files.extensions) or (dot and not slash and name[1:].isidentifier() and name[0] == "."):
        return name
    is_folder = first in files.folders or (bool(rest) and (first in ("", "~") or first.startswith(".")))
    return name if slash and is_folder else ""


def _unquoted(text: str) -> str:
    """``text`` without quotation marks around the whole of it."""
    inner = text[1:-1]
    is_quoted = text[:1] in ('"', "“", "`") and text[-1:] in ('"', "”", "`") and not set(inner) & set('"“”`')
    return inner if is_quoted else text


class _Scan:
    """Collects words into parts, token by token."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.words = 0
        self.parts: list[Part] = []
        self.before = Break.SENTENCE
        self.stretch: list[Word] = []
        self.is_line_begin = True

    def take(self, token: str, *, is_quote: bool) -> None:
        """Add one token: a quoted text, an arrow, a line break, or what stands between two blanks."""
        begins_line, self.is_line_begin = self.is_line_begin, token == "\n"
        if token == "\n":
            self._end(Break.SENTENCE)
        elif token == "→" or _NUMBERED.fullmatch(token):
            self._end(Break.STEP)
        elif begins_line and token in _BULLETS:
            self._end(Break.ITEM)
            self.is_line_begin = True  # for "- [x]"
        elif token in _JOINING_ALONE:
            self._end(Break.JOINED)
        elif is_quote:
            self._take_name(token[1:-1], "a quoted text")
        elif token.startswith(("http://", "https://")):
            self.stretch.append(Word("", "a link"))
        else:
            self._take_run(token)

    def finished(self) -> tuple[Part, ...]:
        """All parts."""
        self._end(Break.SENTENCE)
        return tuple(part for whole in self.parts for part in _divided(whole, self.rules))

    def _end(self, following: Break) -> None:
        if self.stretch:
            self.parts.append(Part(self.before, tuple(self.stretch)))
            self.stretch, self.before = [], following
        else:
            self.before = max(self.before, following)

    def _take_name(self, text: str, otherwise: str) -> None:
        path = path_of(text, self.rules.files)
        self.stretch.append(Word("", path or otherwise, path=path))

    def _take_run(self, run: str) -> None:
        inner = run.strip(_AROUND.replace(".", "")).rstrip(".")
        pieces = _PIECE.findall(run)
        if path_of(inner, self.rules.files):
            self._take_name(inner, "")
            pieces = _PIECE.findall(run[run.find(inner) + len(inner) :])
            self.words += 1
        for at, piece in enumerate(pieces):
            if piece[0].isalnum() or piece[0] == "_":
                self._take_word(piece)
            elif piece in _JOINING and not (at and pieces[at - 1].isdigit() and at + 1 < len(pieces)):
                self._join(piece)
            elif piece in _ENDING and (at + 1 == len(pieces) or piece == "。"):
                self._end(Break.SENTENCE)

    def _take_word(self, text: str) -> None:
        # A script without spaces between words: about three signs say as much as a word.
        self.words += 1 if text.isascii() else 1 + len(text) // 6
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
        self.stretch.append(Word(stem(text.casefold().replace("’", "'")), text, number=number))

    def _join(self, sign: str) -> None:
        if sign == ":" and len(self.stretch) == 1 and self.stretch[0].stem in self.rules.words["labels"]:
            self.stretch.clear()
        else:
            self._end(Break.JOINED)


def _divided(whole: Part, rules: Rules) -> Iterator[Part]:
    """``whole`` cut at the words that join or order, without what is not to be done."""
    before, words, is_left_out, previous = whole.before, list[Word](), False, ""
    for word in _known(whole.words, rules.lexicon):
        is_begin = all(each.stem in rules.words["fillers"] for each in words)
        follows = Break.STEP if Tag.THEN in word.tags or (Tag.FIRST in word.tags and is_begin) else None
        if Tag.AND in word.tags and previous not in rules.words["determiners"]:
            follows = Break.JOINED
        if follows is not None:
            if words:
                yield Part(before, tuple(words))
                before, words = follows, []
            else:
                before = max(before, follows)
            is_left_out = False
        elif Tag.WITHOUT in word.tags or (Tag.NOT in word.tags and is_begin):
            is_left_out = True
        elif not is_left_out:
            words.append(word)
        previous = word.stem
    if words:
        yield Part(before, tuple(words))


def _known(words: Sequence[Word], lexicon: Lexicon) -> Iterator[Word]:
    """``words`` with what they say; known phrases are one word each."""
    stems = [word.stem for word in words]
    at = 0
    while at < len(words):
        length, sense = lexicon.longest_match(stems, at) or (1, None)
        text = " ".join(word.text for word in words[at : at + length])
        yield words[at]._replace(sense=sense, text=text)
        at += length
