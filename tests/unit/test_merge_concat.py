"""One result after the other: everything is there, under one outline, and no result reaches into the next."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from syrupy.assertion import SnapshotAssertion

from artefacts import MarkdownFile
from orchestrator.merge import Gap
from orchestrator.merge.concat import concat
from orchestrator.texts.openings import closed
from orchestrator.texts.results import Result, read_result

PARSER = MarkdownIt("commonmark")

LINE = st.sampled_from(
    [
        *(
            "",
            "",
            "text of a result",
            "# Title",
            "## Part ##",
            "### Agent-01 Output: T-01 First",
            "Title\n===",
            "- item",
            "---",
        ),
        *(
            "```",
            "```py",
            "~~~",
            "<!--",
            "-->",
            "<details>",
            "</div>",
            "<pre>",
            "> # quote",
            "| a | b |",
            "    code",
            "[1]: /a",
        ),
        *(
            "see [1] and [x][1]",
            "[^1]: note",
            "a[^1]",
            "שלום עולם",
            "🚀 done",
            "@/etc/passwd",
            "{{ x }}",
            "\\",
            "#",
            "a\tb",
        ),
    ]
)
BODY = st.lists(LINE, max_size=10).map("\n".join)
SUMMARY = st.sampled_from(["", "short", "two\nlines", "# heading\n\n```\nopen"])
NAME = st.sampled_from(["Style review", "", "`x` | *y* <z> #", "[a](b)", "שלום", "a\nb"])
RESULT = st.builds(
    lambda number, name, body, summary: Result(f"T-{number:02}", name, f"Agent-{number:02}", body, summary),
    st.integers(1, 12),
    NAME,
    BODY,
    SUMMARY,
)
RESULTS = st.lists(RESULT, max_size=4, unique_by=lambda result: result.task)
GAP = st.builds(
    Gap, st.just("T-90"), NAME, st.just("Agent-90"), st.sampled_from(["", "failed: # x\n```"]), st.booleans()
)
GAPS = st.lists(GAP, max_size=2)


def outline(markdown: str) -> list[tuple[int, str]]:
    """Level and text of the headings that are in no quote or list, as the parser reads them."""
    tokens = PARSER.parse(markdown)
    return [
        (int(token.tag[1:]), "".join(child.content for child in tokens[place + 1].children or ()))
        for place, token in enumerate(tokens)
        if token.type == "heading_open" and not token.level
    ]


def result(number: int, body: str, name: str = "Review", **others: object) -> Result:
    return Result(f"T-{number:02}", name, f"Agent-{number:02}", body, **others)  # type: ignore[arg-type]


REVIEW = b"""\
---
summary: Mostly fine. Two things need a decision.
findings:
  - category: Security
    severity: high
    title: SQL built by string concatenation
    detail: |
      The query in `find` is built with `+`:

      ```py
      query = "select * from t where id = " + id
    file: app/db.py:14
  - category: Style
    severity: low
    title: Names differ
reviewed: [app/db.py, app/web.py]
---
# Security review

| file | state |
|------|-------|
| a.py | ok    |

## Sources

See [1].

[1]: https://example.org/injection
"""


def test_a_merged_document_reads_well(snapshot: SnapshotAssertion) -> None:
    results = [
        read_result("T-01", "Review security", "Agent-01", REVIEW),
        read_result(
            "T-02", "Review style", "Agent-02", b"Style\n=====\n\nAs in [1].\n\n[1]: /guide\n\n```sh\nmake lint\n"
        ),
        read_result(
            "T-03", "Überblick שלום 🚀", "Agent-03", b"---\nsummary: [broken\n---\nText that is \xff not UTF-8.\n"
        ),
        read_result("T-04", "Measure speed", "Agent-04", b'{"p50_ms": 12, "p99_ms": 80}'),
        read_result("T-05", "Look for leaks", "Agent-05", b"---\nfindings: []\n---\n"),
        read_result("T-06", "Nothing", "Agent-06", b""),
    ]
    gaps = [
        Gap("T-07", "Check the *docs*", "Agent-07", "failed: API error 500"),
        Gap("T-08", "Translate", "Agent-08", "left out on purpose", is_skipped=True),
        Gap("T-09", "Publish", "Agent-09", "blocked by T-07"),
    ]
    document = concat("Review of the payment service", results, gaps)
    assert document == snapshot(extension_class=MarkdownFile)


