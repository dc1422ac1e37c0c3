"""The report by category: counted, grouped, the same finding once, and every result accounted for."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from syrupy.assertion import SnapshotAssertion

from artefacts import MarkdownFile
from orchestrator.merge import Gap, Strategy
from orchestrator.merge.sections import Section, matching_key, sections
from orchestrator.merge.structured import chosen_strategy, structured
from orchestrator.texts.results import Finding, Result, read_result

PARSER = MarkdownIt("commonmark")


def result(number: int, *findings: Finding, body: str = "", name: str = "Review", summary: str = "") -> Result:
    has = bool(findings)
    return Result(f"T-{number:02}", name, f"Agent-{number:02}", body, summary, findings, has_findings=has)


def outline(markdown: str) -> list[tuple[int, str]]:
    tokens = PARSER.parse(f"{markdown}\n")
    return [
        (int(token.tag[1:]), tokens[place + 1].content)
        for place, token in enumerate(tokens)
        if token.type == "heading_open" and not token.level
    ]


def section(markdown: str, title: str) -> str:
    """The text under the heading ``title`` of level 2 or 3."""
    match = re.search(rf"^(###?) {re.escape(title)}\n\n(.*?)(?=^#{{2,3}} |\Z)", markdown, re.MULTILINE | re.DOTALL)
    assert match, f"no section {title}"
    return match[2]


SECURITY = b"""\
---
summary: |
  The service can be taken over.

  - fix the queries first
