"""Link labels and footnotes of several results in one document.

``[1]: …`` and ``[^1]: …`` hold for the whole document, and the first definition wins: a second result's ``[1]`` would
point where the first one's does. Where that could happen, the label gets the task's id: ``[1-T-02]``.
Found with the Markdown parser, so that code stays as it is, and edited in place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from orchestrator.dataclasses import dataclass, field, replace
from orchestrator.texts.results import Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

    Rule = Callable[[StateInline, bool], bool]

_DEFINITION: Final = re.compile(
    r"^[ \t>*+\-0-9.)]*\[(?P<label>(?:\\.|[^\[\]\\\n]){1,200})\]:(?P<target>.*)", re.MULTILINE
)
_FOOTNOTE: Final = re.compile(r"\[\^([^\[\]\s\\]{1,200})\]")
_USES: Final = "orchestrator.uses"


def with_own_labels(results: Sequence[Result]) -> list[Result]:
    """``results`` with those labels renamed that one defines and another one has in its text with another meaning."""
    folded = [result.body.casefold() for result in results]
    shared = {
        label
        for result in results
        for label in _possible_labels(result.body)
        if sum(f"[{label}]" in text for text in folded) > 1
    }
    if not shared:
        return list(results)
    # Only now: the parser takes seconds for a text of megabytes.
    parsed = [
        _parsed(result.body) if any(f"[{label}]" in text for label in shared) else None
        for result, text in zip(results, folded, strict=True)
    ]
    defined = [each.definitions if each else {} for each in parsed]
    clashing = {label for label in shared if _is_clashing(label, defined, folded)}
    own: list[Result] = []
    for result, each in zip(results, parsed, strict=True):
        mine = clashing.intersection(each.definitions) if each else set()
        if each and mine:
            result = replace(result, body=_renamed(each, _new_names(mine, result.task, folded)))
        own.append(result)
    return own


def _possible_labels(body: str) -> set[str]:
    """The labels that ``body`` may define, normalized; those in code are among them."""
    return {_normalized(match["label"]) for match in _DEFINITION.finditer(body)} if "]:" in body else set()


def _is_clashing(label: str, defined: Sequence[Mapping[str, str]], folded: Sequence[str]) -> bool:
    """Whether one result defines ``label`` and another one that has it in its text does not define it alike."""
    meanings = {
        definitions.get(label)
        for definitions, text in zip(defined, folded, strict=True)
        if label in definitions or f"[{label}]" in text
    }
    return len(meanings) > 1


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A body as the parser read it; ``definitions``: normalized label to what it stands for, ``^1`` for footnotes."""

    lines: Sequence[str]
    tokens: Sequence[Token]
    environment: dict[str, object]
    definitions: Mapping[str, str]


def _parsed(body: str) -> _Parsed:
    environment: dict[str, object] = {}
    tokens = _parser().parse(f"{body}\n".replace("\r", " "), environment)
    definitions: dict[str, str] = {}
    for token in tokens:
        if token.type == "definition":
            definitions.setdefault(_normalized(str(token.meta["label"])), f"{token.meta['url']} {token.meta['title']}")
        elif (
            token.type == "inline"
            and (match := _FOOTNOTE.match(token.content))
            and token.content[match.end() :][:1] == ":"
        ):
            definitions.setdefault(_normalized(f"^{match[1]}"), token.content)
    return _Parsed(body.split("\n"), tokens, environment, definitions)


def _new_names(labels: set[str], task: str, folded: Sequence[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for label in sorted(labels):
        name = f"{label}-{task}"
        while any(f"[{name.casefold()}]" in text for text in folded):
            name += "-"
        names[label] = name
    return names


def _normalized(label: str) -> str:
    return " ".join(label.split()).casefold()


@dataclass(slots=True)
class _Uses:
    """Where the inline text at hand names a label: start, end and what to write there."""

    names: dict[str, str]
    text: str = ""
    edits: list[tuple[int, int, str]] = field(default_factory=list)


def _renamed(parsed: _Parsed, names: dict[str, str]) -> str:
    """The text of ``parsed`` with the labels ``names`` (normalized) under their new names."""
    lines = list(parsed.lines)
    parser = _parser()
    uses = _Uses(names)
    environment = {**parsed.environment, _USES: uses}
    for token in parsed.tokens:
        if token.map is None:
            continue
        if token.type == "definition":
            lines[token.map[0]] = _with_definition(lines[token.map[0]], names)
        elif token.type == "inline" and "[" in token.content:
            uses.text, uses.edits = token.content, []
            parser.inline.parse(token.content, parser, environment, [])
            _apply(uses, lines, token.map[0])
    return "\n".join(lines)


def _with_definition(line: str, names: dict[str, str]) -> str:
    match = _DEFINITION.match(line)
    new = names.get(_normalized(match["label"])) if match else None
    return f"{line[: match.start('label')]}{new}{line[match.end('label') :]}" if match and new else line


def _apply(uses: _Uses, lines: list[str], first: int) -> None:
    """Carry the edits of one inline text, which begins at line ``first``, over to the lines it came from."""
    begin = 0
    for row, inner in enumerate(uses.text.split("\n")):
        line = lines[first + row]
        # What stands before it belongs to the quote or list around, what stands after it to a heading.
        shift = line.rfind(inner.rstrip()) - begin
        for start, end, new in sorted(set(uses.edits), reverse=True):
            if shift + begin >= 0 and begin <= start and end <= begin + len(inner):
                line = f"{line[: start + shift]}{new}{line[end + shift :]}"
        lines[first + row] = line
        begin += len(inner) + 1


@cache
def _parser() -> MarkdownIt:
    """A parser that also notes, for texts parsed with ``_USES``, where labels are named."""
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import image, link

    made = MarkdownIt("commonmark", {"inline_definitions": True}).disable("inline")
    made.inline.ruler.at("link", _noting(link, 0))
    made.inline.ruler.at("image", _noting(image, 1))
    made.inline.ruler.before("link", "footnote_use", _footnote)
    return made


def _noting(rule: Rule, offset: int) -> Rule:
    """``rule`` for links (``offset`` 0) or images (1), which notes what label it took."""

    def noting(state: StateInline, silent: bool) -> bool:
        start = state.pos
        is_found = rule(state, silent)
        uses = state.env.get(_USES)
        if is_found and not silent and uses is not None and state.src == uses.text:
            uses.edits += _label_edits(state, start + offset, uses.names)
        return is_found

    return noting


def _label_edits(state: StateInline, start: int, names: dict[str, str]) -> Iterator[tuple[int, int, str]]:
    """The edit of the link that begins with the bracket at ``start`` and ends where ``state`` stands."""
    end = state.pos
    close = state.md.helpers.parseLinkLabel(state, start)
    state.pos = end
    text = state.src[start + 1 : close]
    if end == close + 1:
        if (name := names.get(_normalized(text))) and not text.startswith("^"):
            yield end, end, f"[{name}]"
    elif state.src[close + 1] == "[":
        label = state.src[close + 2 : end - 1]
        if name := names.get(_normalized(label or text)):
            yield close + 2, end - 1, name


def _footnote(state: StateInline, silent: bool) -> bool:
    """Notes a footnote mark and leaves it to the other rules, which know nothing of footnotes."""
    uses = state.env.get(_USES)
    if not silent and uses is not None and state.src == uses.text and (match := _FOOTNOTE.match(state.src, state.pos)):
        name = uses.names.get(_normalized(f"^{match[1]}"))
        uses.edits += [(state.pos, match.end(), f"[{name}]")] if name else []
    return False