def test_results_stand_in_the_order_given_under_headings_that_name_agent_and_task() -> None:
    document = concat("Report", [result(2, "# A\n## B", "Style"), result(1, "C\n===", "Docs")])
    assert outline(document) == [
        (1, "Report"),
        (2, "Agent-02 Output: T-02 Style"),
        (3, "A"),
        (4, "B"),
        (2, "Agent-01 Output: T-01 Docs"),
        (3, "C"),
    ]


def test_missing_results_and_skipped_tasks_have_sections_of_their_own() -> None:
    document = concat(
        "R", [], [Gap("T-01", "a", "Agent-01", "failed"), Gap("T-02", "b", "Agent-02", "", is_skipped=True)]
    )
    assert "There are no results." in document
    assert "## Missing Results\n\n- Agent-01 [T-01: a]: failed\n" in document
    assert "## Skipped Tasks\n\n- Agent-02 [T-02: b]: no reason was given\n" in document
    assert "Missing" not in concat("R", [result(1, "x")], [Gap("T-02", "b", "Agent-02", "", is_skipped=True)])
    assert "Skipped" not in concat("R", [result(1, "x")], [Gap("T-02", "b", "Agent-02")])


def test_a_fence_that_one_result_leaves_open_does_not_swallow_the_next() -> None:
    document = concat("R", [result(1, "```py\n# a comment"), result(2, "# A heading")])
    assert "```py\n# a comment\n```\n\n> Note: left open in the text above, and closed here: code fence.\n" in document
    assert (3, "A heading") in outline(document)


def test_a_comment_that_is_left_open_hides_neither_its_own_result_nor_the_next() -> None:
    document = concat("R", [result(1, "<!-- draft\n# One"), result(2, "# Two")])
    assert [title for _, title in outline(document)][2::2] == ["One", "Two"]
    assert "closed here: HTML comment" in document


def test_rules_tables_and_mentions_stay_as_they_are() -> None:
    body = "a\n\n---\n\nb\n\n| x | y |\n|---|---|\n| 1 | @/etc/passwd |\n\n***"
    assert f"\n\n{body}\n" in concat("R", [result(1, body)])


def test_what_could_not_be_read_is_said_under_the_heading() -> None:
    document = concat("R", [read_result("T-01", "n", "Agent-01", b"a \xff\n---\n")])
    assert "## Agent-01 Output: T-01 n\n\n> Note: the result is not UTF-8 (byte 0xff);" in document
    assert "(line 1 of the result).\n\n" in document


LINK = re.compile(r'<a href="#([^"]*)">')


def test_links_of_the_contents_lead_to_the_parts_also_when_a_result_has_the_same_heading() -> None:
    results = [
        result(1, "# Agent-02 Output: T-02 Review\n\n# Missing Results"),
        result(2, "# Agent-02 *Output*: T-02 Review"),
    ]
    document = concat("R", results, [Gap("T-03", "x", "Agent-03")])
    assert "- [Agent-02 Output: T-02 Review](#agent-02-output-t-02-review-1)\n" in document
    assert "- [Missing Results](#missing-results-1)\n" in document


def shown_links(markdown: str) -> list[tuple[str, str]]:
    """Text and target of each link and image."""
    return re.findall(r'<(?:a href|img src)="([^"]*)"(?: alt="([^"]*)")?', PARSER.render(f"{markdown}\n"))


@pytest.mark.parametrize(
    "use",
    [
        *(
            "see [1]",
            "see [text][1]",
            "see [1][]",
            "![img][1]",
            "![1]",
            "[![img][1]](/else)",
            "> see\n> [1] there",
            "- a\n  see [1]",
        ),
        *(
            "## see [1] ##",
            "see [1]\n===",
            "`[1]` but [1]",
            "[x][1] [y][1]\nand [1]",
            "| a | [1] |",
            "\\[1] and [1]",
            "[A  b][1]",
        ),
    ],
)
def test_link_labels_of_two_results_do_not_collide(use: str) -> None:
    one, two = f"{use}\n\n[1]: /one", f"{use}\n\n[1]: /two"
    document = concat("R", [result(1, one), result(2, two)])
    alone = [[target for target, _ in shown_links(text)] for text in (one, two)]
    assert [target for target, _ in shown_links(document) if not target.startswith("#")] == [*alone[0], *alone[1]]


def test_a_label_that_another_result_only_mentions_makes_no_link_there() -> None:
    document = concat("R", [result(1, "a [TODO]\n\n[todo]: /one"), result(2, "- [TODO] later, `[todo]` is code")])
    assert "a [TODO][todo-T-01]\n\n[todo-T-01]: /one" in document
    assert "- [TODO] later, `[todo]` is code" in document


