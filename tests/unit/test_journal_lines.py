from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.events import Event
from orchestrator.store.journal_lines import LINE_LIMIT, fitted, sealed, unsealed

START = "0" * 16
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.text(max_size=3).map(lambda text: text * 1000),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
EVENTS = st.dictionaries(
    st.sampled_from(["reason", "steps", "summary", "lines", "note", "title"]), VALUES, max_size=6
).map(
    lambda words: {
        "timestamp": "2026-11-21T08:00:00.000Z",
        "type": "note",
        "task": "T-01",
        "hash": "sha256:" + "a" * 64,
        **words,
    }
)


@given(EVENTS)
def test_a_line_is_one_line_under_4_kb_and_reads_back(event: Event) -> None:
    line, link = sealed(event, START)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert len(line) <= LINE_LIMIT + 1
    read, chain, fault = unsealed(line[:-1], START)
    assert (read, chain, fault) == (fitted(event), link, "")


@given(EVENTS)
def test_what_counts_at_once_is_what_will_be_read(event: Event) -> None:
    assert fitted(fitted(event)) == fitted(event)


@given(EVENTS)
def test_only_words_for_people_are_cut(event: Event) -> None:
    kept = fitted(event)
    assert all(kept[name] == event[name] for name in ("timestamp", "type", "task", "hash"))


def test_long_texts_are_cut_visibly_and_short_ones_stay() -> None:
    kept = fitted({"type": "task_failed", "reason": "x" * 9000, "kind": "check"})
    assert str(kept["reason"]).endswith(" …")
    assert kept["kind"] == "check"


def test_long_lists_are_cut_visibly() -> None:
    kept = fitted({"type": "task_completed", "steps": ["a step of some length, as people write them"] * 500})
    assert kept["steps"][-1] == "…"
    assert len(kept["steps"]) > 10


def test_half_a_surrogate_does_not_stop_a_line() -> None:
    assert fitted({"type": "note", "title": "\ud800"}) == {"type": "note", "title": "?"}


@given(EVENTS, st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_line_is_found(event: Event, place: int, change: int) -> None:
    line = bytearray(sealed(event, START)[0][:-1])
    line[place % len(line)] ^= change
    _, _, fault = unsealed(bytes(line), START)
    assert fault


@given(st.lists(EVENTS, min_size=3, max_size=6), st.integers(0, 100))
def test_a_line_that_was_taken_out_is_found_at_the_one_after_it(events: list[Event], place: int) -> None:
    lines, chain = [], START
    for event in events:
        line, chain = sealed(event, chain)
        lines.append(line[:-1])
    gone = place % (len(lines) - 1)
    faults, chain = [], START
    for number, line in enumerate(lines[:gone] + lines[gone + 1 :]):
        _, chain, fault = unsealed(line, chain)
        faults += [number] * bool(fault)
    assert faults == [gone]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"", "is not JSON"),
        (b"not json", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[1, 2]", "is not an event"),
        (b'{"a": 1}', "is not an event"),
        (b'{"type": "note"}', "was not written by this program"),
        (b'{"type": "note","chain":"0123456789abcdef"}', "or the one before it was changed after it was written"),
    ],
)
def test_a_line_of_somebody_else_is_named(line: bytes, fault: str) -> None:
    assert unsealed(line, START)[2] == fault


def test_a_line_is_json_that_other_programs_can_read() -> None:
    line, link = sealed({"type": "note", "title": "שלום 🚀"}, START)
    assert json.loads(line) == {"type": "note", "title": "שלום 🚀", "chain": link}
    assert "שלום 🚀".encode() in line
