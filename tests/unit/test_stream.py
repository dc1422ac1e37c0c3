"""The output of `claude`, read as it grows, whole or not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.executors.claude_events import ApiRetry, Usage
from orchestrator.executors.outcome import OutcomeKind, Refusal
from orchestrator.executors.stream import StreamReading, read_stream, refusal_in
from orchestrator.model import Json

TRANSCRIPTS = Path(__file__).parents[1] / "data" / "claude"
ALL = sorted(path.stem for path in TRANSCRIPTS.glob("*.jsonl"))


def transcript(name: str) -> bytes:
    return (TRANSCRIPTS / f"{name}.jsonl").read_bytes()


def log(*events: Mapping[str, Json]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def init(cwd: str = "/project") -> dict[str, Json]:
    return {"type": "system", "subtype": "init", "session_id": "s-1", "cwd": cwd, "model": "m"}


def answer(
    *blocks: Json, id: str = "a-1", model: str = "m", parent: str | None = None, tokens: int = 1
) -> dict[str, Json]:
    usage: Json = {"input_tokens": 10, "output_tokens": tokens, "cache_read_input_tokens": 3}
    message: Json = {"id": id, "model": model, "content": list(blocks), "usage": usage}
    return {"type": "assistant", "message": message, "parent_tool_use_id": parent, "session_id": "s-1"}


def text(words: str) -> Json:
    return {"type": "text", "text": words}


def use(id: str, name: str, **inputs: Json) -> Json:
    return {"type": "tool_use", "id": id, "name": name, "input": inputs}


def returned(id: str, content: Json = "", is_error: bool = False) -> dict[str, Json]:
    block: Json = {"type": "tool_result", "tool_use_id": id, "content": content, "is_error": is_error}
    return {"type": "user", "message": {"content": [block]}}


def result(words: str = "Done.", **more: Json) -> dict[str, Json]:
    return {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "num_turns": 1,
        "result": words,
        "stop_reason": "end_turn",
        "total_cost_usd": 0.5,
        "permission_denials": [],
        **more,
    }


def test_there_are_transcripts() -> None:
    assert len(ALL) > 30


def test_a_whole_log_tells_session_answer_usage_and_cost() -> None:
    reading = read_stream(transcript("success-with-tool"))
    assert reading.session_id == "0c1ac50c-873b-4d0e-bc05-4c05e71a1f1e"
    assert (reading.folder, reading.model) == ("/project", "claude-opus-4-8[1m]")
    assert (reading.text, reading.turns) == ("first", 2)
    assert reading.usage == Usage(200, 40, 14, 10)
    assert reading.usage.total == 264
    assert reading.cost_usd == 0.0020695
    assert [use.name for use in reading.tool_uses.values()] == ["Bash"]
    assert (reading.garbled, reading.is_torn, reading.was_replaced) == (0, False, False)
    assert reading.result is not None
    assert (reading.result.text, reading.result.num_turns, reading.result.stop_reason) == ("first", 2, "end_turn")


@pytest.mark.parametrize("name", ALL)
def test_every_transcript_is_read_without_garbage(name: str) -> None:
    reading = read_stream(transcript(name))
    assert reading.garbled == 0
    assert not reading.is_torn
    assert reading.session_id


@pytest.mark.parametrize("name", ["success-with-tool", "denied", "retried-529", "limit-session"])
@given(cuts=st.lists(st.integers(min_value=0, max_value=10_000), max_size=8))
def test_it_does_not_matter_in_which_pieces_a_log_arrives(name: str, cuts: list[int]) -> None:
    data = transcript(name)
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    reading = StreamReading()
    for start, end in zip([0, *ends], ends, strict=False):
        reading.feed(data[start:end])
    reading.close()
    assert reading == read_stream(data)


@pytest.mark.parametrize("name", ["success-with-tool", "denied", "schema-not-met"])
@given(end=st.integers(min_value=0, max_value=10_000))
def test_a_log_that_stops_anywhere_is_read_up_to_there(name: str, end: int) -> None:
    data = transcript(name)[:end]
    reading = read_stream(data)
    lines = data.split(b"\n")
    assert reading.garbled == 0
    if reading.is_torn:
        assert reading == _torn(read_stream(b"\n".join(lines[:-1])))


def _torn(reading: StreamReading) -> StreamReading:
    reading.is_torn = True
    return reading


def test_a_last_line_without_a_newline_counts_when_it_is_whole() -> None:
    assert read_stream(log(init(), result())[:-1]).result is not None
    torn = read_stream(log(init(), result())[:-2])
    assert torn.result is None
    assert torn.is_torn


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_garbage_between_events_is_counted_and_passed_over(garbage: list[bytes]) -> None:
    events = [init(), answer(text("hi")), result("hi")]
    data = b"".join(junk.replace(b"\n", b"") + b"\n" + log(event) for junk, event in zip(garbage, events, strict=False))
    reading = read_stream(data + log(*events))
    assert reading.result is not None
    assert (reading.result.text, reading.session_id) == ("hi", "s-1")


@given(st.binary())
def test_no_bytes_fail(data: bytes) -> None:
    reading = read_stream(data)
    assert reading.usage.total >= 0
    assert reading.forbidden_writes([".orchestrator"]) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [
        *(
            "session_id",
            "subtype",
            "message",
            "content",
            "usage",
            "rate_limit_info",
            "modelUsage",
            "permission_denials",
        ),
        *(
            "result",
            "errors",
            "num_turns",
            "total_cost_usd",
            "attempt",
            "error_status",
            "is_error",
            "stop_reason",
            "error",
        ),
    ]
)


@given(
    kind=st.sampled_from(["system", "assistant", "user", "result", "rate_limit_event", "else"]),
    fields=st.dictionaries(KEYS, JSON),
    subtype=st.sampled_from(["init", "api_retry", "success"]),
)
def test_no_event_of_the_wrong_shape_fails(kind: str, fields: dict[str, Json], subtype: str) -> None:
    reading = read_stream(log({"subtype": subtype, **fields, "type": kind}))
    assert reading.usage.total is not None
    reading.forbidden_writes(["/x"])


def test_numbers_that_mean_nothing_are_none() -> None:
    data = b'{"type":"result","num_turns":1e999,"total_cost_usd":NaN,"usage":{"input_tokens":-Infinity}}\n'
    read = read_stream(data + b'{"type":"result","num_turns":' + b"9" * 3000 + b"}\n")
    assert [(r.num_turns, r.cost_usd, r.api_error_status, r.usage.total) for r in read.results] == [
        (0, None, None, 0)
    ] * 2


def test_json_too_deep_to_read_is_garbage() -> None:
    assert read_stream(b"[" * 200_000 + b"\n").garbled == 1


def test_a_result_of_three_megabytes_arrives_whole() -> None:
    words = "é€😀x" * 300_000
    data = json.dumps(result(words), ensure_ascii=False).encode() + b"\n"
    reading = StreamReading()
    for start in range(0, len(data), 65_536):
        reading.feed(data[start : start + 65_536])
    reading.close()
    assert reading.result is not None
    assert reading.result.text == words
    assert not reading.was_replaced


def test_bytes_that_are_not_utf8_are_replaced_and_told() -> None:
    data = json.dumps(result("caf§"), ensure_ascii=False).encode().replace("§".encode(), b"\xe9") + b"\n"
    reading = read_stream(data)
    assert reading.result is not None
    assert reading.result.text == "caf�"
    assert reading.was_replaced
    assert not read_stream(json.dumps(result("caf�"), ensure_ascii=False).encode()).was_replaced


def test_a_byte_order_mark_and_windows_line_ends_are_no_harm() -> None:
    reading = read_stream(b"\xef\xbb\xbf" + log(init(), result()).replace(b"\n", b"\r\n"))
    assert (reading.garbled, reading.session_id, len(reading.results)) == (0, "s-1", 1)


def test_one_object_and_an_array_are_read_like_lines() -> None:
    events = [init(), answer(text("hi")), result("hi", session_id="s-1")]
    array = read_stream(json.dumps(events).encode())
    single = read_stream(json.dumps(events[-1]).encode())
    assert array == read_stream(log(*events))
    assert (single.result, single.session_id) == (array.result, "s-1")
    assert read_stream(b"[1, 2]").garbled == 0  # the last line of a log that was cut, not garbage within it
    assert read_stream(b"[1, 2]\n").garbled == 2


def test_an_event_written_into_another_ones_line_loses_neither() -> None:
    event = b'{"type":"rate_limit_event","rate_limit_info":{"status":"allowed","resetsAt":1795234325}}'
    whole = log(result("a long answer")).rstrip(b"\n")
    broken = whole[:60] + event + b"\n" + whole[60:] + b"\n"
    reading = read_stream(log(init()) + broken)
    assert reading.result is not None
    assert reading.result.text == "a long answer"
    assert reading.rate_limit is not None
    assert reading.garbled == 0


def test_what_follows_a_broken_line_is_read_for_itself_when_it_is_whole() -> None:
    event = b'{"type":"rate_limit_event","rate_limit_info":{"status":"allowed"}}'
    reading = read_stream(b'{"type":"assistant","message":{' + event + b"\n" + log(result("later")))
    assert reading.rate_limit is not None
    assert reading.result is not None
    assert reading.result.text == "later"


def test_retries_of_the_cli_are_told_until_an_answer_comes() -> None:
    killed = read_stream(transcript("retrying-401-killed"))
    assert killed.is_retrying
    assert killed.api_retries[0] == ApiRetry(1, 10, 401, "authentication_failed")
    assert len(killed.api_retries) == 5
    ended = read_stream(transcript("retried-529"))
    assert not ended.is_retrying
    assert [retry.status for retry in ended.api_retries] == [529, 529]


def test_the_last_word_on_limits_is_kept() -> None:
    limit = read_stream(transcript("limit-session")).rate_limit
    assert limit is not None
    assert (limit.status, limit.resets_at, limit.kind, limit.is_overage) == ("rejected", 1795234325, "five_hour", False)
    warning = read_stream(transcript("success-with-limit-warning")).rate_limit
    assert warning is not None
    assert warning.status == "allowed_warning"


def test_an_error_of_the_api_is_told_with_its_class() -> None:
    reading = read_stream(transcript("http-401"))
    assert (reading.error, reading.error_text) == ("authentication_failed", "Invalid API key · Fix external API key")
    assert reading.turns == 0, "a message of the CLI itself is no answer of the model"


def test_an_attempt_without_a_result_counts_what_its_messages_tell() -> None:
    reading = read_stream(log(init(), answer(text("x" * 400), id="a"), answer(text("y"), id="b", model="n", tokens=50)))
    assert reading.usage_by_model == {"m": Usage(10, 100, 3, 0), "n": Usage(10, 50, 3, 0)}
    assert reading.usage == Usage(20, 150, 6, 0)
    assert reading.cost_usd is None


def test_an_answer_of_several_events_is_counted_once() -> None:
    reading = read_stream(
        log(init(), answer(text("one ")), answer(use("t", "Read", file_path="a")), answer(text("two")))
    )
    assert reading.turns == 1
    assert reading.usage.input_tokens == 10
    assert reading.text == "one two"


def test_an_answer_that_goes_on_in_another_message_is_whole() -> None:
    reading = read_stream(
        log(init(), answer(text("first, "), id="a"), answer(text("second"), id="b"), result("second"))
    )
    assert reading.answer == "first, second"


def test_what_was_said_before_a_tool_or_a_failed_request_is_no_part_of_the_answer() -> None:
    tool = answer(text("I look. "), use("t", "Read", file_path="a"), id="a")
    done = {"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}}
    again = {"type": "system", "subtype": "api_retry", "attempt": 1, "max_retries": 3, "error_status": 529}
    for between in (done, again):
        reading = read_stream(log(init(), tool, between, answer(text("Done."), id="b"), result("Done.")))
        assert reading.answer == "Done."


def test_a_result_that_no_message_ends_with_stands_for_itself() -> None:
    reading = read_stream(log(init(), answer(text("something else")), result("the result")))
    assert reading.answer == "the result"


def test_a_result_of_nothing_does_not_hide_what_was_paid() -> None:
    reading = read_stream(transcript("cut"))
    assert reading.cost_usd is None
    assert reading.usage.input_tokens == 100


def test_subagents_count_for_usage_and_tools_but_not_for_the_answer() -> None:
    reading = read_stream(
        log(
            init(),
            answer(text("main")),
            answer(text("sub"), use("t", "Write", file_path=".orchestrator/x"), id="s", parent="p"),
        )
    )
    assert (reading.text, reading.turns) == ("main", 1)
    assert reading.usage.input_tokens == 20
    assert reading.forbidden_writes([".orchestrator"]) == ["Write: .orchestrator/x"]


def test_long_inputs_of_tools_are_not_kept() -> None:
    reading = read_stream(log(answer(use("t", "Write", file_path="a", content="x" * 1_000_000))))
    kept = reading.tool_uses["t"].input
    assert kept["file_path"] == "a"
    assert len(str(kept["content"])) < 50_000


def test_denials_are_told_with_what_was_asked_for() -> None:
    denials = read_stream(transcript("denied")).denials
    assert [(use.name, use.input.get("command") or use.input.get("file_path")) for use in denials] == [
        ("Bash", "npm test"),
        ("Write", "/project/o.md"),
    ]


def test_a_write_where_none_is_allowed_is_found_in_a_real_log() -> None:
    reading = read_stream(transcript("forbidden-write"))
    assert reading.forbidden_writes(["/project/.orchestrator"]) == ["Bash: .orchestrator/results/forged.md"]
    assert reading.forbidden_writes([".orchestrator"]) == ["Bash: .orchestrator/results/forged.md"]
    assert reading.forbidden_writes(["/project/.orchestrator/logs", "/else/.orchestrator"]) == []


def test_a_write_that_was_refused_or_failed_is_none() -> None:
    path = "/project/.orchestrator/x"
    calls = answer(use("w", "Write", file_path=path), use("b", "Bash", command=f"echo a > {path}"))
    refused = read_stream(
        log(
            init(),
            calls,
            returned("w", "File is in a directory that is denied", True),
            returned("b", "Permission to use Bash", True),
        )
    )
    assert refused.forbidden_writes([".orchestrator"]) == []
    done = read_stream(log(init(), calls, returned("w", "File created"), returned("b", "Exit code 1", True)))
    assert done.forbidden_writes([".orchestrator"]) == [f"Write: {path}", f"Bash: {path}"]
    denial: Json = {"tool_name": "Bash", "tool_use_id": "b", "tool_input": {}}
    denied = read_stream(log(init(), calls, returned("w", "no", True), result(permission_denials=[denial])))
    assert denied.forbidden_writes([".orchestrator"]) == []


def test_a_write_that_nobody_answered_counts() -> None:
    killed = read_stream(log(init(), answer(use("w", "Edit", file_path="/project/.orchestrator/events.jsonl"))))
    assert killed.forbidden_writes([".orchestrator"]) == ["Edit: /project/.orchestrator/events.jsonl"]


def retried(attempt: int, status: int | None = 401, error: str = "authentication_failed") -> bytes:
    event = {"type": "system", "subtype": "api_retry", "attempt": attempt, "max_retries": 10, "error": error}
    return json.dumps({**event, "error_status": status}).encode() + b"\n"


LOGIN, BUSY = Refusal(OutcomeKind.LOGIN, "HTTP 401, authentication_failed"), OutcomeKind.BACK_OFF


@pytest.mark.parametrize(
    ("tail", "refusal"),
    [
        (b"", None),
        (retried(1), None),
        (retried(1) + retried(2), LOGIN),
        (b'cut in the middle"}\n' + retried(2), LOGIN),
        (retried(2) + retried(3)[:-1], LOGIN),
        (retried(3)[:-1], None),
        (retried(2, 529, "overloaded"), Refusal(BUSY, "HTTP 529, overloaded")),
        (retried(2, 429, "rate_limit"), Refusal(BUSY, "HTTP 429, rate_limit")),
        (retried(1, 429, "rate_limit"), None),
        (retried(2, None, "unknown"), None),
        (retried(2) + b'{"type":"assistant","message":{}}\n', None),
        (b'{"type":"user","text":"api_retry"}\n', None),
    ],
)
def test_what_is_refused_twice_in_a_row_is_seen_in_the_last_words(tail: bytes, refusal: Refusal | None) -> None:
    assert refusal_in(tail) == refusal