findings:
  - category: Security
    severity: critical
    title: SQL built by string concatenation
    detail: The query in `find` is built with `+`; any user can read any row.
    file: app/db.py:14
  - category: Security
    severity: low
    title: Session cookies live for a year
    file: app/web.py
  - category: Performance
    severity: medium
    title: One query for each row
    detail: |
      Measured with 1,000 rows:

      ```
      4.2 s
    file: app/db.py:14
scope: [app]
---
# Notes

I did not read `vendor/`.
"""
STYLE = b"""\
---
summary: Readable, with some old habits.
findings:
  - category: style
    severity: Low
    title: Names differ
    detail: "`userId` beside `user_id`"
  - category: security
    severity: high
    title: "1. SQL built by **string concatenation**."
    detail: Use parameters.
    file: ./app/db.py:14
---
"""
DOCS = """\
# Documentation review

## Style

The README mixes two voices.

### Examples

None of them runs.

## Überblick שלום 🚀

| page | state |
|------|-------|
| API  | old   |
"""


def test_a_structured_report_reads_well(snapshot: SnapshotAssertion) -> None:
    results = [
        read_result("T-01", "Review security", "Agent-01", SECURITY),
        read_result("T-02", "Review style", "Agent-02", STYLE),
        read_result("T-03", "Review the docs", "Agent-03", DOCS.encode()),
        read_result("T-04", "Look for leaks", "Agent-04", b"---\nfindings: []\n---\n"),
        read_result("T-05", "Check licences", "Agent-05", b""),
        read_result(
            "T-06", "Count", "Agent-06", b'{"findings": [{"category": "Style", "title": "Tabs"}], "files": 12}'
        ),
    ]
    gaps = [
        Gap("T-07", "Measure", "Agent-07", "failed: timeout"),
        Gap("T-08", "Extra", "Agent-08", "P3", is_skipped=True),
    ]
    document = structured("Review of the payment service", results, gaps)
    assert document == snapshot(extension_class=MarkdownFile)


def test_the_overview_counts_each_category_and_names_its_agents() -> None:
    three = [Finding("Security", "high", title) for title in ("a", "b", "c")]
    document = structured(
        "R", [result(3, *three), result(10, Finding("Style", "low", "d")), result(2, Finding("style", "low", "e"))]
    )
    assert "\n- Security: 3 (from Agent-03)\n" in section(document, "Overview")
    assert "\n- Style: 2 (from Agent-02, Agent-10)\n" in section(document, "Overview")
    assert "By severity: 3 high, 2 low." in section(document, "Overview")


def test_findings_are_grouped_by_category_and_the_worst_comes_first() -> None:
    one = result(1, Finding("Style", "low", "a"), Finding("Security", "info", "b"), Finding("Style", "", "none"))
    two = result(2, Finding("Style", "CRITICAL", "c"), Finding("Security", "weird", "d"), Finding("Style", "High", "e"))
    document = structured("R", [one, two])
    titles = [title for level, title in outline(document) if level in (3, 4)]
    assert titles == ["Style", "c", "e", "a", "none", "Security", "b", "d"]


def test_the_same_finding_of_two_agents_is_one_entry_that_names_both() -> None:
    one = result(1, Finding("Security", "low", "SQL injection", "Short.", "app/db.py"))
    two = result(2, Finding("security", "high", "sql injection!", "The whole story.", "./app/db.py"))
    document = structured("R", [one, two])
    assert outline(document)[3:] == [(3, "Security"), (4, "SQL injection"), (2, "Sources")]
    assert "- Severity: high (low by Agent-01)\n" in document
    assert "- From: Agent-01 [T-01: Review], Agent-02 [T-02: Review]\n" in document
    assert "The whole story.\n\nAgent-01 adds:\n\nShort.\n" in document
    assert "Security: 1 (from Agent-01, Agent-02)" in document


def test_a_detail_that_another_one_contains_is_said_once() -> None:
    one = result(1, Finding("C", "low", "t", "The query is **open**."))
    two = result(2, Finding("C", "low", "t", "Look here: the query is open. Close it."))
    three = result(3, Finding("C", "low", "t", "query"))
    four = result(4, Finding("C", "low", "t", "The que"))
    document = structured("R", [one, two, three, four])
    assert document.count("adds:") == 1
    assert "Agent-04 adds:\n\nThe que\n" in document


@pytest.mark.parametrize(
    "other",
    [
        Finding("Style", "low", "t", "", "a.py"),
        Finding("Security", "low", "u", "", "a.py"),
        Finding("Security", "low", "t", "", "b.py"),
        Finding("Security", "low", "t", "", "a.py:2"),
    ],
)
def test_findings_that_differ_in_category_title_or_file_stay_apart(other: Finding) -> None:
    document = structured("R", [result(1, Finding("Security", "low", "t", "", "a.py")), result(2, other)])
    assert document.startswith("# R\n\n## Overview\n\n2 findings in ")


def test_results_without_findings_are_grouped_by_their_own_headings() -> None:
    one = result(1, body="# Review\n\n## Naming\n\nshort names\n\n### Detail\n\nx\n\n## Tests\n\nfew")
    two = result(2, body="# 1. NAMING:\n\nlong names\n")
    document = structured("R", [one, two])
    assert outline(document)[2:] == [
        (2, "Detailed Findings"),
        (3, "Naming"),
        (4, "From Agent-01 [T-01: Review]"),
        (5, "Detail"),
        (4, "From Agent-02 [T-02: Review]"),
        (3, "Tests"),
        (4, "From Agent-01 [T-01: Review]"),
        (2, "Sources"),
    ]
    assert "- Naming: 2 (from Agent-01, Agent-02)" in document
    assert "- Agent-01 [T-01: Review]: 2 sections under “Review”" in document


def test_a_section_that_two_agents_wrote_word_for_word_is_one_entry() -> None:
    document = structured("R", [result(1, body="# A\n\nsame"), result(2, body="# a\n\nsame\n")])
    assert document.count("same") == 1
    assert "#### From Agent-01 [T-01: Review], Agent-02 [T-02: Review]" in document


def test_text_beside_findings_is_kept_unless_the_findings_say_it() -> None:
    finding = Finding("Style", "low", "Names differ", "Two kinds.")
    kept = structured("R", [result(1, finding, body="# Notes\n\nI did not read all.")])
    assert outline(kept)[-3:] == [(3, "Agent-01 [T-01: Review]"), (4, "Notes"), (2, "Sources")]
    assert "I did not read all." in section(kept, "Agent-01 [T-01: Review]")
    said = structured("R", [result(1, finding, body="# Notes\n\n- *Names differ*\n- Two kinds.")])
    assert "Further Text" not in said
    assert "- Agent-01 [T-01: Review]: 1 finding, text that says the same\n" in said


def test_every_result_is_named_also_one_that_gave_nothing() -> None:
    clean = Result("T-03", "Leaks", "Agent-03", "", has_findings=True)
    document = structured("R", [result(1, Finding("A", "", "t")), result(2), clean])
    assert section(document, "Sources") == (
        "- Agent-01 [T-01: Review]: 1 finding\n"
        "- Agent-02 [T-02: Review]: nothing: the result is empty\n"
        "- Agent-03 [T-03: Leaks]: looked and found nothing\n"
    )


def test_what_is_missing_is_said_in_the_overview_and_named_at_the_end() -> None:
    gaps = [Gap("T-02", "x", "Agent-02", "failed"), Gap("T-03", "y", "Agent-03", "", is_skipped=True)]
    document = structured("R", [result(1, Finding("A", "", "t"))], gaps)
    assert "1 result is missing, as named at the end." in section(document, "Overview")
    assert [title for level, title in outline(document) if level == 2][-2:] == ["Missing Results", "Skipped Tasks"]
    assert "There are no results." in structured("R", [], gaps)


def test_titles_of_agents_cannot_change_the_document() -> None:
    hostile = Finding("# Cat\n## egory", "**low**\n# x", "<script>`<ok>`</script> #", "# H\n\n```\nopen", "a`b|c\n# d")
    document = structured("R", [result(1, hostile), result(2, Finding("Z", "low", "z"))])
    assert [title for _, title in outline(document)] == [
        *(
            "R",
            "Overview",
            "Detailed Findings",
            "Z",
            "z",
            "# Cat ## egory",
            "&lt;script>`<ok>`&lt;/script> \\#",
            "H",
            "Sources",
        )
    ]


@pytest.mark.parametrize(
    ("results", "strategy"),
    [
        ([result(1, Finding("A", "", "t")), result(2, Finding("A", "", "t"))], Strategy.STRUCTURED),
        ([result(1, Finding("A", "", "t")), result(2, body="# text")], Strategy.CONCAT),
        (
            [result(1, Finding("A", "", "t")), Result("T-02", "n", "Agent-02", "", has_findings=True)],
            Strategy.STRUCTURED,
        ),
        ([Result("T-02", "n", "Agent-02", "", has_findings=True)], Strategy.CONCAT),
        ([result(1, body="x")], Strategy.CONCAT),
        ([], Strategy.CONCAT),
    ],
)
def test_the_strategy_is_structured_when_every_result_lists_findings(results: list[Result], strategy: Strategy) -> None:
    assert chosen_strategy(results) is strategy


@pytest.mark.parametrize(
    ("body", "titles"),
    [
        ("", []),
        ("just text", ["General"]),
        ("before\n\n# A\n# B", ["General", "A", "B"]),
        ("# Title\n\n## A\na\n## B\nb", ["A", "B"]),
        ("# Title\n\nintro\n\n## A\na", ["Title", "A"]),
        ("# Only\n\ntext", ["Only"]),
        ("## A\n\n# B\n\n## C", ["A", "B"]),
        ("### A\n#### x\n### B", ["A", "B"]),
        ("> # quoted\n\n```\n# code\n```", ["General"]),
    ],
)
def test_a_body_is_cut_at_its_outermost_headings(body: str, titles: list[str]) -> None:
    assert [section.title for section in sections(body).sections] == titles


