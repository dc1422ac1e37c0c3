"""What is wrong where a text is not YAML, in plain words instead of the parser's."""

from __future__ import annotations

import re
from typing import NamedTuple

import yaml

from orchestrator.errors import Problem
from orchestrator.wording import excerpt, listed, printable

_LINE_BREAK = re.compile("\r\n|\n|\r")
_TAB_INDENT = re.compile(r" *\t")


class _Finding(NamedTuple):
    """How one of the parser's messages reads for a person."""

    parser_says: str
    """A part of "context: problem", as libyaml or PyYAML's own scanner words it."""
    message: str
    advice: str
    at_beginning: bool = False
    """The place to look at is where the construct began, not where the parser gave up."""


_FINDINGS = (
    _Finding(
        "quoted scalar: found unexpected end of stream",
        "the quote that begins here is never closed",
        "close it, or double a quote inside it",
        at_beginning=True,
    ),
    _Finding(
        "quoted scalar: found unexpected document",
        "the quote that begins here is not closed before a line of dashes or dots",
        "close it",
        at_beginning=True,
    ),
    _Finding(
        "found unknown escape character",
        "a backslash in double quotes begins an escape, and this is none",
        "put the text in single quotes, or double the backslash",
    ),
    _Finding(
        "Unicode character escape",
        "this escape is half of a character",
        "write the character itself (in Python: json.dumps(…, ensure_ascii=False))",
    ),
    _Finding(
        "scanning an alias",
        "a text that begins with `*` must be in quotes",
        "write '*.py' instead of *.py",
    ),
    _Finding(
        "scanning an anchor",
        "a text that begins with `&` must be in quotes",
        "put it in quotes",
    ),
    _Finding(
        "tag",
        "a text that begins with `!` must be in quotes",
        "put it in quotes",
    ),
    _Finding(
        "scanning a directive",
        "a text that begins with `%` must be in quotes",
        "put it in quotes",
    ),
    _Finding(
        "scanning a block scalar",
        "after `|` or `>` the text must begin on the next line, indented with spaces",
        "move the text to the next line",
    ),
    _Finding(
        "mapping values are not allowed",
        'a ": " is not expected here',
        'put a text that contains ": " in quotes, or correct the indentation',
    ),
    _Finding(
        "sequence entries are not allowed",
        "a list does not begin here",
        "begin it on the line after its key, or put a text that begins with `-` in quotes",
    ),
    _Finding(
        "could not find expected ':'",
        "this line is neither `key: value` nor part of the text above",
        "write `key: value`, or indent the line as the text it belongs to",
        at_beginning=True,
    ),
    _Finding(
        "flow sequence",
        "the list that begins with `[` here is not closed as expected",
        "close it with `]`, put a comma between its items, and quote items that contain any of , [ ] { } #",
        at_beginning=True,
    ),
    _Finding(
        "flow mapping",
        "the mapping that begins with `{` here is not closed as expected",
        "close it with `}`, put a comma between its entries; quote a text that is meant to begin with `{`",
        at_beginning=True,
    ),
    _Finding(
        "block mapping",
        "this line fits no line above it",
        "give the keys of one mapping the same indentation, and put a text with quotes inside it in quotes",
    ),
    _Finding(
        "block collection",
        "this line is no item of the list above it",
        "begin items with `- ` at the same indentation, and indent what belongs to an item",
    ),
    _Finding(
        "document start",
        "nothing may follow the end of the document",
        "remove this line or the one that ends the document",
    ),
    _Finding("incompatible YAML document", "this version of YAML is not known", "remove the line `%YAML …`"),
)


def lines_of(text: str) -> list[str]:
    """The lines of ``text`` as an editor numbers them, without what ends them."""
    return _LINE_BREAK.split(text)


def syntax_problem(error: yaml.MarkedYAMLError, text: str) -> Problem:
    """The problem that stopped the parser in ``text``."""
    lines = lines_of(text)
    begin, end = (min(mark.line, len(lines) - 1) if mark else None for mark in (error.context_mark, error.problem_mark))
    line = end if end is not None else begin or 0
    tabbed = [number for number, each in enumerate(lines, 1) if _TAB_INDENT.match(each)]
    if line + 1 in tabbed:
        others = [str(number) for number in tabbed if number != line + 1]
        also = f" (also line{'s' * (len(others) > 1)} {listed(others)})" if others else ""
        return Problem(f"this line is indented with a tab{also}", "indent with spaces only", line=line + 1)
    says = f"{error.context or ''}: {error.problem or ''}"
    if "cannot start any token" in says and error.problem_mark:
        column = error.problem_mark.column
        return Problem(
            f"a text cannot begin with {excerpt(lines[line][column : column + 1])} unless it is in quotes",
            "put it in quotes",
            line=line + 1,
        )
    for finding in _FINDINGS:
        if finding.parser_says in says:
            if finding.at_beginning and begin is not None:
                line = begin
            return Problem(finding.message, finding.advice, line=line + 1)
    return Problem(
        printable(f"this is not YAML: {' '.join(says.strip(': ').split())}"), "compare with an example", line=line + 1
    )
