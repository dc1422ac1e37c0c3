"""What is made of the end of an attempt, on transcripts of the real CLI and on what it cannot be made to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.dataclasses import replace
from orchestrator.executors.failures import kind_by_code, kind_by_words
from orchestrator.executors.judging import judge_claude, judge_command
from orchestrator.executors.outcome import Outcome, OutcomeKind
from orchestrator.executors.stream import StreamReading, read_stream
from orchestrator.model import Json

TRANSCRIPTS = Path(__file__).parents[1] / "data" / "claude"
NOW = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
K = OutcomeKind

# transcript, exit code, kind, words of the reason
ENDS: list[tuple[str, int, OutcomeKind, str]] = [
    ("success-with-tool", 0, K.SUCCESS, ""),
    ("success-resumed", 0, K.SUCCESS, ""),
    ("success-talking-of-limits", 0, K.SUCCESS, ""),
    ("success-with-limit-warning", 0, K.SUCCESS, ""),
    ("denied", 0, K.NEEDS_ATTENTION, 'allowed_tools: ["Bash(npm test:*)", "Edit(./o.md)"]'),
    ("forbidden-write", 0, K.SUCCESS, ""),
    ("schema-kept", 0, K.SUCCESS, ""),
    ("schema-prose", 0, K.FAILURE, "prose"),
    ("schema-not-met", 1, K.FAILURE, "structured output after 5 attempts"),
    ("cut", 0, K.FAILURE, "cut"),
    ("empty", 0, K.FAILURE, "blank"),
    ("slash-command", 0, K.FAILURE, "Unknown command: /nosuch"),
    ("max-turns", 1, K.FINAL, "max_turns: Reached maximum number of turns (2)"),
    ("max-budget", 1, K.FINAL, "budget_usd: Reached maximum budget ($0.01)"),
    ("max-output-tokens", 1, K.FAILURE, "output token maximum"),
    ("refusal", 1, K.FINAL, "Usage Policy"),
    ("http-400", 1, K.FAILURE, "API Error: 400 bad thing"),
    ("prompt-too-long", 1, K.FINAL, "Prompt is too long"),
    ("credit-too-low", 1, K.MONEY, "Credit balance is too low"),
    ("http-401", 1, K.LOGIN, "Invalid API key"),
    ("http-403", 1, K.LOGIN, "Failed to authenticate"),
    ("http-404", 1, K.FINAL, "issue with the selected model"),
    ("http-413", 1, K.FINAL, "Request too large"),
    ("http-429", 1, K.BACK_OFF, "Request rejected (429)"),
    ("http-500", 1, K.BACK_OFF, "500"),
    ("http-529", 1, K.BACK_OFF, "529 Overloaded"),
    ("connection-refused", 1, K.BACK_OFF, "Unable to connect to API"),
    ("retried-529", 1, K.BACK_OFF, "Repeated 529"),
    ("not-logged-in", 1, K.LOGIN, "Please run /login"),
    ("oauth-expired", 1, K.LOGIN, "OAuth token has expired"),
    ("limit-session", 1, K.USAGE_LIMIT, "session limit"),
    ("limit-week", 1, K.USAGE_LIMIT, "weekly limit"),
    ("limit-spend", 1, K.MONEY, "monthly spend limit"),
    ("limit-of-requests", 1, K.BACK_OFF, "not your usage limit"),
    ("resume-unknown", 1, K.FAILURE, "No conversation found"),
    ("interrupted-waiting", 0, K.WORKER_LOST, "no answer"),
    ("interrupted-in-tool", 1, K.WORKER_LOST, "interrupted"),
    ("killed-in-tool", -9, K.WORKER_LOST, "signal 9"),
    ("terminated-waiting", 143, K.WORKER_LOST, "143"),
    ("retrying-401-killed", 143, K.WORKER_LOST, "143"),
]


def transcript(name: str) -> StreamReading:
    return read_stream((TRANSCRIPTS / f"{name}.jsonl").read_bytes())


def judged(
    stream: StreamReading | bytes,
    exit_code: int | None = 0,
    stderr: str = "",
    *,
    timed_out: str | None = None,
    schema_given: bool = False,
    interrupted: bool = False,
    refused: bool = False,
    now: datetime = NOW,
) -> Outcome:
    reading = read_stream(stream) if isinstance(stream, bytes) else stream
    return judge_claude(
        reading,
        exit_code,
        stderr,
        timed_out=timed_out,
        schema_given=schema_given,
        interrupted=interrupted,
        refused=refused,
        now=now,
        closed=["/project/.orchestrator"],
    )


def ending(**fields: Json) -> bytes:
    start = {"type": "system", "subtype": "init", "session_id": "s-1", "cwd": "/project"}
    end = {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "num_turns": 1,
        "result": "The answer.",
        "stop_reason": "end_turn",
        "total_cost_usd": 0.5,
        "permission_denials": [],
        **fields,
    }
    return b"".join(json.dumps(event).encode() + b"\n" for event in (start, end))


def test_every_transcript_is_judged() -> None:
    assert sorted(name for name, *_ in ENDS) == sorted(path.stem for path in TRANSCRIPTS.glob("*.jsonl"))


@pytest.mark.parametrize(("name", "exit_code", "kind", "words"), ENDS, ids=[name for name, *_ in ENDS])
def test_an_end_of_the_real_cli_is_judged(name: str, exit_code: int, kind: OutcomeKind, words: str) -> None:
    outcome = judged(transcript(name), exit_code, schema_given=name.startswith("schema"))
    assert outcome.kind is kind
    assert words in outcome.reason
    assert outcome.is_good == bool(outcome.text)
    assert bool(outcome.reason) == (kind is not K.SUCCESS)


@pytest.mark.parametrize("name", [name for name, *_ in ENDS])
@pytest.mark.parametrize("timed_out", ["timeout", "idle_timeout"])
def test_our_own_timeout_outranks_whatever_the_log_says(name: str, timed_out: str) -> None:
    outcome = judged(transcript(name), 0, timed_out=timed_out)
    assert outcome.kind is (K.LOGIN if name == "retrying-401-killed" else K.FAILURE)
    assert outcome.reason.startswith(timed_out.replace("_", " "))
    assert outcome.text == ""


def test_a_timeout_while_the_cli_tries_again_says_after_what() -> None:
    outcome = judged(transcript("retrying-401-killed"), 143, timed_out="timeout")
    assert outcome.kind is K.LOGIN
    assert "HTTP 401 (5 of 10)" in outcome.reason


def test_a_worker_that_was_ended_because_its_login_is_refused_says_so_once_for_all() -> None:
    outcome = judged(transcript("retrying-401-killed"), 143, refused=True)
    assert (outcome.kind, outcome.is_put_back) == (K.LOGIN, True)
    assert outcome.reason == (
        "the API refuses the login (HTTP 401, authentication_failed): log in with claude, or mend the API key"
    )


@pytest.mark.parametrize("name", [name for name, *_ in ENDS])
def test_our_own_interruption_outranks_whatever_the_log_says(name: str) -> None:
    outcome = judged(transcript(name), 0, interrupted=True)
    assert outcome.kind is K.INTERRUPTED
    assert outcome.is_put_back


def test_a_good_answer_is_handed_on_with_what_it_cost() -> None:
    outcome = judged(transcript("success-with-tool"))
    assert (outcome.text, outcome.cost_usd, outcome.tokens, outcome.is_settled) == ("first", 0.0020695, 264, True)
    assert (outcome.structured, outcome.denials, outcome.forbidden) == (None, (), ())


def test_a_structured_answer_is_handed_on_as_a_value() -> None:
    outcome = judged(transcript("schema-kept"), schema_given=True)
    assert (outcome.structured, outcome.text) == ({"n": 3}, '{"n":3}')


def test_a_structure_that_is_null_is_a_structure() -> None:
    assert judged(ending(structured_output=None), schema_given=True).is_good
    assert not judged(ending(), schema_given=True).is_good


def test_a_denied_tool_is_named_with_the_rule_to_add() -> None:
    outcome = judged(transcript("denied"))
    assert [(denial.tool, denial.rules) for denial in outcome.denials] == [
        ("Bash", ("Bash(npm test:*)",)),
        ("Write", ("Edit(./o.md)",)),
    ]
    assert "Bash (npm test), Write (/project/o.md)" in outcome.reason
    assert outcome.text == "Done as far as possible."


def test_a_write_where_none_is_allowed_is_named() -> None:
    outcome = judged(transcript("forbidden-write"))
    assert outcome.forbidden == ("wrote where no worker may: Bash: .orchestrator/results/forged.md",)


@pytest.mark.parametrize(
    ("name", "resets_at"),
    [
        ("limit-session", datetime(2026, 11, 21, 4, 12, 5, tzinfo=UTC)),
        ("limit-week", datetime(2026, 11, 24, 1, 12, 5, tzinfo=UTC)),
    ],
)
def test_a_usage_limit_says_when_it_is_over(name: str, resets_at: datetime) -> None:
    assert judged(transcript(name), 1).resets_at == resets_at


def test_the_time_in_the_text_serves_where_no_event_tells_it() -> None:
    reading = transcript("limit-session")
    reading.rate_limit = None
    assert judged(reading, 1).resets_at == datetime(2026, 11, 21, 4, 12, tzinfo=UTC)


def test_a_limit_that_holds_after_its_reset_names_no_time() -> None:
    later = datetime(2026, 11, 21, 4, 15, tzinfo=UTC)
    outcome = judged(transcript("limit-session"), 1, now=later)
    assert (outcome.kind, outcome.resets_at) == (K.USAGE_LIMIT, None)


@pytest.mark.parametrize("name", ["limit-spend", "limit-of-requests", "http-401", "credit-too-low", "http-529"])
def test_no_time_is_named_where_waiting_does_not_help(name: str) -> None:
    assert judged(transcript(name), 1).resets_at is None


def test_words_that_nobody_knows_are_a_usage_limit_when_the_plan_says_so() -> None:
    reading = transcript("limit-session")
    assert reading.result is not None
    reading.results = [replace(reading.result, text="No response requested.")]
    assert judged(reading, 1).kind is K.USAGE_LIMIT
    assert reading.rate_limit is not None
    reading.rate_limit = replace(reading.rate_limit, resets_at=None)
    assert judged(reading, 1).kind is K.BACK_OFF


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"result": " \n\t"}, "blank"),
        ({"result": None}, "blank"),
        ({"stop_reason": None}, "cut"),
        ({"num_turns": 0}, "not asked"),
    ],
)
def test_an_answer_that_only_calls_itself_a_success_is_none(fields: dict[str, Json], words: str) -> None:
    outcome = judged(ending(**fields))
    assert outcome.kind is K.FAILURE
    assert words in outcome.reason


def test_two_results_are_no_success() -> None:
    assert "2 results" in judged(ending() + ending()).reason


def test_a_success_needs_exit_code_zero() -> None:
    outcome = judged(ending(result="You've hit your session limit · resets 3pm"), 1)
    assert (outcome.kind, outcome.resets_at) == (K.FAILURE, None)
    assert judged(ending(), 143).kind is K.WORKER_LOST
    assert judged(ending(), -15).kind is K.WORKER_LOST


def test_an_answer_that_does_not_say_that_it_is_no_error_is_no_success_and_no_limit() -> None:
    outcome = judged(ending(is_error=None, result="You've hit your session limit · resets 3pm"))
    assert (outcome.kind, outcome.resets_at) == (K.FAILURE, None)
    assert "does not say" in outcome.reason


def test_an_answer_with_bytes_that_are_no_text_is_taken_with_a_word_about_it() -> None:
    outcome = judged(ending(result="caf#").replace(b"caf#", b"caf\xe9"))
    assert (outcome.kind, outcome.text) == (K.SUCCESS, "caf\ufffd")
    assert "UTF-8" in outcome.reason


def test_an_error_is_an_error_whatever_the_exit_code() -> None:
    assert judged(ending(is_error=True, result="Credit balance is too low"), 0).kind is K.MONEY
    assert judged(ending(subtype="error_during_execution", result=None, errors=["boom"]), 0).reason == "boom"


@given(st.text(min_size=1))
def test_a_good_answer_may_say_whatever_it_likes(words: str) -> None:
    outcome = judged(ending(result=f"The answer. {words}"))
    assert outcome.kind is K.SUCCESS
    assert outcome.text == f"The answer. {words}"


@pytest.mark.parametrize(
    ("exit_code", "stderr", "kind", "words"),
    [
        (1, "error: unknown option '--nosuch'", K.FAILURE, "unknown option"),
        (1, "Error: Session ID 0c1ac50c is already in use.", K.FAILURE, "already in use"),
        (1, "Invalid API key · Please run /login", K.LOGIN, "Invalid API key"),
        (1, "", K.FAILURE, "exit code 1"),
        (0, "", K.FAILURE, "no word"),
        (None, "", K.WORKER_LOST, "exit code"),
        (137, "", K.WORKER_LOST, "137"),
        (-11, "", K.WORKER_LOST, "signal 11"),
    ],
)
def test_an_empty_log_is_judged_by_what_else_there_is(
    exit_code: int, stderr: str, kind: OutcomeKind, words: str
) -> None:
    outcome = judged(b"", exit_code, stderr)
    assert outcome.kind is kind
    assert words in outcome.reason


def test_a_log_cut_in_its_last_line_is_a_failure_that_may_pass() -> None:
    outcome = judged(ending()[:-10], 0)
    assert outcome.kind is K.FAILURE
    assert "half an answer" in outcome.reason


def test_warnings_on_stderr_do_not_decide_where_there_is_a_result() -> None:
    noise = "MCP server x: OAuth token has expired, please run /login. Credit balance is too low."
    assert judged(ending(), 0, noise).kind is K.SUCCESS
    assert judged(transcript("http-529"), 1, noise).kind is K.BACK_OFF


def test_a_session_is_resumed_only_where_something_was_done_in_it() -> None:
    assert judged(transcript("killed-in-tool"), -9).can_resume
    assert judged(transcript("interrupted-in-tool"), 1).can_resume
    assert not judged(transcript("limit-session"), 1).can_resume, "the limit came before the first answer"
    assert not judged(transcript("success-with-tool")).can_resume
    assert not judged(transcript("resume-unknown"), 1).can_resume


def test_what_a_killed_attempt_cost_is_not_known() -> None:
    outcome = judged(transcript("killed-in-tool"), -9)
    assert not outcome.is_settled
    assert outcome.tokens > 200


def test_a_reason_is_one_line_that_a_journal_record_can_hold() -> None:
    outcome = judged(ending(is_error=True, result="a\n\tb  " * 2000), 1)
    assert "\n" not in outcome.reason
    assert outcome.reason.startswith("a b a b")
    assert len(outcome.reason) <= 800


@pytest.mark.parametrize("kind", list(OutcomeKind))
def test_an_outcome_is_good_or_put_back_or_a_failure(kind: OutcomeKind) -> None:
    outcome = Outcome(kind)
    assert [outcome.is_good, outcome.is_put_back, outcome.may_pass, kind is K.FINAL].count(True) == 1


# -- the kinds of failure, in the CLI's own words ------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("You've hit your limit · resets 10pm", K.USAGE_LIMIT),
        ("You’ve hit your session limit · resets 3:45pm (America/New_York)", K.USAGE_LIMIT),
        ("You've hit your weekly limit · resets Mon 12:00am", K.USAGE_LIMIT),
        ("You've hit your Opus limit · resets Apr 23 at 4pm", K.USAGE_LIMIT),
        ("You've reached your Fable 5 limit.", K.USAGE_LIMIT),
        ("You've hit your usage limit · contact your admin to increase it", K.USAGE_LIMIT),
        ("You've hit your org's monthly usage limit · resets Dec 1, 12am (UTC)", K.USAGE_LIMIT),
        ("You're out of usage credits · resets 5pm (UTC)", K.USAGE_LIMIT),
        ("You're out of extra usage · resets 5pm (UTC)", K.USAGE_LIMIT),
        ("5-hour limit reached ∙ resets 5am", K.USAGE_LIMIT),
        ("Claude AI usage limit reached|1763700000", K.USAGE_LIMIT),
        ("API Error: 400 You have reached your specified API usage limits. You will regain access on", K.USAGE_LIMIT),
        ("Credit balance is too low", K.MONEY),
        ("Credit balance too low · Add funds", K.MONEY),
        ("You've hit your monthly spend limit · raise it at claude.ai/settings/usage", K.MONEY),
        ("You've hit your org's monthly spend limit · ask your admin", K.MONEY),
        ("spend limit reached", K.MONEY),
        ("You've hit your team's shared budget", K.MONEY),
        ("API Error: Usage credits required for 1M context · run /usage-credits", K.MONEY),
        ("Fable 5 requires usage credits.", K.MONEY),
        ("You're out of usage credits. /model to switch models.", K.MONEY),
        ("Your org is out of usage · add funds to continue", K.MONEY),
        ("Your seat type doesn't include usage credits", K.MONEY),
        ("Your group's usage limit is set to $0 · run /usage-credits to ask your admin for a higher limit", K.MONEY),
        ("Your usage allocation has been disabled by your admin", K.MONEY),
        ("API Error: Request rejected (429) · this may be a temporary capacity issue.", K.BACK_OFF),
        ("API Error: Server is temporarily limiting requests (not your usage limit) · Too many", K.BACK_OFF),
        ("API Error: Rate limit reached", K.BACK_OFF),
        ("API Error: 529 Overloaded. This is a server-side issue", K.BACK_OFF),
        ('API Error: 529 {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', K.BACK_OFF),
        ('API Error: 429 {"type":"error","error":{"type":"rate_limit_error"}}', K.BACK_OFF),
        ("API Error: 503 Service Unavailable", K.BACK_OFF),
        ("API Error (502 bad gateway)", K.BACK_OFF),
        ("API Error: Unable to connect to API (ECONNRESET)", K.BACK_OFF),
        ("API Error: Connection to the API was lost (EPIPE).", K.BACK_OFF),
        ("API Error: Connection error.", K.BACK_OFF),
        ("Request timed out", K.BACK_OFF),
        ("Opus is experiencing high load, please use /model to switch to Sonnet", K.BACK_OFF),
        ("Connection closed mid-response", K.BACK_OFF),
        ("Authentication error · This may be a temporary network issue, please try again", K.BACK_OFF),
        ("Invalid API key · Fix external API key", K.LOGIN),
        ("Not logged in · Please run /login", K.LOGIN),
        ("OAuth token revoked · Please run /login", K.LOGIN),
        ("Failed to authenticate. API Error: 401 Invalid authentication credentials", K.LOGIN),
        ('API Error: 401 {"type":"error","error":{"type":"authentication_error"}}', K.LOGIN),
        ("Failed to authenticate: OAuth session expired and could not be refreshed", K.LOGIN),
        ("Your ANTHROPIC_API_KEY belongs to a disabled organization · Unset the environment variable", K.LOGIN),
        ("Your organization has disabled API key authentication", K.LOGIN),
        ("Your organization has disabled Claude subscription access for Claude Code", K.LOGIN),
        ("Your account does not have access to Claude. Please login again or contact your administrator.", K.LOGIN),
        ("Your account is on hold and can't use Claude Code.", K.LOGIN),
        ("This service is disabled for your org", K.LOGIN),
        ("AWS credentials expired or invalid", K.LOGIN),
        ("Could not load Google Cloud credentials", K.LOGIN),
        ("Could not resolve authentication method", K.LOGIN),
        ("Prompt is too long", K.FINAL),
        ("Request too large (max 32MB). Try with a smaller file.", K.FINAL),
        ("There's an issue with the selected model (x). It may not exist", K.FINAL),
        ("The model x is not available on your bedrock deployment.", K.FINAL),
        (
            "API Error: Claude Code is unable to respond to this request, which appears to violate our Usage Policy",
            K.FINAL,
        ),
        ("API Error: 400 bad thing", K.FAILURE),
        ("API Error: Claude's response exceeded the 64000 output token maximum.", K.FAILURE),
        ("No conversation found with session ID: x", K.FAILURE),
        ("Reached maximum number of turns (2)", K.FAILURE),
        ("", K.FAILURE),
    ],
)
def test_the_words_of_the_cli_name_the_kind(text: str, found: OutcomeKind) -> None:
    assert kind_by_words(text) is found


@pytest.mark.parametrize(
    ("category", "status", "found"),
    [
        ("authentication_failed", None, K.LOGIN),
        ("oauth_org_not_allowed", 403, K.LOGIN),
        ("billing_error", 400, K.MONEY),
        ("model_not_found", 404, K.FINAL),
        ("server_error", None, K.BACK_OFF),
        ("rate_limit", None, K.BACK_OFF),
        ("unknown", 401, K.LOGIN),
        ("", 413, K.FINAL),
        ("", 429, K.BACK_OFF),
        ("unknown", 500, K.BACK_OFF),
        ("", 529, K.BACK_OFF),
        ("invalid_request", 400, K.FAILURE),
        ("", None, K.FAILURE),
    ],
)
def test_where_the_words_are_not_known_the_code_decides(category: str, status: int | None, found: OutcomeKind) -> None:
    assert kind_by_code(category, status) is found


# -- another program ------------------------------------------------------------------------------


def test_a_command_is_good_when_it_exits_zero_and_says_something() -> None:
    outcome = judge_command(0, "Résumé 😀\n".encode())
    assert (outcome.kind, outcome.text, outcome.reason) == (K.SUCCESS, "Résumé 😀\n", "")


@pytest.mark.parametrize("output", [b"", b"\n \t\r\n", b"\xef\xbb\xbf", "\u00a0\u2003".encode()])
def test_a_command_that_says_nothing_has_failed(output: bytes) -> None:
    outcome = judge_command(0, output)
    assert outcome.kind is K.FAILURE
    assert outcome.may_pass


def test_a_command_that_exits_otherwise_has_failed_with_its_last_words() -> None:
    outcome = judge_command(3, b"half a result", b"starting\nno such model\n")
    assert (outcome.kind, outcome.reason, outcome.text) == (K.FAILURE, "exit code 3: no such model", "")
    assert judge_command(3, b"", b"").reason == "exit code 3"


def test_a_command_may_talk_of_limits() -> None:
    assert judge_command(0, b"usage limit reached|1763700000, please run /login").kind is K.SUCCESS


def test_output_that_is_not_utf8_is_taken_with_a_word_about_it() -> None:
    outcome = judge_command(0, b"caf\xe9 au lait")
    assert outcome.is_good
    assert outcome.text == "caf� au lait"
    assert "not UTF-8 (byte 3)" in outcome.reason


@pytest.mark.parametrize("exit_code", [None, -9, -15, -2, -1, -11, 129, 130, 137, 143, 0xC000013A])
def test_a_command_killed_by_a_signal_is_a_lost_worker(exit_code: int | None) -> None:
    outcome = judge_command(exit_code, b"half a result")
    assert outcome.kind is K.WORKER_LOST
    assert outcome.is_put_back
    assert outcome.text == ""


def test_our_own_end_of_a_command_outranks_what_it_wrote() -> None:
    assert judge_command(0, b"done", timed_out="timeout").reason == "timeout: it took too long"
    assert judge_command(-15, b"done", timed_out="idle_timeout").kind is K.FAILURE
    assert judge_command(-15, b"done", interrupted=True).kind is K.INTERRUPTED


@given(st.binary(), st.integers(-64, 255))
def test_a_command_is_never_good_without_exit_code_zero(output: bytes, exit_code: int) -> None:
    outcome = judge_command(exit_code, output)
    assert outcome.is_good == (exit_code == 0 and bool(outcome.text.strip()))


@given(st.binary(max_size=300), st.one_of(st.none(), st.integers(-64, 255)), st.text(max_size=50), st.booleans())
def test_no_log_makes_the_judge_fail(data: bytes, exit_code: int | None, stderr: str, schema: bool) -> None:
    outcome = judged(data, exit_code, stderr, schema_given=schema, now=NOW + timedelta(days=1))
    assert not outcome.is_good
    assert outcome.reason