def test_the_heading_over_all_sections_is_kept_apart() -> None:
    cut = sections("# Title\n\n## A\n\na\n\n### x\n\n## B\n")
    assert cut.sections == (Section("A", "a\n\n### x"), Section("B", ""))
    assert cut.heading == "Title"


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("Security", "  SECURITY: "),
        ("1. Security", "Security"),
        ("2.3. **Security**", "security."),
        ("🔒 Security", "`Security`"),
        ("[Security](x)", "Security"),
        ("Größe", "GRÖSSE"),
        ("ｆｕｌｌ", "full"),
    ],
)
def test_titles_that_mean_the_same_match(one: str, two: str) -> None:
    assert matching_key(one) == matching_key(two)


@pytest.mark.parametrize(
    ("one", "two"), [("C", "C++"), ("C#", "C"), ("3 tips", "tips"), ("א", "ב"), ("🔒", "🚀"), ("a b", "ab")]
)
def test_titles_that_differ_do_not_match(one: str, two: str) -> None:
    assert matching_key(one) != matching_key(two)


WORD = st.sampled_from(
    ["Security", "security", "Style", "", "# x", "`a`", "שלום", "🚀", "a\n```\nb", "<!-- c", "| d", "[1]: /e"]
)
FINDING = st.builds(
    Finding, WORD.map(lambda w: w or "General"), st.sampled_from(["", "low", "HIGH", "odd"]), WORD, WORD, WORD
)
BODY = st.lists(st.sampled_from(["# A", "## B", "text", "", "```", "<details>", "B\n---", "- x"]), max_size=6).map(
    "\n".join
)
RESULTS = st.lists(
    st.builds(
        lambda number, findings, body, summary: result(number, *findings, body=body, summary=summary),
        st.integers(1, 9),
        st.lists(FINDING, max_size=3),
        BODY,
        WORD,
    ),
    max_size=4,
    unique_by=lambda each: each.task,
)


