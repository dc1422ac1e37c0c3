"""All results as one report by category: what was found, how bad it is, and who found it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from orchestrator.dataclasses import dataclass, field
from orchestrator.ids import natural_key
from orchestrator.merge import Gap, Strategy, document, gap_sections
from orchestrator.merge.labels import with_own_labels
from orchestrator.merge.parts import (
    fitted_text,
    indented,
    item_list,
    list_item,
    notes_list,
    problem_texts,
    summary_text,
    title_text,
)
from orchestrator.merge.sections import Section, Sections, matching_key, sections
from orchestrator.render.markdown import inline, inline_code
from orchestrator.render.summary import counted
from orchestrator.texts.outline import heading_line
from orchestrator.texts.results import Finding, Result

_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")
# Worst first; each line is one rank. Words that are not here come after these, in the order they are met.
_SEVERITIES: Final = (
    ("critical", "blocker", "fatal", "p0"),
    ("high", "major", "severe", "error", "p1"),
    ("medium", "moderate", "warning", "p2"),
    ("low", "minor", "p3"),
    ("info", "informational", "information", "note", "notice", "suggestion", "nit", "trivial", "none"),
)
_RANKS: Final = {word: rank for rank, words in enumerate(_SEVERITIES) for word in words}
_UNKNOWN_RANK: Final = len(_SEVERITIES)
_NO_RANK: Final = _UNKNOWN_RANK + 1


def chosen_strategy(results: Sequence[Result]) -> Strategy:
    """How to merge where nobody said: by category when every result lists findings and one has some, else in a row.

    An empty list counts as listed: that agent looked and found nothing.
    """
    is_listed = all(result.has_findings for result in results) and any(result.findings for result in results)
    return Strategy.STRUCTURED if is_listed else Strategy.CONCAT


def structured(title: str, results: Sequence[Result], gaps: Sequence[Gap] = ()) -> str:
    """One document: counts and summaries first, then every finding by category, the worst first.

    Findings of the same category, title and file are one entry that names all their agents. Results without findings
    are grouped by their own headings. Text that stands beside findings follows at the end, and so do the sources:
    every result with what came from it.
    """
    if not results:
        return document((heading_line(1, inline(title)), "There are no results.", *gap_sections(gaps)))
    results = with_own_labels(results)
    bodies = [Sections(()) if result.has_findings else sections(result.body) for result in results]
    further = [_further_text(result) for result in results]
    categories = _categories(results, bodies)
    blocks = [heading_line(1, inline(title)), heading_line(2, "Overview"), *_overview(results, categories, gaps)]
    if categories:
        blocks.append(heading_line(2, "Detailed Findings"))
    for category in categories:
        blocks += [heading_line(3, category.title), *(block for entry in category.entries for block in entry.blocks())]
    if any(further):
        blocks.append(heading_line(2, "Further Text"))
    for result, text in zip(results, further, strict=True):
        if text:
            blocks += [heading_line(3, inline(result.source)), fitted_text(text, 3)]
    items = map(_source_item, results, bodies, map(bool, further))
    return document((*blocks, heading_line(2, "Sources"), "\n".join(items), *gap_sections(gaps)))


@dataclass(slots=True)
class _FindingEntry:
    """One finding, as all who made it gave it."""

    given: list[tuple[Finding, Result]] = field(default_factory=list)

    @property
    def results(self) -> list[Result]:
        return [result for _, result in self.given]

    @property
    def severity(self) -> str:
        """The worst that anyone gave it."""
        return min((finding.severity for finding, _ in self.given), key=_rank)

    def blocks(self) -> list[str]:
        first = self.given[0][0]
        facts = [f"- Severity: {inline(self.severity)}{self._other_severities()}"] if self.severity else []
        if first.file:
            facts.append(f"- File: {inline_code(first.file)}")
        facts.append(f"- From: {_sources(self.results)}")
        return [heading_line(4, title_text(first.title)), "\n".join(facts), *self._details()]

    def _other_severities(self) -> str:
        others = [
            f"{inline(finding.severity)} by {inline(result.agent)}"
            for finding, result in self.given
            if finding.severity and finding.severity.casefold() != self.severity.casefold()
        ]
        return f" ({', '.join(dict.fromkeys(others))})" if others else ""

    def _details(self) -> list[str]:
        """The longest detail, and from the others what it does not say."""
        longest_first = sorted(self.given, key=lambda pair: -len(pair[0].detail))
        kept: list[str] = []
        blocks: list[str] = []
        for finding, result in longest_first:
            key = _words(finding.detail)
            if not key.strip() or any(key in other for other in kept):
                continue
            if kept:
                blocks.append(f"{inline(result.agent)} adds:")
            kept.append(key)
            blocks.append(fitted_text(finding.detail, 4))
        return blocks


@dataclass(slots=True)
class _SectionEntry:
    """A section of text, as all who wrote it word for word."""

    section: Section
    results: list[Result]
    severity: str = ""

    def blocks(self) -> list[str]:
        text = fitted_text(self.section.text, 4) or "*There is no text under this heading.*"
        return [heading_line(4, f"From {_sources(self.results)}"), text]


@dataclass(slots=True)
class _Category:
    """Everything under one heading, and how each who used it wrote that heading, in Markdown."""

    titles: list[str] = field(default_factory=list)
    entries: list[_FindingEntry | _SectionEntry] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The way most of them wrote it; of several, one that begins with a capital."""
        best = max(dict.fromkeys(self.titles), key=lambda title: (self.titles.count(title), title[:1].isupper()))
        return title_text(best)

    @property
    def rank(self) -> int:
        return min(_rank(entry.severity) for entry in self.entries)


