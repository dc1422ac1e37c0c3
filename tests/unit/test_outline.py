"""Headings of texts that agents wrote: found as the Markdown parser finds them, moved under ours, no more changed."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from syrupy.assertion import SnapshotAssertion

from artefacts import MarkdownFile
from orchestrator.texts.blocks import blocks
from orchestrator.texts.openings import closed
from orchestrator.texts.outline import anchors, contents, fitted, heading_line, headings, plain_title, shifted

PARSER = MarkdownIt("commonmark")

# Everything that begins, ends or looks like a block, and what it can stand in.
LINE = st.sampled_from(
    [
        *(
            "",
            "",
            "",
            " ",
            "text",
            "more text",
            "| a | b |",
            "#no heading",
            "**bold**",
            "1986 was",
            "[a]: /b",
            "(x)",
            '"t"',
        ),
        *(
            "# one",
            "## two ##",
            "###### six",
            "####### seven",
            "#",
            "  ### indented",
            "    # code",
            "\t# code",
            "# x \\#",
        ),
        *("===", "---", "--", "-", "=", "  ---", "    ---", "***", "- - -", "__ __ __", "_ _"),
        *(
            "- item",
            "- # in a list",
            "-  wide",
            "  continued",
            "  - inner",
            "  # in the item",
            "1. one",
            "2. two",
            "1) # x",
        ),
        *("> quote", "> # quoted", ">", "> ---", "> - # deep", "lazy", "* a", "+ b", "-", "10. ten", "      deep"),
        *(
            "```",
            "```py",
            "````",
            "~~~",
            "~~~ x ` y",
            "  ```",
            "    ```",
            "- ```",
            "> ```",
            "``` a`b",
            "  ```",
            "   ~~~",
        ),
        *(
            "<!--",
            "-->",
            "<!-- x -->",
            "a --> b",
            "<div>",
            "</div>",
            "<details>",
            "</details>",
            "<b>x</b>",
            "<pre>",
            "</pre>",
        ),
        *(
            "<?php",
            "?>",
            "<!X",
            "<![CDATA[",
            "]]>",
            "<script>",
            "</script> x",
            "  <div>",
            "- <div>",
            "> <!--",
            "<x y='",
            "a <b",
        ),
    ]
)
DOCUMENT = st.lists(LINE, max_size=14).map("\n".join)
ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=80)


def found_by_the_parser(markdown: str) -> list[tuple[int, int, int]]:
    """First line, line after the last, level of each heading."""
    return [
        (*token.map, int(token.tag[1:]))
        for token in PARSER.parse(f"{markdown}\n")
        if token.type == "heading_open" and token.map
    ]


def outline(markdown: str) -> list[tuple[int, str]]:
    """Level and raw text of each heading, as the parser reads them."""
    tokens = PARSER.parse(f"{markdown}\n")
    return [
        (int(token.tag[1:]), tokens[place + 1].content)
        for place, token in enumerate(tokens)
        if token.type == "heading_open"
    ]


def has_front_matter(markdown: str) -> bool:
    return markdown.startswith("---")


@given(DOCUMENT)
@settings(max_examples=1500)
@example("```\n\n# no\n```\ntext\n\n# yes")
@example("<div>\n# no\n\n# yes")
@example("<!--\n\ntext\n\n# no\n--> text\n# yes")
@example("- ```\n\ntext\n\n# yes")
@example("text\n  ```\n\n# no\n\nmore\n")
@example("[a]: /b\n===\ntext\n===")
@example("text\n- \n# x")
@example("text\n-\n\n- \n---")
def test_the_headings_are_those_that_the_parser_finds(markdown: str) -> None:
    if not has_front_matter(markdown):
        found = [(heading.begin, heading.end, heading.level) for heading in headings(markdown)]
        assert found == found_by_the_parser(markdown)


@given(DOCUMENT | ANY, st.integers(1, 6))
@settings(max_examples=500)
def test_shifting_changes_no_line_that_is_not_a_heading(markdown: str, below: int) -> None:
    lines = markdown.split("\n")
    of_headings = {line for heading in headings(markdown) for line in range(heading.begin, heading.end)}
    others = [line for place, line in enumerate(lines) if place not in of_headings]

    moved = shifted(markdown, below).split("\n")
    of_moved = {line for heading in headings("\n".join(moved)) for line in range(heading.begin, heading.end)}

    assert [line for place, line in enumerate(moved) if place not in of_moved] == others


@given(DOCUMENT, st.integers(1, 6))
@settings(max_examples=500)
def test_shifting_keeps_every_heading_its_text_and_its_parent(markdown: str, below: int) -> None:
    before, after = headings(markdown), headings(shifted(markdown, below))
    assert [heading.text for heading in after] == [
        re.sub(r"(^|(?<=[ \t]))(#+)$", r"\1\\\2", h.text) if h.end - h.begin > 1 else h.text for h in before
    ]
    assert [heading.level for heading in after] == [min(below + heading.depth, 6) for heading in before]


@given(DOCUMENT, st.integers(1, 3))
@settings(max_examples=300)
def test_a_shifted_text_has_no_gap_in_its_outline(markdown: str, below: int) -> None:
    level = below
    for heading in headings(shifted(markdown, below)):
        if not heading.is_inner:
            assert below < heading.level <= level + 1
            level = heading.level


def test_what_the_parser_itself_fails_on_is_read() -> None:
    assert closed("# a\n> 1. <!--\n> ") == ("# a\n> 1. <!--\n> ", ())


@given(DOCUMENT)
@settings(max_examples=300)
def test_shifting_a_shifted_text_to_the_same_place_changes_nothing(markdown: str) -> None:
    once = shifted(markdown, 2)
    assert shifted(once, 2) == once


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("# A\n## B\n# C", "### A\n#### B\n### C"),
        ("## A\n### B", "### A\n#### B"),
        ("#### A\n## B\n# C", "### A\n### B\n### C"),
        ("# A\n#### B\n## C", "### A\n#### B\n#### C"),
        ("A\n===\n\nB\n---", "### A\n\n#### B"),
        ("two\nlines \\\nof it\n===", "### two lines of it"),
        ("C #\n===", "### C \\#"),
        ("# A ##", "### A ##"),
        ("   # A", "   ### A"),
        ("#\tA", "###\tA"),
        ("> # A\n> > # B", "> ### A\n> > #### B"),
        ("# A\n> # B\n\n## C", "### A\n> #### B\n\n#### C"),
        ("- # A\n  text\n- B\n  ===", "- ### A\n  text\n- ### B"),
        ("1. A\n   b\n   ---\n", "1. ### A b\n"),
        ("# A\n## B\n### C\n#### D\n##### E", "### A\n#### B\n##### C\n###### D\n###### E"),
        ("```\n# A\n```\n# B", "```\n# A\n```\n### B"),
        ("<!--\n# A\n-->\n# B", "<!--\n# A\n-->\n### B"),
        ("<h1>A</h1>\n\n# B", "<h1>A</h1>\n\n### B"),
        ("    # A", "    # A"),
        ("---\ntitle: x\n---\n# A", "---\ntitle: x\n---\n### A"),
        ("# שלום 🚀", "### שלום 🚀"),
        ("", ""),
    ],
)
def test_headings_move_below_a_heading_of_level_two(markdown: str, expected: str) -> None:
    assert shifted(markdown, 2) == expected


@pytest.mark.parametrize("level", [0, 7])
def test_a_level_that_no_heading_has_is_refused(level: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 6"):
        shifted("# A", level)


@pytest.mark.parametrize(
    ("markdown", "end", "name"),
    [
        ("text\n\n```py\nx", "```", "code fence"),
        ("~~~~\n```", "~~~~", "code fence"),
        ("   ````\nx\n```\n", "````", "code fence"),
        ("<pre>\nx", "</pre>", "<pre> element"),
        ("<Script>\nx", "</script>", "<script> element"),
        ("<details>\n<summary>x</summary>\n\ntext", "</details>", "<details> element"),
        ("<div>\n\n<table>\n\ntext </div>\n\n<div>", "</div>", "<div> element"),
    ],
)
def test_what_is_left_open_is_closed_at_the_end(markdown: str, end: str, name: str) -> None:
    text, left_open = closed(markdown)
    assert text == f"{markdown.rstrip()}\n{end}\n"
    assert left_open == (name,)


@pytest.mark.parametrize(
    ("markdown", "text", "name"),
    [
        ("a\n\n<!-- b\n# c\n", "a\n\n<!-- b\n-->\n# c\n", "HTML comment"),
        ("<?php\nx", "<?php\n?>\nx", "processing instruction"),
        ("<![CDATA[\nx", "<![CDATA[\n]]>\nx", "CDATA section"),
        ("<!X\nx", "<!X\n>\nx", "HTML declaration"),
    ],
)
def test_what_would_hide_the_rest_is_ended_after_its_first_line(markdown: str, text: str, name: str) -> None:
    assert closed(markdown) == (text, (name,))


@pytest.mark.parametrize(
    "markdown",
    [
        *(
            "",
            "```\nx\n```",
            "~~~\nx\n~~~~  ",
            "- ```\n  in a list ends with it",
            "> <!-- in a quote",
            "text <!-- inline",
        ),
        *(
            "<!-- a -->",
            "<!--\n\na\n--> b",
            "<div>\n\n</div>",
            "<details>\n\ntext </details>",
            "<br>",
            "`<div>`",
            "    <div>",
        ),
        *("<!-- <div> -->", "<pre>\n<div>\n</pre>"),
    ],
)
def test_a_text_that_leaves_nothing_open_stays_as_it_is(markdown: str) -> None:
    assert closed(markdown) == (markdown, ())


@given(DOCUMENT)
@settings(max_examples=800)
def test_after_a_closed_text_a_heading_is_a_heading(markdown: str) -> None:
    text, _ = closed(markdown)
    assert outline(f"{text}\n\n# after")[-1] == (1, "after")


@given(DOCUMENT)
@settings(max_examples=500)
def test_closing_takes_no_line_away_and_is_done_once(markdown: str) -> None:
    text, left_open = closed(markdown)
    assert closed(text) == (text, ())
    lines = iter(text.split("\n"))
    assert all(line in lines for line in markdown.rstrip("\n").split("\n"))
    assert left_open or text == markdown


def test_many_endless_comments_are_ended_without_a_look_for_each() -> None:
    text, left_open = closed("<!-- x\n" * 2_000)
    assert left_open == ("HTML comment",)
    assert closed(text) == (text, ())


@given(DOCUMENT | ANY)
@settings(max_examples=500)
def test_a_fitted_text_leaves_the_document_around_it_as_it_is(markdown: str) -> None:
    fit = fitted(markdown, 2)
    around = outline(f"# before\n\n{fit.text}\n\n## after")
    assert around[0] == (1, "before")
    assert around[-1] == (2, "after")
    assert all(level > 2 for level, _ in around[1:-1])
    assert len(around) - 2 == len(fit.titles)


def test_front_matter_inside_a_document_is_shown_as_code() -> None:
    assert fitted("---\ntitle: x\n---\n# A\n", 1).text == "```yaml\ntitle: x\n```\n\n## A"


def test_a_heading_line_shows_number_signs_at_its_end() -> None:
    for text in ("C #", "C ##", "#", "C#"):
        assert [plain_title(title) for _, title in outline(heading_line(2, text))] == [text]


@pytest.mark.parametrize(
    ("title", "anchor"),
    [
        ("Agent-01 Output: T-01 Style review", "agent-01-output-t-01-style-review"),
        ("  Spaces  inside ", "spaces--inside"),
        ("What's `new`?", "whats-new"),
        ("Grüße aus Łódź", "grüße-aus-łódź"),
        ("日本語 見出し", "日本語-見出し"),
        ("snake_case & more", "snake_case--more"),
        ("🚀", ""),
        ("T-01.2", "t-012"),
    ],
)
def test_anchors_are_those_of_github(title: str, anchor: str) -> None:
    assert anchors([title]) == [anchor]


@given(st.lists(st.sampled_from(["a", "A", "a 1", "a-1", "a-1-1", "b", "!"]), max_size=12))
def test_anchors_are_unique(titles: list[str]) -> None:
    made = anchors(titles)
    assert len(set(made)) == len(titles)


def test_repeated_titles_are_numbered_in_their_order() -> None:
    assert anchors(["a", "a", "a-1", "a"]) == ["a", "a-1", "a-1-1", "a-2"]


@given(st.lists(ANY.filter(lambda text: text.strip() != ""), min_size=1, max_size=4))
def test_a_title_in_the_contents_is_one_link_and_shows_as_it_is(titles: list[str]) -> None:
    made = contents(titles, range(len(titles)))
    html = MarkdownIt("commonmark").render(made)
    assert html.count("<li>") == html.count("<a href=") == len(titles)
    assert "<em>" not in html
    assert "<img" not in html


def test_contents_link_the_headings_of_the_whole_document() -> None:
    titles = ["Report", "Part", "Part", "x [y] (z) `w` *v*"]
    assert contents(titles, [2, 3]) == "- [Part](#part-1)\n- [x \\[y\\] (z) \\`w\\` \\*v\\*](#x-y-z-w-v)"


def test_a_shifted_review_reads_well(snapshot: SnapshotAssertion) -> None:
    review = """\
