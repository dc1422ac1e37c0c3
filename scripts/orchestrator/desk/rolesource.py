"""The source of a role file: from bytes to the entries of its front matter with their lines, and to its text.

Pure. An agent of Claude Code is read as that program does (2.1.197): where its front matter is no YAML, because a
description has an unquoted colon, line by line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestrator.dataclasses import dataclass, field
from orchestrator.errors import Problem
from orchestrator.model import Json
from orchestrator.plans.yamlfile import read_yaml
from orchestrator.plans.yamlsource import SourceError, source_text
from orchestrator.texts.frontmatter import FrontMatterError, split
from orchestrator.wording import excerpt

LARGEST_BYTES = 256 * 1024
"""A larger file is no role: its prompt goes before every task."""

_SPELLINGS = {
    "allowed_tools": "tools",
    "disallowedtools": "disallowed_tools",
    "maxturns": "max_turns",
    "permissionmode": "permission_mode",
    "when": "description",
    "when_to_use": "description",
}
# An entry of the front matter that begins a line; nothing else does in an agent whose description runs over lines.
_ENTRY = re.compile(
    r"(name|description|tools|disallowedTools|model|permissionMode|maxTurns|color|skills|hooks|memory"
    r"|mcpServers|background|isolation|effort|initialPrompt|version|author)[ \t]*:[ \t]*(.*)"
)
_ITEM = re.compile(r"[ \t]*-[ \t]+(.*)")
_SECTION = re.compile(r"worker[_ -]?type\s*:\s*(?P<type>.+)", re.IGNORECASE)
_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Front:
    """The entries of the front matter under one spelling each, the line of each, and the text after it."""

    values: Mapping[str, Json]
    lines: Mapping[str, int]
    body: str
    body_line: int = 1
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Sections:
    """The prompt before the first section, and the text of each section by kind of work."""

    prompt: str
    by_type: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


class NoFrontError(Exception):
    """The file has no front matter that can be read; ``problems`` says why."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(problems[0].message)
        self.problems = problems


def front_of(data: bytes, *, is_agent: bool) -> Front:
    """The front matter of a role file; raises ``NoFrontError`` where there is none, or none that can be read."""
    if len(data) > LARGEST_BYTES:
        message = f"the file has {len(data) / 1024:,.0f} KiB; a role has at most {LARGEST_BYTES // 1024}"
        raise NoFrontError(Problem(message, "put material into files of the project and name them in the prompt"))
    try:
        text = source_text(data).replace("\r\n", "\n").replace("\r", "\n")
        parts = split(text)
    except SourceError as error:
        raise NoFrontError(*error.problems) from None
    except FrontMatterError as error:
        raise NoFrontError(Problem(str(error), "end it with a line `---`", error.line)) from None
    if parts is None:
        example = "begin the file with the lines `---`, `name: …`, `description: …` and `---`"
        raise NoFrontError(Problem("there is no front matter", example, 1))
    document = read_yaml(parts.yaml.encode())
    problems = tuple(_shifted(problem) for problem in document.problems)
    values, lines = document.value, {}
    if isinstance(values, dict):
        lines = {key: (document.line((key,)) or 0) + 1 for key in values}
    if is_agent and (problems or not isinstance(values, dict)):
        values, lines = _loose_entries(parts.yaml)
        problems = ()
    if not isinstance(values, dict):
        raise NoFrontError(*problems or (Problem("the front matter is not a mapping of keys to values", line=2),))
    body_line = text.count("\n", 0, len(text) - len(parts.rest)) + 1
    return Front(*_spelled(values, lines), parts.rest, body_line, problems)


def sections_of(front: Front) -> Sections:
    """The sections of a role's text: each heading ``## worker_type: TYPE`` begins one."""
    if not _SECTION.search(front.body):
        return Sections(front.body.strip())
    from orchestrator.texts.outline import headings

    lines = front.body.split("\n")
    found = [(each, match) for each in headings(front.body) if (match := _SECTION.fullmatch(each.text))]
    ends = [heading.begin for heading, _ in found[1:]] + [len(lines)]
    by_type: dict[str, str] = {}
    problems: list[Problem] = []
    for (heading, match), end in zip(found, ends, strict=True):
        kind, line = match["type"].strip(" `"), front.body_line + heading.begin
        if not _TYPE.fullmatch(kind):
            advice = "write one word, such as `## worker_type: audit`"
            problems.append(Problem(f"{excerpt(kind)} cannot be a worker_type", advice, line))
        elif kind in by_type:
            problems.append(Problem(f"the section for {kind} stands twice", "put them together", line))
        by_type.setdefault(kind, "\n".join(lines[heading.end : end]).strip())
    prompt = lines[: found[0][0].begin] if found else lines
    return Sections("\n".join(prompt).strip(), by_type, tuple(problems))


def _shifted(problem: Problem) -> Problem:
    """``problem`` with its line in the file, where a line `---` stands before the YAML."""
    line = None if problem.line is None else problem.line + 1
    return Problem(problem.message, problem.advice, line, severity=problem.severity)


def _spelled(values: Mapping[str, Json], lines: Mapping[str, int]) -> tuple[dict[str, Json], dict[str, int]]:
    """Entries under the spelling of plan.yaml: ``permissionMode`` and ``permission-mode`` as ``permission_mode``."""
    names = {key: key.replace("-", "_").lower() for key in values}
    names = {key: _SPELLINGS.get(name, name) for key, name in names.items()}
    return {names[key]: value for key, value in values.items()}, {names[key]: line for key, line in lines.items()}


def _loose_entries(yaml: str) -> tuple[dict[str, Json], dict[str, int]]:
    """Entries read line by line: a line that begins none goes on the one before; a list of items becomes a list."""
    values: dict[str, list[str]] = {}
    lines: dict[str, int] = {}
    key = ""
    for number, line in enumerate(yaml.split("\n"), 2):
        match = _ENTRY.fullmatch(line)
        if match and match[1] not in values:
            key = match[1]
            values[key], lines[key] = [match[2]], number
        elif key:
            values[key].append(line)
    return {key: _loose_value(texts) for key, texts in values.items()}, lines


def _loose_value(texts: list[str]) -> Json:
    first, *others = texts
    items = [match[1].strip() for match in map(_ITEM.fullmatch, others) if match]
    if not first.strip() and items:
        return [item.strip("\"'") for item in items]
    text = "\n".join([first.strip().removeprefix("|").removeprefix(">"), *(line.strip() for line in others)]).strip()
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if is_quoted else text
