"""A shell command taken apart into the simple commands it runs, as far as its text shows.

Best effort on purpose: a shell cannot be read without running it. It serves to name a rule to add and to notice a
write where none is allowed; what must hold is held by the CLI's deny rules and by the hashes in the journal.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from orchestrator.dataclasses import dataclass, field

_HEREDOC = re.compile(r"(?<!<)<<-?[ \t]*(['\"]?)([A-Za-z_]\w*)\1")
_TOKEN = re.compile(
    r"(?P<space>[ \t\r]+|\\\n)"
    r"|(?P<comment>#[^\n]*)"
    r"|(?P<redirect>\d*(?:&>>|&>|>>|>\||>&|<>|<<<|<<-?|<&|>|<))"
    r"|(?P<end>&&|\|\||;;|\|&|[;|&\n()])"
    r"|(?P<word>(?:\\[^\n]|'[^']*'|\"(?:\\.|[^\"\\])*\"|[^\s;|&<>()'\"\\])+|.)",
    re.DOTALL,
)
_QUOTED = re.compile(r"\\(.)|'([^']*)'|\"((?:\\.|[^\"\\])*)\"", re.DOTALL)
_ESCAPED = re.compile(r"\\([\"\\$`\n])")
_NESTED = re.compile(r"\$\(([^()]*)\)|`([^`]*)`")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_OPTION_OR_TIME = re.compile(r"-.*|[\d.]+[smhd]?|[A-Za-z_]\w*=.*", re.DOTALL)
_DRIVE = re.compile(r"/*([A-Za-z]):(?:/|$)")

_KEYWORDS = frozenset({"if", "then", "elif", "else", "fi", "while", "until", "do", "done", "{", "}", "!", "esac"})
_NOT_RUN = frozenset({"for", "function", "case", "select"})
_STARTERS = frozenset({"sudo", "env", "command", "exec", "builtin", "setsid", "xargs"})
_TRANSPARENT = frozenset({"timeout", "time", "nice", "nohup", "stdbuf"})
"""Programs that start another; the CLI's permission rules look through these, not through the starters."""


@dataclass(frozen=True, slots=True)
class SimpleCommand:
    """One program with its arguments, run in ``folder``.

    ``before`` are assignments and starters in front of it, ``outputs`` the files that it is redirected to.
    """

    words: tuple[str, ...]
    folder: str
    outputs: tuple[str, ...] = ()
    before: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        """The name of the program, without its folder."""
        return self.words[0].replace("\\", "/").rpartition("/")[2] if self.words else ""


@dataclass(frozen=True, slots=True)
class Script:
    """A command line taken apart.

    ``documents`` are its here-documents, ``folder`` is the working directory after it; ``is_plain`` says that
    nothing in it was nested.
    """

    commands: tuple[SimpleCommand, ...]
    documents: tuple[str, ...]
    folder: str
    is_plain: bool


@dataclass
class _Reader:
    """Collects one simple command after the other."""

    folder: str
    words: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    found: list[SimpleCommand] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    def end_command(self) -> None:
        """Take what was collected for a command."""
        words, before = self.words, []
        while words and words[0] in _KEYWORDS:
            words = words[1:]
        while words and (match := _ASSIGNMENT.fullmatch(words[0])):
            if len(words) == 1:
                self.variables[match[1]] = match[2]
            before.append(words[0])
            words = words[1:]
        while words and words[0] in _STARTERS | _TRANSPARENT:
            is_transparent = words[0] in _TRANSPARENT
            count = next((n for n, word in enumerate(words[1:], 1) if not _OPTION_OR_TIME.fullmatch(word)), len(words))
            before += [] if is_transparent else words[:count]
            words = words[count:]
        if words and words[0] in _NOT_RUN:
            words = []
        if words or self.outputs:
            self.found.append(SimpleCommand(tuple(words), self.folder, tuple(self.outputs), tuple(before)))
        if len(words) == 2 and words[0].lower() in ("cd", "pushd", "set-location") and words[1][0:1] not in "-$`":
            self.folder = absolute(words[1], self.folder)
        self.words, self.outputs = [], []

    def word(self, token: str) -> str:
        """``token`` as the program gets it, with the variables that the script itself set."""
        text = _QUOTED.sub(lambda match: match[1] or match[2] or _ESCAPED.sub(r"\1", match[3] or ""), token)
        return _VARIABLE.sub(lambda match: self.variables.get(match[1] or match[2], match[0]), text)


def taken_apart(text: str, folder: str) -> Script:
    """The simple commands of ``text``, run in ``folder``. Never fails: what is not understood counts as a word."""
    body, documents = _without_documents(text)
    reader = _Reader(folder)
    outer: list[str] = []
    nested: list[str] = []
    redirect = ""
    has_group = False
    for match in _TOKEN.finditer(body):
        kind, token = match.lastgroup, match[0]
        if kind == "redirect":
            redirect = token.lstrip("0123456789")
        elif kind == "word":
            word = reader.word(token)
            if "'" not in token:
                nested += [inner for pair in _NESTED.findall(token) for inner in pair if inner]
            if not redirect:
                reader.words.append(word)
            elif ">" in redirect and not (redirect == ">&" and (word.isdigit() or word == "-")):
                reader.outputs.append(word)
            redirect = ""
        elif kind == "end":
            reader.end_command()
            has_group = has_group or token == "("
            if token == "(":
                outer.append(reader.folder)
            elif token == ")" and outer:
                reader.folder = outer.pop()
    reader.end_command()
    inner = [taken_apart(part, reader.folder) for part in nested]
    commands = (*reader.found, *(command for script in inner for command in script.commands))
    return Script(commands, tuple(documents), reader.folder, is_plain=not (documents or nested or has_group))


def absolute(path: str, folder: str) -> str:
    """``path`` seen from ``folder``, with forward slashes, without ``.`` and ``..``; a drive is a first part."""
    text = path.replace("\\", "/")
    if not (text.startswith(("/", "~")) or _DRIVE.match(text)):
        text = f"{folder}/{text}".replace("\\", "/")
    text = _DRIVE.sub(lambda match: f"/{match[1].lower()}/", text, count=1)
    parts: list[str] = []
    for part in text.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def is_within(path: str, directory: str) -> bool:
    """Whether the absolute ``path`` is ``directory`` or lies in it; a pattern counts as what it may match.

    Without regard to case, as some file systems are.
    """
    parts, wanted = path.casefold().split("/"), directory.casefold().split("/")
    return len(parts) >= len(wanted) and all(_is_match(name, part) for name, part in zip(wanted, parts, strict=False))


def _is_match(name: str, pattern: str) -> bool:
    """Whether a part of a path fits; a leading dot is matched by a dot only."""
    if name == pattern:
        return True
    has_wildcard = any(sign in pattern for sign in "*?[")
    return has_wildcard and name.startswith(".") == pattern.startswith(".") and fnmatchcase(name, pattern)


def _without_documents(text: str) -> tuple[str, list[str]]:
    """``text`` without the bodies of its here-documents, and these."""
    kept: list[str] = []
    documents: list[str] = []
    lines = iter(text.split("\n"))
    for line in lines:
        kept.append(line)
        for _, mark in _HEREDOC.findall(line):
            body = []
            for inner in lines:
                if inner.strip() == mark:
                    break
                body.append(inner)
            documents.append("\n".join(body))
    return "\n".join(kept), documents
