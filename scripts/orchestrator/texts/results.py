"""What an agent gave as its result: bytes of a file, read without ever losing any of their text.

A result is Markdown that may begin with front matter (``summary``, ``findings``), or JSON where its task had a schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from orchestrator.dataclasses import dataclass
from orchestrator.errors import Problem, Severity
from orchestrator.model import Json
from orchestrator.render.markdown import fenced
from orchestrator.texts.encoding import utf_16_text
from orchestrator.texts.frontmatter import DEEPEST, Entries, FrontMatterError, Value, entries, plain, split

UNCATEGORIZED: Final = "General"
"""The category of a finding that names none."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an agent found. ``severity`` is kept as it was written; ``detail`` is Markdown."""

    category: str
    severity: str
    title: str
    detail: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """A result as read: ``body`` is Markdown with plain newlines, without the front matter that was understood.

    ``notes`` are the other keys of the front matter, each with its value as text.
    ``has_findings`` tells "found nothing" (an empty list was given) from "said nothing about findings".
    ``is_data``: the body is JSON in a code fence, and summary, findings and notes were read from it.
    """

    task: str
    name: str
    agent: str
    body: str
    summary: str = ""
    findings: tuple[Finding, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    has_findings: bool = False
    is_data: bool = False
    problems: tuple[Problem, ...] = ()

    @property
    def source(self) -> str:
        """Who gave it, for people: ``Agent-01 [T-01: name]``."""
        return source_name(self.agent, self.task, self.name)

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing in it at all."""
        return not (self.body.strip() or self.summary or self.findings or self.notes)


def source_name(agent: str, task: str, name: str) -> str:
    """How documents name where something comes from: ``Agent-01 [T-01: name]``, as plain text."""
    return f"{agent} [{task}: {name}]" if name else f"{agent} [{task}]"


def read_result(task: str, name: str, agent: str, data: bytes) -> Result:
    """The result that ``data`` is, with a warning in ``problems`` for whatever could not be read as meant.

    Bytes that are not UTF-8 become U+FFFD, a UTF-8 byte order mark is dropped, lines end with a newline alone.
    Front matter that cannot be read stays in the body as a code block.
    """
    text, problems = _decoded(data)
    body = text
    read = _Read()
    try:
        parts = split(text)
        if parts is not None:
            body = parts.rest.lstrip("\n")
            try:
                read = _understood(entries(parts.yaml))
            except FrontMatterError as error:
                problems.append((str(error), error.line))
                body = "\n\n".join(filter(None, (fenced(parts.yaml, "yaml"), body)))
    except FrontMatterError as error:
        problems.append((str(error), error.line))
    problems += read.problems
    is_data = False
    if not read.findings and not read.has_findings:
        value, is_whole = _structured(body)
        if is_whole and not body.lstrip().startswith(("`", "~")):
            body = fenced(body.strip("\n"), "json")
        if isinstance(value, dict) and isinstance(value.get("findings"), list):
            try:
                from_data = _understood(_entries_of(value))
            except FrontMatterError as error:
                problems.append((str(error), error.line))
            else:
                problems += from_data.problems
                read = from_data.under(read)
                is_data = is_whole
    return Result(
        task=task,
        name=name,
        agent=agent,
        body=body,
        summary=read.summary,
        findings=read.findings,
        notes=read.notes,
        has_findings=read.has_findings,
        is_data=is_data,
        problems=tuple(Problem(message, line=line, task=task, severity=Severity.WARNING) for message, line in problems),
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """What front matter or JSON said, and what was wrong with it."""

    summary: str = ""
    findings: tuple[Finding, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    has_findings: bool = False
    problems: tuple[tuple[str, int | None], ...] = ()

    def under(self, above: _Read) -> _Read:
        """The same, with what the front matter ``above`` it said first."""
        return _Read(
            above.summary or self.summary, self.findings, above.notes + self.notes, self.has_findings, self.problems
        )


def _decoded(data: bytes) -> tuple[str, list[tuple[str, int | None]]]:
    problems: list[tuple[str, int | None]] = []
    text = utf_16_text(data)
    if text is not None:
        problems.append(("the result is UTF-16, not UTF-8; it was read as such", 1))
    else:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            byte = f"0x{data[error.start]:02x}"
            problems.append((f"the result is not UTF-8 (byte {byte}); what could not be read is shown as \ufffd", line))
            text = data.decode("utf-8", "replace")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd"), problems


def _understood(given: Entries) -> _Read:
    """The summary, findings and notes that ``given`` has. A finding is never dropped, however odd."""
    problems: list[tuple[str, int | None]] = []
    values = dict(given.values)
    summary = plain(values.pop("summary", "")).strip()
    listed = values.pop("findings", None)
    findings: list[Finding] = []
    if isinstance(listed, list):
        for number, item in enumerate(listed, 1):
            finding, problem = _finding(item)
            if finding is not None:
                findings.append(finding)
            if problem:
                problems.append((f"finding {number} {problem}", given.lines.get("findings")))
    elif listed not in (None, ""):
        problems.append(("`findings` is not a list", given.lines.get("findings")))
        values["findings"] = listed or ""
    notes = tuple((key, plain(value).strip()) for key, value in values.items())
    return _Read(summary, tuple(findings), notes, listed == "" or isinstance(listed, list), tuple(problems))


def _finding(item: Value) -> tuple[Finding | None, str]:
    """The finding that ``item`` stands for and what is odd about it; None for an empty one."""
    if not isinstance(item, Entries):
        text = plain(item).strip()
        first, _, others = text.partition("\n")
        made = Finding(UNCATEGORIZED, "", first, others.strip()) if text else None
        return made, "is not a mapping" if text else "is empty"
    values = {key: plain(value).strip() for key, value in item.values.items()}
    category = values.pop("category", "")
    severity = values.pop("severity", "")
    title = values.pop("title", "")
    detail = values.pop("detail", "")
    file = values.pop("file", "")
    if file and ":" not in file and values.get("line", "").isdigit():
        file = f"{file}:{values.pop('line')}"
    others = "\n".join(f"- {key}:{_continued(value)}" for key, value in values.items() if value)
    detail = "\n\n".join(filter(None, (detail, others)))
    if not (title or detail or file):
        return None, "is empty"
    problem = "" if title else "has no title"
    if not title:
        title = detail.split("\n", 1)[0].lstrip("#-* ") or file
    return Finding(category or UNCATEGORIZED, severity, title, detail, file), problem


def _continued(value: str) -> str:
    """``value`` as the content of a list item, after its label."""
    first, *others = value.split("\n")
    if first.startswith("- "):
        return "\n" + "\n".join(f"  {line}".rstrip() for line in (first, *others))
    return "\n".join((f" {first}", *(f"  {line}".rstrip() for line in others)))


def _structured(body: str) -> tuple[Json, bool]:
    """The JSON in ``body``, and whether there is nothing else in it; (None, False) where there is none."""
    from orchestrator.texts.conformity import NoStructuredValueError, structured_value

    stripped = body.strip()
    if not stripped.startswith(("{", "[")) and "json" not in stripped[:16] and '"findings"' not in stripped:
        return None, False
    try:
        value = structured_value(stripped)
    except NoStructuredValueError:
        return None, False
    is_fence = stripped.startswith(("```", "~~~")) and stripped.endswith(("```", "~~~")) and stripped.count("\n```") < 2
    return value, stripped.startswith(("{", "[")) or is_fence


def _entries_of(value: Mapping[str, Json], depth: int = 0) -> Entries:
    """``value`` as front matter would have given it; raises ``FrontMatterError`` where it is too deep for that."""
    if depth > DEEPEST:
        raise FrontMatterError(f"the JSON is nested more than {DEEPEST} deep", 1)
    made = Entries({}, {})
    for key, inner in value.items():
        folded = _printable(key).strip().lower()
        made.values[_printable(key) if folded in made.values else folded] = _value_of(inner, depth + 1)
    return made


def _value_of(value: Json, depth: int) -> Value:
    if depth > DEEPEST:
        raise FrontMatterError(f"the JSON is nested more than {DEEPEST} deep", 1)
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dict():
            return _entries_of(value, depth)
        case list():
            return [_value_of(inner, depth + 1) for inner in value]
        case _:
            return _printable(str(value))


def _printable(text: str) -> str:
    """``text`` without halves of surrogate pairs, which JSON can escape and no file can hold."""
    return _SURROGATE.sub("\ufffd", text)