Review of the payment service
=============================

Read in full, twice.

## Findings ##

| file | finding |
|------|---------|
| a.py | `# no heading` |

> # A quoted heading
> with its text

- a list

  ### with a heading in it

```sh
# a comment, no heading
```

<details>
<summary># no heading either</summary>

###### Far too deep

</details>

Conclusion
----------
The end.
"""
    assert shifted(review, 2) == snapshot(extension_class=MarkdownFile)


@pytest.mark.parametrize(
    "text",
    [
        "# Heading\n\nA paragraph of some words.\n\n- an item\n- another\n\n" * 40_000,
        "# One\n" + "a line of a long paragraph\n" * 110_000,
        "# One\n\n```\n" + '  "key": "# value",\n' * 150_000 + "```\n",
        "x" * 3_000_000,
        "# One\n" + "- an item of a list\n" * 150_000,
    ],
    ids=["sections", "paragraph", "code", "one line", "list"],
)
def test_three_megabytes_are_fitted_in_less_than_two_seconds(text: str) -> None:
    begin = time.process_time()
    fitted(text, 2)
    assert time.process_time() - begin < 2


def test_only_pieces_with_something_uncertain_are_parsed() -> None:
    parsed = blocks("# a\n\ntext\n\n- item\n\n```\n# x\n```\n\ntitle\n---\n\n> # b\n")
    assert [bool(piece.tokens) for piece in parsed.pieces] == [False, False, True]
