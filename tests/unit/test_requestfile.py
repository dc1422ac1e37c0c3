from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import clock
from orchestrator.dataclasses import replace
from orchestrator.desk.requestfile import (
    LARGEST_FILE,
    LONGEST_REQUEST,
    Request,
    RequestStatus,
    read_request,
    requests_of,
)
from orchestrator.model import Priority

MOMENT = clock.parse_utc("2026-11-21T08:00:00Z")


def reading(**fields: object) -> tuple[Request | None, list[str]]:
    found = read_request("R-1", json.dumps(fields).encode(), MOMENT)
    return found.request, [problem.text() for problem in found.problems]


def test_only_the_words_are_needed() -> None:
    request, problems = reading(request="  Fix it\r\nnow \n")
    assert problems == []
    assert request == Request("R-1", "Fix it\nnow", created_at=MOMENT)


def test_what_was_written_is_read_again() -> None:
    request = Request(
        "R-1", "Fix it ✓", RequestStatus.BLOCKED, True, Priority.P0, None, "run-1", MOMENT, "why", {"ticket": [1]}
    )
    assert read_request("R-1", request.text().encode(), 0.0).request == request


def test_priority_comes_before_age_and_age_before_the_id() -> None:
    first = Request("b", "x", priority=Priority.P0, created_at=9)
    second, third = Request("c", "x", created_at=1), Request("d", "x", created_at=1)
    assert sorted([third, second, first], key=lambda request: request.turn) == [first, second, third]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "the file is not JSON"),
        (b"{", "the file is not JSON"),
        (b"\x00\xff\xfe", "the file is not UTF-8"),
        (b"[]", "a request is an object, found an empty list"),
        (b"null", "a request is an object, found nothing"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"request": " "}', "the request is blank"),
        (b'{"request": "a\\u0000b"}', "the control character U+0000"),
        (b'{"request": 3}', "`request` must be text, found the number 3"),
        (b'{"requests": "x"}', 'there is no `request`, but "requests"'),
        (b'{"request": "x", "status": "done"}', "`status` must be one of"),
        (b'{"request": "x", "priority": "high"}', "`priority` must be one of P0, P1, P2 and P3"),
        (b'{"request": "x", "orchestration_required": "yes"}', "`orchestration_required` must be true, false or null"),
        (b'{"request": "x", "created_at": "yesterday"}', "`created_at` must be a time"),
        (b'{"request": "x", "id": "R-2"}', "is not the name of the file"),
        (b'{"request": "x", "id": "../R-1"}', "cannot name a file"),
        (b'{"request": "x", "orchestration_id": "../../etc"}', "`orchestration_id` must be a name"),
        (b'{"request": "x", "assigned_to": "a/b"}', "`assigned_to` must be a name"),
        (b"x" * (LARGEST_FILE + 1), "at most"),
    ],
)
def test_what_is_no_request_is_named(data: bytes, problem: str) -> None:
    found = read_request("R-1", data, MOMENT)
    assert found.request is None
    assert any(problem in each.text() for each in found.problems), found.problems


def test_every_problem_is_named_at_once() -> None:
    request, problems = reading(request="", status=1, priority="P9", created_at=[])
    assert request is None and len(problems) == 4


def test_a_wrong_request_is_one_problem() -> None:
    assert len(reading(request=3)[1]) == 1
    assert "the request is blank" in reading(request=None)[1][0]


def test_a_request_may_be_long_but_not_longer() -> None:
    assert reading(request="x" * LONGEST_REQUEST)[1] == []
    assert "at most 200,000 are read" in reading(request="x" * (LONGEST_REQUEST + 1))[1][0]


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    found = read_request("R-1", data, MOMENT)
    assert (found.request is None) == bool(found.problems)


def test_a_list_of_texts_and_objects_is_read_in_its_order() -> None:
    data = json.dumps(["First", {"request": "Second", "id": "R-2", "priority": "p1"}]).encode()
    requests, problems = requests_of(data, lambda text: text.lower(), MOMENT)
    assert problems == []
    assert [request.id for request in sorted(requests, key=lambda each: each.created_at)] == ["first", "R-2"]
    assert requests[1].priority is Priority.P1


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({}, "expected a list of 1 to 10,000 requests"),
        ([], "expected a list of 1 to 10,000 requests"),
        (["x", 3], "request 2: a request is an object"),
        ([{"request": "x", "id": "a"}, {"request": "y", "id": "A"}], "2 requests have the id a"),
        (["x", {"request": ""}], "request 2: the request is blank"),
    ],
)
def test_a_list_with_anything_wrong_says_where(value: object, problem: str) -> None:
    _, problems = requests_of(json.dumps(value).encode(), lambda text: text or "none", MOMENT)
    assert any(problem in each.text() for each in problems), problems


def test_a_change_keeps_what_other_programs_wrote() -> None:
    request, _ = reading(request="x", ticket=17)
    assert request is not None
    assert replace(request, status=RequestStatus.RUNNING).record()["ticket"] == 17
