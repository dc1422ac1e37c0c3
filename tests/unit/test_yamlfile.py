"""YAML read for people who edit it: values, lines, and every problem at once."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.errors import Problem
from orchestrator.model import Json
from orchestrator.plans import yamlsource
from orchestrator.plans.yamlfile import DEEPEST, MOST_VALUES, Document, read_yaml

TEXTS = st.text(max_size=12)  # without halves of characters
JSON_VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
YAML_LIKE = st.text("ab:-[]{}&*!|>'\"#%@`,? \n\t\r0123456789~<=.\x85\u2028é", max_size=60)


def read(text: str) -> Document:
    return read_yaml(text.encode())


def only_problem(document: Document) -> Problem:
    assert len(document.problems) == 1
    return document.problems[0]


@pytest.mark.parametrize("loader", [yaml.CSafeLoader, yaml.SafeLoader])
def test_values_have_the_types_of_json(loader: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamlsource, "_LOADER", loader)
    document = read("a: [1, -2, 0, 1.5, 1e3, -0.5E-2, true, false, null, ~]\nb:\nc: text\nd: {e: []}\n")
    assert document.problems == ()
    expected = {"a": [1, -2, 0, 1.5, 1000.0, -0.005, True, False, None, None], "b": None, "c": "text", "d": {"e": []}}
    assert json.dumps(document.value) == json.dumps(expected)


@pytest.mark.parametrize(
    "word",
    [
        *("on", "off", "yes", "no", "y", "True", "NULL", ".inf", ".nan", "--", "-a"),
        *("001", "0x1f", "0o7", "1_000", "+1", ".5", "5.", "1e", "12:30", "2024-01-01", "22:00-07:00", "20m"),
    ],
)
def test_everything_else_stays_text(word: str) -> None:
    assert read(f"key: {word}\n{word}: key\n").value == {"key": word, word: "key"}


@pytest.mark.parametrize("text", ['"1"', "'true'", '"null"', "!!str 1", "! 1"])
def test_what_is_quoted_is_text(text: str) -> None:
    assert isinstance(read(f"a: {text}").value, dict)
    assert read(f"a: {text}").value == {"a": text.replace("!!str", "").strip("!'\" ")}


@given(JSON_VALUES)
def test_json_is_read_as_json_reads_it(value: Json) -> None:
    document = read(json.dumps(value))
    assert document.problems == ()
    assert json.dumps(document.value) == json.dumps(value)


def test_characters_that_json_escapes_in_two_halves_are_read() -> None:
    value: Json = {"a": ["\U0001f600\u2028 x", "\u00e9"], "\U0001f600": 1}
    assert read(json.dumps(value)).value == value


def test_each_value_has_the_line_of_its_key_or_its_beginning() -> None:
    document = read(
        "# c\ntitle: x\ntasks:\n  - id: a\n    deps:\n      - b\n      - {task: c,\n         type: d}\n  -\n    id: e\n"
    )
    lines = {
        ("title",): 2,
        ("tasks",): 3,
        ("tasks", 0): 4,
        ("tasks", 0, "deps"): 5,
        ("tasks", 0, "deps", 0): 6,
        ("tasks", 0, "deps", 1, "type"): 8,
        ("tasks", 1, "id"): 10,
    }
    assert {path: document.line(path) for path in lines} == lines


def test_the_line_of_what_is_not_there_is_the_nearest_around_it() -> None:
    document = read("a:\n  - b: 1\n")
    assert document.line(("a", 0, "z", 7)) == 2
    assert document.line(("a", 9)) == 1
    assert document.line(("z",)) is None
    assert document.written(("a", 0, "z", 7)) == ("a", 0)


def test_invisible_separators_end_no_line() -> None:
    document = read("a: 'x\u2028y\x85z\u2029'\nb: 1\nb: 2\n")
    assert document.value == {"a": "x\u2028y\x85z\u2029", "b": 1}
    assert only_problem(document).line == 3


def test_a_duplicate_key_names_both_lines() -> None:
    document = read("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\na: 4\n")
    assert [(problem.line, problem.message) for problem in document.problems] == [
        (5, '"c" stands twice, in lines 3 and 5'),
        (6, '"a" stands twice, in lines 1 and 6'),
    ]
    assert document.value == {"a": 1, "b": {"c": 1, "d": 2}}


@pytest.mark.parametrize("key", ["1", "1.5", "true", "~", "[a]", "{a: b}", "? [a]\n"])
def test_a_key_that_is_no_text_is_refused(key: str) -> None:
    problem = only_problem(read(f"x: 1\n{key}: y\n"))
    assert problem.message.startswith("a key must be text")
    assert problem.line == 2


def test_everything_that_can_be_found_is_found_at_once() -> None:
    document = read("a: 1\na: 2\n3: b\nc: !foo d\ne: *f\n<<: {g: h}\n")
    assert [problem.line for problem in document.problems] == [2, 3, 4, 5, 6]
    assert all(problem.message and problem.advice for problem in document.problems)


@pytest.mark.parametrize("tag", ["!foo", "!!python/object:os.system", "!!int", "!!binary", "!<x>"])
def test_tags_are_refused(tag: str) -> None:
    problem = only_problem(read(f"a:\n  b: {tag} x\n"))
    assert "tag" in problem.message
    assert problem.line == 2


def test_aliases_repeat_what_they_name_with_its_lines() -> None:
    document = read("a: &x\n  b: [1]\nc: *x\n")
    assert document.value == {"a": {"b": [1]}, "c": {"b": [1]}}
    assert document.line(("c",)) == 3
    assert document.line(("c", "b", 0)) == 2


def test_an_alias_inside_of_what_it_names_is_refused() -> None:
    assert "inside" in only_problem(read("a: &x [*x]\n")).message


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    names = [f"n{i}" for i in range(30)]
    text = f"{names[0]}: &{names[0]} [x]\n"
    text += "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in pairwise(names))
    document = read(text)
    assert only_problem(document).message == f"the file stands for more than {MOST_VALUES:,} values"
    assert document.value is None


def test_long_texts_repeated_by_aliases_count_as_well() -> None:
    text = f"a: &a '{'x' * 1_000_000}'\nb: [{', '.join(['*a'] * 100)}]\n"
    assert "stands for more" in only_problem(read(text)).message


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "- " * 50_000, "{a: " * 50_000, "? " * 50_000, "[" * 5_000 + "]" * 5_000]
)
def test_deep_nesting_is_refused_and_ends_nothing(text: str) -> None:
    problem = only_problem(read(text))
    assert problem.message == f"values are nested more than {DEEPEST} levels deep"
    assert problem.line == 1


def test_nesting_up_to_the_limit_is_read() -> None:
    assert read("[" * DEEPEST + "]" * DEEPEST).problems == ()


def test_a_byte_order_mark_is_passed_over() -> None:
    assert read_yaml(b"\xef\xbb\xbfa: 1\n").value == {"a": 1}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_named(encoding: str) -> None:
    assert only_problem(read_yaml("a: text\n".encode(encoding))).message == "the file is UTF-16, not UTF-8"


def test_bytes_that_are_not_utf_8_are_named_with_line_and_position() -> None:
    problem = only_problem(read_yaml("a: b\nc: é\n".encode("latin-1")))
    assert problem.message == "the file is not UTF-8: byte 0xe9 at position 8 of the file"
    assert problem.line == 2


def test_a_file_of_more_than_eight_mebibytes_is_refused_unread() -> None:
    problem = only_problem(read_yaml(b"a: " + b"x" * (10 * 2**20)))
    assert problem.message == "the file has 10.0 MiB; at most 8.0 MiB are read"


def test_control_characters_are_named_with_their_lines() -> None:
    document = read("a: x\x07\nb: y\nc: \x1b[2J\n")
    assert [(problem.line, problem.message[:28]) for problem in document.problems] == [
        (1, "the control character U+0007"),
        (3, "the control character U+001B"),
    ]


@pytest.mark.parametrize("loader", [yaml.CSafeLoader, yaml.SafeLoader])
@pytest.mark.parametrize("text", ["a:\n\t- b\n", "a:\n  - b: c\n\t d: e\n", "a: |\n\tb\n", "a:\r\n \tb: c\r\n"])
def test_tabs_in_the_indentation_are_named(text: str, loader: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamlsource, "_LOADER", loader)
    problem = only_problem(read(text))
    assert problem.message.startswith("this line is indented with a tab")
    assert problem.line == next(n for n, line in enumerate(text.split("\n"), 1) if "\t" in line)


def test_all_lines_with_tabs_are_named() -> None:
    assert "(also lines 3 and 4)" in only_problem(read("a:\n\tb: 1\n\tc: 1\n\td: 1\n")).message


def test_a_tab_that_is_text_is_kept() -> None:
    assert read("a: |\n  x\n  \ty\n").value == {"a": "x\n\ty\n"}


def test_merge_conflicts_are_named_as_such() -> None:
    document = read(
        "a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> other\nc:\n<<<<<<< HEAD\n  - 1\n=======\n>>>>>>> other\n"
    )
    assert [problem.line for problem in document.problems] == [2, 8]
    assert document.problems[0].message == "lines 2 to 6 are an unresolved merge conflict"


@pytest.mark.parametrize("text", ["a: 1\n---\nb: 2\n", "--- a\n--- b\n"])
def test_a_second_document_is_refused(text: str) -> None:
    assert "second document" in only_problem(read(text)).message


@pytest.mark.parametrize("loader", [yaml.CSafeLoader, yaml.SafeLoader])
@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: b: c\n", 1, "put a text that contains"),
        ("x: 1\na: 'b\nc: d\n", 2, "never closed"),
        ("a:\n  - *.py\n", 2, "begins with `*`"),
        ("a: @b\n", 1, 'begin with "@"'),
        ("a: `b`\n", 1, 'begin with "`"'),
        ("a: [b, c\nd: e\n", 1, "begins with `["),
        ("a: {b\n", 1, "begins with `{"),
        ("a:\n  b: 1\n c: 2\n", 3, "fits no line above"),
        ('a: "\\d"\n', 1, "backslash"),
        ('a: b\nc: "x \\ud83d"\n', 2, "half of a character"),
        ("a: b\nfoo\nc: d\n", 2, "neither `key: value`"),
        ("- a\nb: 1\n", 2, "no item of the list"),
        ("a: - b\n", 1, "a list does not begin here"),
        ("a: | b\n", 1, "must begin on the next line"),
        ("%YAML 2.0\n---\na: 1\n", 1, "version of YAML"),
    ],
)
def test_common_mistakes_are_explained(
    text: str, line: int, words: str, loader: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yamlsource, "_LOADER", loader)
    problem = only_problem(read(text))
    if loader is yaml.CSafeLoader:
        assert words in f"{problem.message} {problem.advice}"
        assert problem.line == line
    assert problem.message
    assert problem.line is not None


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 5_000])
def test_a_number_beyond_computation_is_refused(number: str) -> None:
    assert "too large" in only_problem(read(f"a: {number}\n")).message


def test_reading_stops_after_very_many_problems() -> None:
    document = read("a: 1\n" * 100_000)
    assert len(document.problems) == yamlsource.MOST_PROBLEMS + 1
    assert "reading stopped" in document.problems[-1].message


def test_nothing_is_a_document_without_a_value() -> None:
    for text in ("", "# only a comment\n", "---\n", "\n\n"):
        assert read(text) == Document(None, (), read(text).places)


@given(st.binary(max_size=80))
@example(b"\xff\xfe")
@example(b"\x00" * 8)
def test_no_bytes_make_it_raise(data: bytes) -> None:
    document = read_yaml(data)
    assert all(problem.message for problem in document.problems)


@pytest.mark.parametrize("loader", [yaml.CSafeLoader, yaml.SafeLoader])
@given(text=YAML_LIKE)
@example(text='a: "\\UFFFFFFFF"')
@example(text="a: \x85\nb: \u2028")
def test_no_text_makes_it_raise_and_every_problem_has_a_line(loader: type, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yamlsource, "_LOADER", loader)
        document = read(text)
    for problem in document.problems:
        assert problem.message.isprintable()
        assert problem.line is not None
        assert 1 <= problem.line <= len(text.splitlines()) + 1
