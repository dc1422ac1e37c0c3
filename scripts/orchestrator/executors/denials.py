"""A tool that was denied to a worker, and the rule that would allow it.

The forms were measured on Claude Code 2.1.197: a path counts in ``Edit(…)`` and ``Read(…)`` only, an assignment or
``sudo`` before a program belongs to its rule, ``timeout`` does not, redirecting needs ``Edit`` of the file, reading
with ``cat`` outside the project ``Read`` of the file; a command with something nested, or one that writes after ``cd``,
is allowed by bare ``Bash`` only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from orchestrator.dataclasses import dataclass
from orchestrator.executors.claude_argv import path_pattern
from orchestrator.executors.claude_events import ToolUse
from orchestrator.executors.shell import SimpleCommand, absolute, is_within, taken_apart
from orchestrator.executors.writes import EDIT_TOOLS, SHELL_TOOLS, written_by

_READERS = frozenset(
    {"cat", "ls", "head", "tail", "grep", "rg", "find", "wc", "sort", "uniq", "diff", "stat", "file", "cd"}
)
_SILENT = frozenset({"echo", "printf", "pwd", "true", "false", "test", "[", "which", "date"})
_WITH_SUBCOMMAND = frozenset(
    {
        "git",
        "gh",
        "npm",
        "pnpm",
        "yarn",
        "npx",
        "cargo",
        "go",
        "docker",
        "kubectl",
        "pip",
        "pip3",
        "uv",
        "poetry",
        "make",
    }
    | {"apt", "apt-get", "brew", "systemctl", "terraform", "dotnet", "mvn", "gradle", "bundle", "rake", "helm"}
)
_SUBCOMMAND = re.compile(r"[a-z][\w:.-]*")
_LONGEST_SHOWN = 80
_LONGEST_RULES = 300
_PATHS = ("file_path", "notebook_path", "path")


@dataclass(frozen=True, slots=True)
class Denial:
    """``tool`` was denied for ``what`` (a command, a path, an address); ``rules`` would allow it."""

    tool: str
    what: str
    rules: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.tool} ({self.what})" if self.what else self.tool


def denial_of(use: ToolUse, folder: str) -> Denial:
    """The denial of ``use`` to a worker in ``folder``."""
    shown = next((use.input[key] for key in ("command", *_PATHS, "url", "skill", "query") if use.input.get(key)), "")
    what = " ".join(str(shown).split())
    what = what if len(what) <= _LONGEST_SHOWN else what[: _LONGEST_SHOWN - 1] + "…"
    return Denial(use.name, what, tuple(dict.fromkeys(_rules(use, folder))))


def denials_text(denials: Sequence[Denial]) -> str:
    """What was denied, and what to write into the plan to allow it."""
    shown = list(dict.fromkeys(map(str, denials)))
    rules = list(dict.fromkeys(rule for denial in denials for rule in denial.rules))
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    kept = [rule for n, rule in enumerate(rules) if sum(map(len, rules[: n + 1])) < _LONGEST_RULES] or [denials[0].tool]
    listed = json.dumps(kept, ensure_ascii=False)
    return f"denied: {', '.join(shown[:5])}{more}; to allow it add allowed_tools: {listed}"


def _rules(use: ToolUse, folder: str) -> list[str]:
    path = next((str(use.input[key]) for key in _PATHS if use.input.get(key)), "")
    if use.name in EDIT_TOOLS:
        return [_path_rule("Edit", path, folder)] if path else [use.name]
    if use.name in ("Read", "Grep", "Glob"):
        is_file = use.name == "Read" or (use.name == "Grep" and "." in path.rpartition("/")[2][1:])
        return [_path_rule("Read", path if is_file else f"{path}/**", folder)] if path else [use.name]
    if use.name in SHELL_TOOLS:
        return _command_rules(use.name, str(use.input.get("command") or ""), folder)
    if use.name == "WebFetch":
        host = re.match(r"[a-z]+://(?:[^/@]*@)?([\w.-]+)", str(use.input.get("url") or ""))
        return [f"WebFetch(domain:{host[1]})"] if host else [use.name]
    return [use.name]


def _command_rules(tool: str, command: str, folder: str) -> list[str]:
    script = taken_apart(command, folder)
    moved = [part for part in script.commands if part.folder != folder]
    if not script.is_plain or tool != "Bash" or any(part.outputs or list(written_by(part)) for part in moved):
        return [tool]
    rules: list[str] = []
    for part in script.commands:
        rules += [_path_rule("Edit", path, folder) for path in part.outputs if not path.startswith("/dev/")]
        if part.program in _READERS:
            outside = [word for word in part.words[1:] if word.startswith(("/", "~", ".."))]
            rules += [
                _path_rule("Read", path, folder) for path in outside if not is_within(absolute(path, folder), folder)
            ]
        elif part.words and (part.before or part.program not in _SILENT):
            rules.append(f"{tool}({_prefix(part)}:*)")
    return rules or [tool]


def _prefix(command: SimpleCommand) -> str:
    """The first words of ``command``, as far as they say what kind of thing it does."""
    words = [*command.before, command.words[0]]
    if command.program in _WITH_SUBCOMMAND:
        options = [*command.words[1:], ""]
        count = next(n for n, word in enumerate(options) if not word.startswith("-"))
        # An option may have a value of its own (git -C folder push): then everything is named.
        plain = count == 0 and _SUBCOMMAND.fullmatch(options[0])
        words += options[:1] if plain else command.words[1:]
    return " ".join(words)


def _path_rule(tool: str, path: str, folder: str) -> str:
    if path.startswith("~"):
        return f"{tool}({path})"
    place = absolute(path, folder)
    if place.startswith(folder.rstrip("/") + "/"):
        place = place[len(folder.rstrip("/")) + 1 :]
    pattern = path_pattern(place.removesuffix("/**"))
    return f"{tool}({pattern}/**)" if path.endswith("/**") else f"{tool}({pattern})"
