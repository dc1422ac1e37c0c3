"""`MAIN_TASK` as text: what people write is read, and every limit is named with its count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.store.records import LoopStatus, MainTask
from orchestrator.texts.maintask import (
    LARGEST_BYTES,
    main_task_problems,
    main_task_text,
    one_sentence,
    read_main_task,
    shown_main_task,
)
from orchestrator.texts.tokens import estimated_tokens

WHOLE = MainTask(LoopStatus.CONTINUE, "Review the login.", "T-03", "Begin with the cookie.")
TEXT = "STATUS: continue\nNEXT: Review the login.\nTASK: T-03\nFOCUS: Begin with the cookie.\n"


def problems(text: str | bytes) -> list[tuple[int | None, str]]:
    reading = read_main_task(text.encode() if isinstance(text, str) else text)
    assert (reading.value is None) == bool(reading.problems)
    return [(problem.line, problem.message) for problem in reading.problems]


def test_it_is_written_and_read_as_four_lines() -> None:
    assert main_task_text(WHOLE) == TEXT
    assert read_main_task(TEXT.encode()).value == WHOLE
    short = MainTask(LoopStatus.BLOCKED, "Ask the owner.")
    assert main_task_text(short) == "STATUS: blocked\nNEXT: Ask the owner.\n"
    assert read_main_task(main_task_text(short).encode()).value == short


def test_what_is_shown_has_a_sign_for_each_line_and_can_be_read_back() -> None:
    assert shown_main_task(WHOLE) == (
        "▶️ STATUS: CONTINUE\n📋 NEXT: Review the login.\n🎯 CURRENT TASK: T-03\n💡 FOCUS: Begin with the cookie."
    )
    for status in LoopStatus:
        main = MainTask(status, "Go on.")
        assert shown_main_task(main).count("\n") == 1
        assert read_main_task(shown_main_task(main).encode()).value == main
    assert read_main_task(shown_main_task(WHOLE).encode()).value == WHOLE


def test_a_normal_state_is_shown_in_fewer_than_60_tokens() -> None:
    assert estimated_tokens(shown_main_task(WHOLE)) < 60


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("\n", "\r\n"),
        "\ufeff" + TEXT,
        TEXT.replace("\n", "\n\n"),
        TEXT.lower().replace("review", "Review").replace("t-03", "T-03").replace("begin", "Begin"),
        "  " + TEXT.replace(":", " :"),
    ],
    ids=["crlf", "bom", "blank lines", "lower case", "blanks"],
)
def test_the_habits_of_editors_are_no_problem(text: str) -> None:
    assert read_main_task(text.encode()).value == WHOLE


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("NEXT: Go.\n", [(None, "STATUS is missing")]),
        ("STATUS: continue\n", [(None, "NEXT is missing")]),
        ("", [(None, "STATUS is missing"), (None, "NEXT is missing")]),
        ("STATUS: continue\nNEXT:\n", [(2, "NEXT is empty")]),
        ("STATUS: continue\nNEXT: A.\nNEXT: B.\n", [(3, "NEXT is there twice, first in line 2")]),
        ("STATUS: continue\nNEXT: A.\nMOOD: good\n", [(3, 'there is no field "MOOD"')]),
        ("STATSU: continue\nNEXT: A.\n", [(1, 'there is no field "STATSU"'), (None, "STATUS is missing")]),
        ("STATUS: contniue\nNEXT: A.\n", [(1, 'there is no status "contniue"')]),
        ("STATUS: continue\nNEXT: A.\nand more\n", [(3, '"and more" is no field')]),
        ("STATUS: continue\nNEXT: A.\nTASK: ../x\n", [(3, 'TASK is "../x", which is no id of a task')]),
        (b"STATUS: continue\nNEXT: \xff\n", [(2, "it is not UTF-8")]),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str | bytes, found: list[tuple[int | None, str]]) -> None:
    assert problems(text) == found


def test_a_misspelt_name_or_status_is_told_what_was_probably_meant() -> None:
    (field, _) = read_main_task(b"STATSU: continue\nNEXT: A.\n").problems
    (status,) = read_main_task(b"STATUS: contniue\nNEXT: A.\n").problems
    assert (field.advice, status.advice) == ("write STATUS", "write continue")


def test_five_megabytes_are_refused() -> None:
    ((line, message),) = problems("STATUS: continue\nNEXT: " + "x" * 5_000_000)
    assert (line, message) == (None, f"it has more than {LARGEST_BYTES:,} bytes, which is all that is read")


def words(count: int) -> str:
    return " ".join(["so"] * count)


@pytest.mark.parametrize("field", ["NEXT", "FOCUS"])
def test_15_words_are_allowed_and_16_are_refused_with_the_count(field: str) -> None:
    def text(count: int) -> str:
        return f"STATUS: continue\nNEXT: {words(count) if field == 'NEXT' else 'Go.'}\n" + (
            f"FOCUS: {words(count)}\n" if field == "FOCUS" else ""
        )

    assert problems(text(15)) == []
    line = 2 if field == "NEXT" else 3
    assert problems(text(16)) == [(line, f"{field} has 16 words, at most 15 are allowed")]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Review it. Then merge.", 2),
        ("Review it! then merge", 2),
        ("Why? Because. So.", 3),
        ("見る。書く。", 2),
        ("Stop (here.) Then go.", 2),
    ],
)
def test_two_sentences_are_refused_with_the_count(text: str, count: int) -> None:
    (problem,) = main_task_problems(MainTask(LoopStatus.CONTINUE, text))
    assert problem.message == f"NEXT has {count} sentences, expected one"


@pytest.mark.parametrize(
    "text",
    ["Review v1.2 of api.py.", "Compare caches, e.g. the old one.", "Ask J. Smith about T-01.1.", "Go on…", "見る。"],
)
def test_a_dot_inside_a_sentence_does_not_end_it(text: str) -> None:
    assert main_task_problems(MainTask(LoopStatus.CONTINUE, text)) == []


def test_100_tokens_are_refused_with_the_count_and_how_they_are_counted() -> None:
    letters = 4 * 99 - len("STATUS: continue\nNEXT: \n")
    assert main_task_problems(MainTask(LoopStatus.CONTINUE, "x" * letters)) == []
    (problem,) = main_task_problems(MainTask(LoopStatus.CONTINUE, "x" * (letters + 1)))
    assert problem.message == "the whole takes about 100 tokens (a quarter of its characters), expected under 100"


@pytest.mark.parametrize("text", ["a\nTASK: T-99", "a\x00b", "a\u2028b", " "])
def test_a_sentence_cannot_bring_in_another_line(text: str) -> None:
    assert main_task_problems(MainTask(LoopStatus.CONTINUE, text)) != []


@given(st.text(min_size=1))
def test_any_text_of_a_plan_becomes_a_sentence_within_the_limits(text: str) -> None:
    sentence = f"Execute {one_sentence(text, most_words=10)}".strip()
    main = MainTask(LoopStatus.CONTINUE, sentence, "T-" + "9" * 60)
    printable = all(each.isprintable() for each in sentence)
    assert not printable or main_task_problems(main) == []


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode()))
def test_any_bytes_are_read_or_named(data: bytes) -> None:
    reading = read_main_task(data)
    assert (reading.value is None) == bool(reading.problems)
    if reading.value is not None:
        assert read_main_task(main_task_text(reading.value).encode()).value == reading.value