def _categories(results: Sequence[Result], bodies: Sequence[Sections]) -> list[_Category]:
    """The categories, those with the worst findings first, then as they are met; the same order inside each."""
    categories: dict[str, _Category] = defaultdict(_Category)
    findings: dict[tuple[str, str, str], _FindingEntry] = {}
    texts: dict[tuple[str, str], _SectionEntry] = {}
    for result, body in zip(results, bodies, strict=True):
        for finding in result.findings:
            place = matching_key(finding.category)
            key = (place, matching_key(finding.title), _file_key(finding.file))
            categories[place].titles.append(finding.category)
            if key not in findings:
                findings[key] = _FindingEntry()
                categories[place].entries.append(findings[key])
            findings[key].given.append((finding, result))
        for section in body.sections:
            place = matching_key(section.title)
            categories[place].titles.append(section.title)
            if (place, section.text) not in texts:
                texts[place, section.text] = _SectionEntry(section, [])
                categories[place].entries.append(texts[place, section.text])
            texts[place, section.text].results.append(result)
    for category in categories.values():
        category.entries.sort(key=lambda entry: (_rank(entry.severity), isinstance(entry, _SectionEntry)))
    return sorted(categories.values(), key=lambda category: category.rank)


def _overview(results: Sequence[Result], categories: Sequence[_Category], gaps: Sequence[Gap]) -> list[str]:
    entries = [entry for category in categories for entry in category.entries]
    findings = [entry for entry in entries if isinstance(entry, _FindingEntry)]
    amounts = [counted(len(findings), "finding")] if findings or len(entries) == 0 else []
    if len(entries) > len(findings):
        amounts.append(counted(len(entries) - len(findings), "section"))
    agents = len({result.agent for result in results})
    into = f" in {counted(len(categories), 'category', 'categories')}" if categories else ""
    missing = sum(not gap.is_skipped for gap in gaps)
    blocks = [f"{' and '.join(amounts)}{into} from {counted(agents, 'agent')}{_shared(entries)}."]
    if missing:
        blocks.append(f"{counted(missing, 'result')} {'is' if missing == 1 else 'are'} missing, as named at the end.")
    severities = [entry.severity.strip().lower() for entry in findings if entry.severity.strip()]
    if severities:
        blocks.append(f"By severity: {', '.join(_tally(severities))}.")
    blocks.append("\n".join(map(_category_item, categories)))
    summaries = [_summary_item(result) for result in results if result.summary or (result.notes and not result.is_data)]
    return [*blocks, *(["What the agents say in short:", item_list(summaries)] if summaries else [])]


def _shared(entries: Sequence[_FindingEntry | _SectionEntry]) -> str:
    several = sum(len({result.agent for result in entry.results}) > 1 for entry in entries)
    return f"; {several:,} of them from more than one" if several else ""


def _tally(severities: Sequence[str]) -> list[str]:
    ordered = sorted(dict.fromkeys(severities), key=_rank)
    return [f"{severities.count(word):,} {inline(word)}" for word in ordered]


def _category_item(category: _Category) -> str:
    agents = sorted({result.agent for entry in category.entries for result in entry.results}, key=natural_key)
    return f"- {category.title}: {len(category.entries):,} (from {', '.join(map(inline, agents))})"


def _summary_item(result: Result) -> str:
    source = inline(result.source)
    notes = notes_list(result) if not result.is_data else ""
    if "\n" in result.summary or not result.summary[:1].isalnum():
        blocks = [summary_text(result), *(["Other entries:", notes] if notes else [])]
        return list_item(f"{source}:", "\n\n".join(filter(None, blocks)))
    return list_item(f"{source}: {title_text(result.summary)}", notes)


def _further_text(result: Result) -> str:
    """The body of a result with findings, unless its findings and summary say all of it."""
    if not result.has_findings or not result.body.strip():
        return ""
    if result.is_data:
        return notes_list(result)
    said = _words(" ".join([result.summary, *(f"{finding.title} {finding.detail}" for finding in result.findings)]))
    lines = [_words(line) for line in result.body.split("\n") if line.strip() and not line.startswith("#")]
    return "" if lines and all(line in said for line in lines) else result.body


def _source_item(result: Result, body: Sections, has_further_text: bool) -> str:
    given = [counted(len(result.findings), "finding")] if result.findings else []
    if body.sections:
        under = f" under “{title_text(body.heading)}”" if body.heading else ""
        given.append(f"{counted(len(body.sections), 'section')}{under}")
    if result.summary:
        given.append("a summary")
    if has_further_text:
        given.append("further text")
    elif result.has_findings and result.body.strip() and not result.is_data:
        given.append("text that says the same")
    if not given:
        given.append("looked and found nothing" if result.has_findings else "nothing: the result is empty")
    notes = [f"- {text}" for text in problem_texts(result)]
    notes += [f"- left open, closed here: {inline(name)}" for name in body.left_open]
    item = f"- {inline(result.source)}: {', '.join(given)}"
    return "\n".join((item, *(indented(note) for note in notes)))


def _sources(results: Iterable[Result]) -> str:
    return ", ".join(dict.fromkeys(inline(result.source) for result in results))


def _rank(severity: str) -> int:
    word = severity.strip().casefold()
    return _RANKS.get(word, _UNKNOWN_RANK) if word else _NO_RANK


def _file_key(file: str) -> str:
    return file.strip().strip("`").replace("\\", "/").removeprefix("./")


def _words(text: str) -> str:
    """The words of ``text`` with a space around each, to see whether one text says what another one does."""
    return f" {_BETWEEN_WORDS.sub(' ', text.casefold()).strip()} "
