"""Answers against the schema of their task: problems in plain words, nothing fetched, nothing that hangs or raises."""

from __future__ import annotations

import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Json
from orchestrator.texts.conformity import (
    LONGEST_MESSAGE,
    MOST_PROBLEMS,
    NoStructuredValueError,
    answer_problems,
    schema_problems,
    structured_value,
)

SCHEMA: dict[str, Json] = {
    "type": "object",
    "required": ["findings"],
    "properties": {
        "findings": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["title"],
                "properties": {"severity": {"enum": ["low", "high"]}, "line": {"type": ["integer", "null"]}},
            },
        }
    },
}


def test_a_value_that_fits_has_no_problems() -> None:
    assert schema_problems({"findings": [{"title": "t", "severity": "low", "line": None}]}, SCHEMA) == []


def test_every_problem_is_named_with_its_place() -> None:
    value: Json = {"findings": [{"title": "t", "severity": "huge"}, {"line": "x"}, 3]}
    assert schema_problems(value, SCHEMA) == [
        '$.findings[0].severity: "huge" is not one of "low", "high"',
        "$.findings[1]: 'title' is a required property",
        '$.findings[1].line: "x" is not of type integer or null',
        "$.findings[2]: 3 is not of type object",
    ]


def test_values_are_shown_as_json_and_cut() -> None:
    assert schema_problems(None, {"const": True}) == ["$: null is not true"]
    (problem,) = schema_problems({"a": "x" * 5_000_000}, {"type": "array"})
    assert problem.startswith('$: {"a": "xxx')
    assert problem.endswith("… is not of type array")
    assert len(problem) < LONGEST_MESSAGE


def test_of_several_alternatives_the_nearest_is_explained() -> None:
    schema: dict[str, Json] = {
        "anyOf": [{"type": "string"}, {"type": "object", "properties": {"a": {"type": "number"}}}]
    }
    (problem,) = schema_problems({"a": "x"}, schema)
    assert problem == '$: fits none of the alternatives; nearest: $.a: "x" is not of type number'


def test_no_more_problems_are_listed_than_anyone_reads() -> None:
    problems = schema_problems(list(range(1_000)), {"items": {"type": "string"}})
    assert len(problems) == MOST_PROBLEMS + 1
    assert problems[-1] == "and more of the kind"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("something was fetched")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    "reference", ["http://127.0.0.1:9/x.json", "https://example.org/x", "file:///etc/passwd", "other.json"]
)
def test_nothing_outside_of_the_schema_is_fetched(reference: str) -> None:
    (problem,) = schema_problems({"a": 1}, {"properties": {"a": {"$ref": reference}}})
    assert problem.endswith("which is not part of it; nothing is fetched")


def test_references_inside_the_schema_and_to_the_dialects_work() -> None:
    schema: dict[str, Json] = {"$defs": {"n": {"type": "number"}}, "items": {"$ref": "#/$defs/n"}}
    assert schema_problems([1, "x"], schema) == ['$[1]: "x" is not of type number']
    assert schema_problems({"type": "string"}, {"$ref": "https://json-schema.org/draft/2020-12/schema"}) == []


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "nothing"}, "the schema itself is wrong at $.type"),
        ({"pattern": "("}, "the schema itself is wrong at $.pattern"),
        ({"$ref": "#"}, "nested too deeply"),
        ({"$ref": "#/$defs/missing"}, "not part of it"),
        (False, '$: "x" is not allowed here'),
    ],
)
def test_a_schema_that_is_wrong_is_a_problem_and_no_traceback(schema: dict[str, Json] | bool, reason: str) -> None:
    assert reason in schema_problems("x", schema)[0]


def test_a_schema_is_read_in_the_dialect_that_it_names() -> None:
    items: Json = [{"type": "string"}]
    old: dict[str, Json] = {"$schema": "http://json-schema.org/draft-07/schema#", "items": items}
    assert schema_problems([1], old) == ["$[0]: 1 is not of type string"]
    assert "wrong at $.items" in schema_problems([1], {"items": items})[0]
    assert schema_problems([1], {"$schema": "http://example.org/unknown", "items": {"type": "string"}}) != []


@pytest.mark.parametrize(
    ("items", "repeated"),
    [
        ([1, 1.0], True),
        ([1, True], False),
        ([{"a": 1, "b": 2}, {"b": 2.0, "a": 1}], True),
        ([[1], [2]], False),
        (["1", 1], False),
    ],
)
def test_items_are_the_same_when_json_says_so(items: list[Json], repeated: bool) -> None:
    assert bool(schema_problems(items, {"uniqueItems": True})) == repeated


def test_many_unique_objects_are_told_apart_quickly() -> None:
    begin = time.process_time()
    assert schema_problems([{"n": n} for n in range(30_000)], {"uniqueItems": True}) == []
    assert time.process_time() - begin < 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("\ufeff [1]\n", [1]),
        ("null", None),
        ('Here it is:\n\n```json\n{"a": "```"}\n```\nDone.', {"a": "```"}),
        ("~~~ JSON title\n[1]\n~~~", [1]),
        ("```\n[1]\n```", [1]),
        ("```py\nx\n```\n```json\n[1]\n```", [1]),
        ("````md\n```json\n[2]\n```\n````\n```json\n[1]\n```", [1]),
        ("```json\n[1]", [1]),
        ("  ```json\n  [1]\n  ```", [1]),
    ],
)
def test_the_json_of_an_answer_is_found(text: str, value: Json) -> None:
    assert structured_value(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "blank"),
        ("I am done.", "is no JSON and has no json code block"),
        ('{"a": 1', "is not JSON: Expecting"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("```json\n1\n```\n```json\n2\n```", "2 json code blocks"),
        ("```json\n{\n```", "the json code block of the answer is not JSON"),
        ("```\n1\n```\n```\n2\n```", "no json code block"),
        ("````md\n```json\n1\n```\n````", "no json code block"),
    ],
)
def test_an_answer_without_one_json_value_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(NoStructuredValueError, match=reason):
        structured_value(text)
    assert reason in answer_problems(text, SCHEMA)[0]


def test_an_answer_is_held_against_the_schema() -> None:
    assert answer_problems('```json\n{"findings": []}\n```', SCHEMA) == []
    assert answer_problems("[]", SCHEMA) == ["$: [] is not of type object"]


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(VALUE, VALUE)
def test_no_value_and_no_schema_raise(value: Json, schema: Json) -> None:
    problems = schema_problems(value, schema if isinstance(schema, dict) else {"properties": {"a": schema}})
    assert all("\n" not in problem and len(problem) <= LONGEST_MESSAGE for problem in problems)
