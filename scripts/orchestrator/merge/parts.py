"""What one result says, as blocks of Markdown that fit anywhere in a larger document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from orchestrator.render.markdown import inline, inline_code
from orchestrator.texts.outline import DEEPEST, fitted
from orchestrator.texts.results import Finding, Result

_CODE: Final = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_LONGEST_TITLE: Final = 1_000
_TAG_START: Final = re.compile(r"<(?=[A-Za-z/!?])")
_STEERING: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def said(result: Result) -> list[str]:
    """What ``result`` says outside of its body: its summary, its findings, and the other keys of its front matter."""
    if result.is_data:
        return []
    findings = item_list(_finding_item(finding) for finding in result.findings)
    # A line between them, or two lists would be one.
    notes = ["Other entries:", notes_list(result)] if result.notes else []
    return [block for block in (summary_text(result), findings, *notes) if block]


def whole_text(result: Result) -> str:
    """Everything that ``result`` says, as one Markdown text of its own."""
    return "\n\n".join((*said(result), result.body, blank_note(result))).strip("\n")


def blank_note(result: Result) -> str:
    """What stands for a result without any text; blank for every other one."""
    if not result.is_blank:
        return ""
    return "*Looked, and found nothing.*" if result.has_findings else "*This result is empty.*"


def notes_list(result: Result) -> str:
    """The other keys of its front matter as a list."""
    return item_list(_labelled(inline(key), value) for key, value in result.notes)


def summary_text(result: Result) -> str:
    """Its summary, with any heading in it as low as can be."""
    return fitted_text(result.summary, DEEPEST)


def fitted_text(markdown: str, below_level: int) -> str:
    """``markdown`` made fit to stand under a heading of that level, and what had to be closed in it for that."""
    if not markdown.strip():
        return ""
    fit = fitted(markdown, below_level)
    return f"{fit.text}\n\n{note}" if (note := closed_note(fit.left_open)) else fit.text


def closed_note(left_open: tuple[str, ...]) -> str:
    """The line under a text that says what had to be closed in it; blank where nothing was."""
    return (
        f"> Note: left open in the text above, and closed here: {', '.join(map(inline, left_open))}."
        if left_open
        else ""
    )


def problem_notes(result: Result) -> str:
    """The lines that say what could not be read as it was meant."""
    return "\n>\n".join(f"> Note: {text}." for text in problem_texts(result))


def problem_texts(result: Result) -> list[str]:
    """What could not be read as it was meant, as Markdown on one line each."""
    return [
        inline(problem.message) + (f" (line {problem.line} of the result)" if problem.line else "")
        for problem in result.problems
    ]


def title_text(text: str) -> str:
    """``text``, a title or category that an agent wrote in Markdown, on one line and without HTML."""
    line = " ".join(_STEERING.sub(" ", text).split())
    return "".join(piece if is_code else _TAG_START.sub("&lt;", piece) for piece, is_code in _pieces(line))


def list_item(first: str, others: str = "") -> str:
    """A list item of the line ``first`` and, under it, the blocks ``others``, which it keeps inside."""
    if not others.strip():
        return f"- {first}"
    return f"- {first}{'' if others.startswith('- ') else chr(10)}\n{indented(others)}"


def item_list(items: Iterable[str]) -> str:
    """A list of items, with air between them where one of them has more than a paragraph."""
    made = list(items)
    return ("\n\n" if any("\n\n" in item for item in made) else "\n").join(made)


def indented(text: str) -> str:
    """``text`` as content of a list item."""
    return "\n".join(f"  {line}" if line.strip() else "" for line in text.strip("\n").split("\n"))


def _finding_item(finding: Finding) -> str:
    severity = f"**{inline(finding.severity)}** " if finding.severity else ""
    file = f" ({inline_code(finding.file)})" if finding.file else ""
    first = f"{severity}{title_text(finding.category)}: {title_text(finding.title)}{file}"
    return list_item(first, fitted_text(finding.detail, DEEPEST))


def _labelled(label: str, value: str) -> str:
    is_block = "\n" in value or value.startswith(("- ", "#", ">", "`", "~"))
    return (
        list_item(f"{label}:", fitted_text(value, DEEPEST)) if is_block else f"- {label}: {title_text(value)}".rstrip()
    )


def _pieces(line: str) -> Iterator[tuple[str, bool]]:
    """``line`` cut into code spans and what is between them; a line beyond any title is not searched for them."""
    done = 0
    for span in _CODE.finditer(line[:_LONGEST_TITLE]):
        yield line[done : span.start()], False
        yield span[0], True
        done = span.end()
    yield line[done:], False
