"""Which files a worker's tools wrote, as far as the calls themselves show it.

It errs towards silence, because a false finding fails a good attempt: programs that are not listed here are taken
to write nothing, and a program text counts only where it plainly opens, makes or removes what lies in the directory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from orchestrator.executors.claude_events import ToolUse
from orchestrator.executors.shell import SimpleCommand, absolute, is_within, taken_apart

SHELL_TOOLS = frozenset({"Bash", "PowerShell"})
EDIT_TOOLS = frozenset({"Write", "Edit", "MultiEdit", "NotebookEdit"})

_REMOVE = frozenset({"rm", "rmdir", "mv", "move", "remove-item", "move-item", "del", "erase", "rd"})
_TOUCH = _REMOVE | {"touch", "mkdir", "unlink", "truncate", "tee", "chmod", "chown", "shred", "sponge", "mkfifo", "md"}
_CMDLETS = frozenset({"set-content", "add-content", "out-file", "new-item", "clear-content", "rename-item"})
_COPY = frozenset({"cp", "install", "ln", "rsync", "scp", "copy", "copy-item"})
_IN_PLACE = frozenset({"sed", "perl", "ruby"})
_GIT = frozenset({"init", "clone", "checkout", "restore", "mv", "rm", "clean"})
_SHELL = re.compile(r"(?:ba|z|da|k)?sh(?:\.exe)?")
_INTERPRETER = re.compile(r"(?:python[\d.]*|pypy3?|node|deno|bun|perl|ruby|php|osascript|pwsh|powershell)(?:\.exe)?")
_CODE = ("-c", "-e", "-E", "-r", "-lc", "-ic", "--eval", "-command")
_WRITING = (
    r"\bopen\w*\([^)]{{0,200}}?{name}[^)]{{0,200}}?,\s*(?:mode\s*=\s*)?['\"][rb]?[wax+]",
    r"{name}[^;\n]{{0,200}}?\.(?:write_text|write_bytes|unlink|rename|mkdir|rmdir|touch)\(",
    r"\b(?:(?:write|append)File|createWriteStream|file_put_contents|File\.write)(?:Sync)?\([^)]{{0,200}}?{name}",
    r"\b(?:unlink|rm|rmdir|rmtree|mkdir|makedirs|remove|rename|os\.replace|move|truncate)(?:Sync)?\([^)]{{0,200}}?{name}",
    r"\bcopy\w*\([^)]{{0,200}}?,[^)]{{0,200}}?{name}",
    r">{{1,2}}['\",\s]*{name}",
)
"""How a program text that writes to ``{name}`` looks."""

_PATH_KEYS = re.compile(r"\w*path\w*|destination|target|file|filename")
_WRITER_NAME = re.compile(r"mcp__.*(?:write|edit|create|move|delete|remove|append)[^_]*(?:_[^_]+)*")


def writes_within(uses: Iterable[ToolUse], folder: str, directories: Sequence[str]) -> list[str]:
    """The writes of ``uses`` into ``directories``, each as ``Tool: path`` in the words of the call.

    ``folder`` is the worker's directory; a shell keeps its own from one call to the next. A call that was refused
    wrote nothing, nor did a failed one, except for a shell's, which may have failed later.
    """
    closed = [absolute(directory, folder) for directory in directories]
    found: dict[str, None] = {}
    shell_folder = folder
    for use in uses:
        if use.was_refused:
            continue
        if use.name in SHELL_TOOLS:
            text = str(use.input.get("command") or "")
            text = text.replace("\\", "/") if use.name == "PowerShell" else text
            paths, shell_folder = written_paths(text, shell_folder, closed)
        elif not use.failed and (use.name in EDIT_TOOLS or _WRITER_NAME.fullmatch(use.name)):
            given = [value for key, value in use.input.items() if isinstance(value, str) and _PATH_KEYS.fullmatch(key)]
            paths = [path for path in given if any(is_within(absolute(path, folder), part) for part in closed)]
        else:
            continue
        found.update({f"{use.name}: {path}": None for path in paths})
    return list(found)


def written_paths(text: str, folder: str, closed: Sequence[str]) -> tuple[list[str], str]:
    """The paths in ``closed`` that the shell command ``text`` writes or removes, and its last working directory.

    ``closed`` are paths from the root.
    """
    script = taken_apart(text, folder)
    found: list[str] = []
    for command in script.commands:
        removed = set(_removed(command))
        for path in (*command.outputs, *written_by(command)):
            place = absolute(path, command.folder)
            if any(is_within(place, part) or (path in removed and is_within(part, place)) for part in closed):
                found.append(path)
        for code in _code(command, script.documents):
            if _SHELL.fullmatch(command.program):
                found += written_paths(code, command.folder, closed)[0]
            else:
                found += [name for part in closed for name in _written_names(code, command.folder, part)]
    return found, script.folder


def written_by(command: SimpleCommand) -> Iterator[str]:
    """The arguments of ``command`` that it writes to or removes."""
    name, words = command.program.lower(), command.words
    plain = [word for word in words[1:] if not word.startswith("-")]
    if name in _TOUCH or name in _CMDLETS:
        yield from plain
    elif name in _COPY:
        yield from plain[-1:]
        yield from _values(words, "-t", "--target-directory", "-destination")
    elif name in _IN_PLACE and any(re.match(r"-[A-Za-z]*i", word) for word in words[1:]):
        yield from plain[1:]
    elif name == "dd":
        yield from _values(words, "of")
    elif name == "find" and ("-delete" in words or not _TOUCH.isdisjoint(words)):
        yield from plain[:1]
    elif name == "git" and not _GIT.isdisjoint(plain):
        yield from plain[1:]
    elif name in ("curl", "wget"):
        yield from _values(words, "-o", "-O", "--output", "--output-document")
    elif name == "unzip" or (name == "tar" and "x" in "".join(words[1:2])):
        yield from _values(words, "-C", "--directory", "-d")


def _removed(command: SimpleCommand) -> list[str]:
    """The arguments of ``command`` that are gone after it, with all that is in them."""
    if command.program.lower() not in _REMOVE:
        return []
    plain = [word for word in command.words[1:] if not word.startswith("-")]
    return plain[:-1] if command.program.lower().startswith("m") else plain


def _values(words: Sequence[str], *options: str) -> Iterator[str]:
    """The values that ``options`` are given, after a space or an equals sign."""
    for option, value in pairwise(words):
        if option in options or option.lower() in options:
            yield value
    for word in words:
        option, sign, value = word.partition("=")
        if sign and option in options:
            yield value


def _code(command: SimpleCommand, documents: Sequence[str]) -> Iterator[str]:
    """The program texts that ``command`` is given."""
    if _SHELL.fullmatch(command.program) or _INTERPRETER.fullmatch(command.program.lower()):
        yield from _values(command.words, *_CODE)
        yield from documents


def _written_names(code: str, folder: str, directory: str) -> list[str]:
    """``directory`` in the words of ``code``, in full or as seen from ``folder``; empty unless it writes there."""
    names = [directory]
    if is_within(directory, folder) and directory != folder:
        names.append(directory[len(folder.rstrip("/")) + 1 :])
    text = code.replace("\\", "/")
    for name in names:
        pattern = rf"(?<![\w.-]){re.escape(name)}(?![\w-])"
        if any(re.search(form.format(name=pattern), text) for form in _WRITING):
            return [name]
    return []