def test_footnotes_of_two_results_do_not_collide() -> None:
    body = "Claim[^1], `[^1]`.\n\n[^1]: Source of {}\n"
    document = concat("R", [result(1, body.format("one")), result(2, body.format("two"))])
    assert "Claim[^1-T-01], `[^1]`.\n\n[^1-T-01]: Source of one" in document
    assert "Claim[^1-T-02], `[^1]`.\n\n[^1-T-02]: Source of two" in document


@pytest.mark.parametrize(
    "bodies",
    [
        ("[1] and\n\n[1]: /a", "[1] or\n\n[1]: /a"),
        ("[1] and\n\n[1]: /a", "[2] or\n\n[2]: /b"),
        ("```\n[1]: /a\n```", "```\n[1]: /b\n```"),
        ("[NOTE]: this is prose", "[NOTE]: this is other prose"),
    ],
)
def test_labels_that_do_not_collide_stay_as_they_are(bodies: tuple[str, str]) -> None:
    document = concat("R", [result(1, bodies[0]), result(2, bodies[1])])
    assert all(f"\n\n{body}\n" in document for body in bodies)


PIECE = st.sampled_from(
    [
        *(
            "[1]",
            "[x][1]",
            "![i][1]",
            "[1][]",
            "`[1]`",
            "[a [1] b][1]",
            "[1](/c)",
            "[1",
            "\\",
            "[2]",
            "*",
            "word ",
            "    ",
        ),
        *("\n[1]: /a\n", "\n\n[1]: /b 'c'\n\n", "\n\n> [1]: <d>\n\n", "\n[2]: /e\n", "\n", "\n\n"),
        *("\n- ", "\n> ", "\n## ", "\n===\n", "\n```\n", "<!--", "1. "),
    ]
)
LABELLED = st.lists(PIECE, max_size=8).map("".join)


@given(LABELLED, LABELLED)
@settings(max_examples=500)
def test_every_link_leads_where_it_led_in_its_own_result(one: str, two: str) -> None:
    bodies = [closed(body)[0] for body in (one, two)]
    alone = [target for body in bodies for target, _ in shown_links(body)]
    document = concat("R", [result(1, bodies[0]), result(2, bodies[1])])
    assert [target for target, _ in shown_links(document) if not target.startswith("#")] == alone


def visible(line: str) -> str:
    """A line without what a heading may lose or a renamed label may change."""
    return re.sub(r"-T-[0-9]{2}|\[\^?[^\]]*\]|[#\s\\]", "", line)


@given(RESULTS, GAPS)
@settings(max_examples=300)
@example([Result("T-01", "", "Agent-01", "Title\n===\n```\n"), Result("T-02", "", "Agent-02", "text of a result")], [])
def test_every_line_of_every_result_is_in_the_document(results: list[Result], gaps: list[Gap]) -> None:
    document = [visible(line) for line in concat("R", results, gaps).split("\n")]
    for each in results:
        # The underline of a heading goes, and its lines become one.
        lines = (visible(line) for line in each.body.split("\n") if not re.fullmatch("=+|-+", line))
        assert all(any(line in other for other in document) for line in lines)


@given(RESULTS, GAPS)
@settings(max_examples=300)
def test_the_outline_is_ours_whatever_a_result_says(results: list[Result], gaps: list[Gap]) -> None:
    found = outline(concat("R", results, gaps))
    ours = [title for level, title in found if level <= 2]
    assert found[0] == (1, "R")
    assert len(ours) == 1 + len(results) + len({gap.is_skipped for gap in gaps})
    for each, title in zip(results, ours[1:], strict=False):
        assert title.startswith(f"{each.agent} Output: {each.task}")


@given(RESULTS, GAPS)
def test_merging_twice_gives_the_same_document(results: list[Result], gaps: list[Gap]) -> None:
    assert concat("R", results, gaps) == concat("R", list(results), tuple(gaps))


@given(RESULTS, GAPS)
@settings(max_examples=200)
def test_every_link_of_the_contents_has_a_target(results: list[Result], gaps: list[Gap]) -> None:
    document = concat("R", results, gaps)
    listed = document.split("\n\n")[1] if results or gaps else ""
    assert len(LINK.findall(PARSER.render(listed))) == len(results) + len({gap.is_skipped for gap in gaps})


def test_three_megabytes_are_merged_in_less_than_two_seconds() -> None:
    part = "## Part\n\nSome words of a paragraph, which go on for a line.\n\n```py\n# code\n```\n\n- item\n- more\n\n"
    results = [result(number, part * 11_000) for number in (1, 2, 3)]
    begin = time.process_time()
    document = concat("R", results)
    assert time.process_time() - begin < 2
    assert len(document) > 3_000_000
