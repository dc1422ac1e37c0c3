"""Text of others inside our Markdown: whatever it is, it is shown as it is and changes nothing around it.

The properties are judged by a CommonMark parser, not by the escaping's own rules.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from orchestrator.render.markdown import cell, fenced, inline, inline_code, one_line, printable, quoted, uncell

MARKUP = st.text(alphabet=st.sampled_from("a1 \t\n\r\\|`*_~[]()<>!#&;:+-=.@/x\u2028\u202e\x1b\u00e9\u05d0\U0001f680"))
ANY_TEXT = st.text() | MARKUP
# A parser replaces NUL and cannot be given half a surrogate pair; neither is Markdown's doing.
PARSEABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | MARKUP
# A page shows no control character, not even as a reference.
NOT_SHOWN = re.compile("[\0-\x08\x0b\x0e-\x1f\x7f-\x9f]")
STEERING = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def parse(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def shown(inline_token: Token) -> str:
    """The text that a reader of the rendered page sees; any markup in it is a failure."""
    parts = []
    for child in inline_token.children or []:
        if child.type == "html_inline" and child.content == "<br>":
            parts.append("\n")
        else:
            assert child.type in {"text", "text_special"}, f"{child.type} out of {inline_token.content!r}"
            parts.append(child.content)
    return "".join(parts)


@given(ANY_TEXT)
@example("\\")
@example("a\\|b")
@example("&lt;br>&#10;<br>")
@example("\ud800")
def test_a_cell_is_read_back_unchanged(text: str) -> None:
    assert uncell(cell(text)) == text


@given(ANY_TEXT)
def test_a_cell_is_read_back_from_between_its_padding(text: str) -> None:
    assert uncell(f"  {cell(text)} ") == text


@given(st.lists(PARSEABLE, min_size=1, max_size=4))
def test_every_text_stays_in_its_own_cell_of_a_table(texts: list[str]) -> None:
    columns = len(texts)
    lines = ["| x " * columns + "|", "|---" * columns + "|", "|" + "|".join(map(cell, texts)) + "|"]
    tokens = parse("\n".join(lines))
    cells = [tokens[index + 1] for index, token in enumerate(tokens) if token.type == "td_open"]
    # A parser hands no white space at the ends of a cell on, even when it was written as a reference.
    assert [shown(token).strip() for token in cells] == [NOT_SHOWN.sub("\ufffd", text).strip() for text in texts]


@given(st.lists(ANY_TEXT, min_size=1, max_size=4))
def test_a_reader_that_splits_at_unescaped_pipes_finds_every_cell(texts: list[str]) -> None:
    row = "|".join(map(cell, texts))
    assert [uncell(part) for part in re.split(r"(?<!\\)\|", row)] == texts


@given(ANY_TEXT)
def test_a_cell_is_one_printable_line(text: str) -> None:
    written = cell(text)
    assert len(written.splitlines()) <= 1
    assert not re.search("[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]", written)
    written.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Analyse the code", "Analyse the code"),
        ("read_file in C:\\temp\\new", "read_file in C:\\temp\\new"),
        ("a < b & c > d", "a < b & c > d"),
        ("3 * 4 = 12", "3 * 4 = 12"),
        ("a|b", "a\\|b"),
        ("a\nb", "a<br>b"),
        ("`x|y`", "\\`x\\|y\\`"),
        ("a\\|b", "a\\\\\\|b"),
        ("ends with \\", "ends with &#92;"),
        ("<!-- rev 9 -->", "&lt;!-- rev 9 -->"),
        (" x", "&#32;x"),
        ("\x1b[31m", "&#27;[31m"),
    ],
)
def test_a_cell_escapes_what_it_must_and_nothing_else(text: str, written: str) -> None:
    assert cell(text) == written


@pytest.mark.parametrize(
    ("typed", "read"),
    [("C:\\temp", "C:\\temp"), ("\\*.py", "*.py"), ("a<br/>b<BR>c", "a\nb\nc"), ("&#9999999;", "&#9999999;")],
)
def test_a_cell_typed_by_hand_is_read_as_markdown_would_show_it(typed: str, read: str) -> None:
    assert uncell(typed) == read


@given(PARSEABLE)
@example("# heading")
@example("1. item")
@example("- item")
@example("* * *")
@example("[x]: https://example.org")
@example("``` sh")
@example("<script>")
@example("![x](y)")
@example("====")
def test_inline_text_in_a_list_item_is_only_text(text: str) -> None:
    tokens = parse(f"- x\n- {inline(text)}\n")
    kinds = [token.type for token in tokens]
    assert kinds[:6] == [
        "bullet_list_open",
        "list_item_open",
        "paragraph_open",
        "inline",
        "paragraph_close",
        "list_item_close",
    ]
    content = [token for token in tokens if token.type == "inline"][1:]
    assert "".join(map(shown, content)) == " ".join(STEERING.sub("", " ".join(text.split())).split())
    assert kinds.count("list_item_open") == 2
    assert not {"heading_open", "fence", "blockquote_open", "html_block", "hr", "ordered_list_open"} & set(kinds)


@given(ANY_TEXT, st.integers(min_value=0, max_value=40))
def test_one_line_is_one_line_within_its_limit(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert "\n" not in line
    assert line == " ".join(line.split())


def test_one_line_keeps_what_fits_and_marks_what_was_cut() -> None:
    assert one_line("  two\n words ", 9) == "two words"
    assert one_line("three words here", 12) == "three words…"


def test_one_line_does_not_cut_between_a_letter_and_its_accent() -> None:
    assert one_line("cafe\u0301s everywhere", 5) == "caf…"
    assert one_line("ab\U0001f44d\U0001f3fdcd", 4) == "ab…"


@given(PARSEABLE)
def test_a_fence_contains_its_text_whole_and_nothing_else(text: str) -> None:
    block = fenced(text, "text")
    assert text in block
    tokens = parse(f"{block}\n\nafter\n")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    body = re.sub(r"\r\n?", "\n", text)
    assert tokens[0].content == (body if not body or body.endswith("\n") else f"{body}\n")


@given(PARSEABLE)
def test_a_code_span_is_one_span(text: str) -> None:
    line = inline_code(text)
    if not line:
        return
    (paragraph,) = (token for token in parse(f"x {line} y") if token.type == "inline")
    kinds = [child.type for child in paragraph.children or []]
    assert kinds == ["text", "code_inline", "text"]


@given(PARSEABLE)
@example("```\nopen fence")
@example("<!-- open comment")
@example("a\rb")
@example("# heading\n\ttext")
def test_a_quote_holds_its_whole_text_and_ends_with_it(text: str) -> None:
    tokens = parse(f"before\n\n{quoted(text)}\n\n# after\n")
    top = [token.type for token in tokens if token.level == 0]
    assert top == [
        "paragraph_open",
        "paragraph_close",
        "blockquote_open",
        "blockquote_close",
        "heading_open",
        "heading_close",
    ]  # fmt: skip
    assert tokens[-2].content == "after"


def test_a_quote_and_a_line_hold_nothing_that_steers_a_terminal() -> None:
    assert quoted("a\x1b[31m\u202eb\r\n\tc") == "> a[31mb\n> \tc"
    assert printable("a\x07\tb\rc\u2028") == "a\tb\nc"