@given(RESULTS)
@settings(max_examples=300)
def test_every_agent_is_mentioned_and_every_word_kept(results: list[Result]) -> None:
    document = structured("R", results)
    for each in results:
        assert f"- {each.agent} [{each.task}: Review]: " in section(document, "Sources")
        for finding in each.findings:
            for word in re.findall(r"\w+", f"{finding.title} {finding.detail} {finding.file} {finding.severity}"):
                assert word.lower() in document.lower()
        # Headings over nothing but what the findings say are not repeated.
        is_said = "text that says the same" in document
        lines = [line for line in each.body.split("\n") if not (is_said and line.startswith("#"))]
        for word in re.findall(r"\w+", " ".join((*lines, each.summary))):
            assert word.lower() in document.lower()


@given(RESULTS)
@settings(max_examples=300)
def test_the_outline_is_ours_whatever_results_say(results: list[Result]) -> None:
    twos = [title for level, title in outline(structured("R", results)) if level <= 2]
    known = ["R", "Overview", "Detailed Findings", "Further Text", "Sources"]
    assert twos == ([title for title in known if title in twos] if results else ["R"])
    assert twos[-1] == ("Sources" if results else "R")


@given(RESULTS)
def test_merging_twice_gives_the_same_document(results: list[Result]) -> None:
    assert structured("R", results) == structured("R", list(results))


def test_three_megabytes_are_merged_in_less_than_two_seconds() -> None:
    part = "## Part {}\n\n" + "Some words of a line,\n" * 30 + "\n```py\n# code\n```\n\n" + "- an item\n" * 20 + "\n"
    results = [result(number, body="".join(map(part.format, range(1_200)))) for number in (1, 2, 3)]
    assert sum(len(each.body) for each in results) > 3_000_000
    begin = time.process_time()
    document = structured("R", results)
    assert time.process_time() - begin < 2
    assert "- Part 7: 1 (from Agent-01, Agent-02, Agent-03)" in document
