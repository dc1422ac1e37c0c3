"""Judges an attempt: what its log, its exit code and its last words say together about how it ended.

``judge_claude`` follows "Success is" and the classes of failure as they were measured; ``judge_command`` is for any
other program. Neither looks at anything but what it is given.
"""

from __future__ import annotations

from orchestrator.dataclasses import replace
from orchestrator.executors.outcome import Outcome, OutcomeKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from orchestrator.executors.claude_events import Result
    from orchestrator.executors.stream import StreamReading

_LONGEST_REASON = 800
_INTERRUPT_CODES = frozenset({129, 130, 137, 143, 0xC000013A})
"""Exit codes that stand for a signal: 128 + HUP, INT, KILL, TERM, and Ctrl-C on Windows."""


def judge_claude(
    stream: StreamReading,
    exit_code: int | None,
    stderr_text: str,
    *,
    timed_out: str | None,
    schema_given: bool,
    now: datetime,
    interrupted: bool = False,
    refused: bool = False,
    closed: Sequence[str] = (),
) -> Outcome:
    """What became of an attempt of ``claude``.

    ``stream`` is its log, closed; ``exit_code`` is minus the signal that killed it, or None when it is gone with its
    parent. ``timed_out`` is ``timeout`` or ``idle_timeout`` when we ended it for that, ``interrupted`` says that we
    ended it for another reason, ``refused`` that we ended it because its login was refused again and again; all of
    them outrank what the log says. ``now`` is aware of its zone, ``closed`` are the
    directories in which a worker writes nothing.
    """
    outcome = (
        _refused(stream)
        if refused
        else _ended_by_us(stream, timed_out, interrupted) or _ended(stream, exit_code, stderr_text, schema_given, now)
    )
    cost = stream.cost_usd
    resumes = outcome.is_put_back and stream.session_id is not None and stream.turns > 0
    return replace(
        outcome,
        reason=_one_line(outcome.reason),
        forbidden=tuple(f"wrote where no worker may: {write}" for write in stream.forbidden_writes(closed)),
        cost_usd=_least_cost_usd(stream) if cost is None else cost,
        is_settled=cost is not None,
        usage=stream.usage,
        session_id=stream.session_id,
        can_resume=resumes,
    )


def judge_command(
    exit_code: int | None,
    output: bytes,
    errors: bytes = b"",
    *,
    timed_out: str | None = None,
    interrupted: bool = False,
) -> Outcome:
    """What became of an attempt of another program: good when it exits 0 and its ``output`` is not blank.

    Output that is not UTF-8 is taken with the bytes replaced, and the reason says so.
    """
    said = errors.decode("utf-8", "replace").strip()
    last = said.splitlines()[-1] if said else ""
    if ended := _ended_by_us(None, timed_out, interrupted):
        return ended
    if lost := _killed(exit_code):
        return Outcome(OutcomeKind.WORKER_LOST, lost)
    if exit_code != 0:
        return Outcome(OutcomeKind.FAILURE, _one_line(f"exit code {exit_code}" + (f": {last}" if last else "")))
    text = output.decode("utf-8-sig", "replace")
    if not text.strip():
        return Outcome(OutcomeKind.FAILURE, "it exited with 0 and wrote nothing")
    try:
        output.decode("utf-8")
    except UnicodeDecodeError as error:
        where = f"byte {error.start:,}"
        return Outcome(OutcomeKind.SUCCESS, f"the output is not UTF-8 ({where}); what is not was replaced", text)
    return Outcome(OutcomeKind.SUCCESS, text=text)


def _least_cost_usd(stream: StreamReading) -> float:
    if not stream.usage_by_model:
        return 0.0
    from orchestrator.executors.costs import least_cost_usd

    return least_cost_usd(stream)


def _refused(stream: StreamReading) -> Outcome:
    last = stream.api_retries[-1] if stream.api_retries else None
    said = f" ({last.words})" if last else ""
    return Outcome(OutcomeKind.LOGIN, f"the API refuses the login{said}: log in with claude, or mend the API key")


def _ended_by_us(stream: StreamReading | None, timed_out: str | None, interrupted: bool) -> Outcome | None:
    """The outcome of an attempt that we ended; a login that was refused again and again is not a timeout."""
    if timed_out:
        reason = "it was silent for too long" if timed_out == "idle_timeout" else "it took too long"
        reason = f"{timed_out.replace('_', ' ')}: {reason}"
        retry = stream.api_retries[-1] if stream and stream.is_retrying else None
        if retry is None:
            return Outcome(OutcomeKind.FAILURE, reason)
        from orchestrator.executors.failures import kind_by_code

        is_login = kind_by_code(retry.error, retry.status) is OutcomeKind.LOGIN
        trouble = f"HTTP {retry.status}" if retry.status else "no answer from the API"
        reason += f", trying again after {trouble} ({retry.attempt} of {retry.max_retries})"
        return Outcome(OutcomeKind.LOGIN if is_login else OutcomeKind.FAILURE, reason)
    return Outcome(OutcomeKind.INTERRUPTED, "it was interrupted") if interrupted else None


def _ended(stream: StreamReading, exit_code: int | None, stderr: str, schema_given: bool, now: datetime) -> Outcome:
    """The outcome of an attempt that ended by itself, or by a signal that was not ours."""
    result = stream.result
    if result is None:
        return _without_result(stream, exit_code, stderr, now)
    if result.terminal_reason.startswith("aborted"):
        return Outcome(OutcomeKind.WORKER_LOST, f"something interrupted the worker ({result.terminal_reason})")
    if result.is_error or result.subtype != "success":
        return _failed(stream, result, now)
    if lost := _killed(exit_code):
        return Outcome(OutcomeKind.WORKER_LOST, lost)
    flaw = _flaw(stream, result, exit_code, schema_given)
    if flaw:
        return Outcome(OutcomeKind.FAILURE, flaw)
    if not stream.denials:
        reason = "the log is not all UTF-8; what is not was replaced" if stream.was_replaced else ""
        return Outcome(OutcomeKind.SUCCESS, reason, stream.answer, result.structured)
    from orchestrator.executors.denials import denial_of, denials_text

    denials = tuple(denial_of(use, stream.folder) for use in stream.denials)
    return Outcome(OutcomeKind.NEEDS_ATTENTION, denials_text(denials), stream.answer, result.structured, denials)


def _flaw(stream: StreamReading, result: Result, exit_code: int | None, schema_given: bool) -> str:
    """What keeps a result that calls itself a success from being one; empty when nothing does."""
    if exit_code != 0:
        return f"exit code {exit_code} in spite of a result"
    if result.is_error is None:
        return "the result does not say whether it is an error"
    if len(stream.results) != 1:
        return f"{len(stream.results)} results in place of one"
    if result.num_turns < 1:
        return f"the model was not asked: {result.text}"
    if result.stop_reason is None:
        return "the answer was cut: the stream ended before its end"
    if not result.text.strip():
        return "the answer is blank"
    if schema_given and not result.has_structured:
        return "the answer is prose and not the structure that result_schema asks for"
    return ""


def _failed(stream: StreamReading, result: Result, now: datetime) -> Outcome:
    """The outcome of a result that reports an error."""
    text = result.text or "; ".join(filter(None, result.errors)) or stream.error_text or result.subtype
    if result.subtype == "error_max_turns":
        return Outcome(OutcomeKind.FINAL, f"max_turns: {text}")
    if result.subtype == "error_max_budget_usd":
        return Outcome(OutcomeKind.FINAL, f"budget_usd: {text}")
    if result.subtype == "error_max_structured_output_retries":
        return Outcome(OutcomeKind.FAILURE, f"result_schema: {text}")
    return _classified(stream, text, result.api_error_status, now)


def _without_result(stream: StreamReading, exit_code: int | None, stderr: str, now: datetime) -> Outcome:
    """The outcome of an attempt whose log has no result object."""
    if lost := _killed(exit_code):
        return Outcome(OutcomeKind.WORKER_LOST, lost)
    if exit_code == 0:
        # Measured: an interrupt while the CLI waits for the API ends it with 0 and without a word.
        if stream.is_torn or stream.session_id is None:
            what = "half an answer" if stream.is_torn else "no word"
            return Outcome(OutcomeKind.FAILURE, f"the worker ended with 0 and {what}")
        return Outcome(OutcomeKind.WORKER_LOST, "the worker ended with 0 and no answer, as when it is interrupted")
    text = stream.error_text or stderr.strip()
    return _classified(stream, text or f"exit code {exit_code} and no word", None, now)


def _classified(stream: StreamReading, text: str, status: int | None, now: datetime) -> Outcome:
    """The outcome of a failure that the CLI reports with ``text``."""
    from orchestrator.executors.failures import kind_by_code, kind_by_words
    from orchestrator.executors.limits import instant, limit_reset

    limit = stream.rate_limit
    is_rejected = limit is not None and limit.status == "rejected" and not limit.is_overage
    # The CLI says "rejected" of a mere request limit too; only a plan's limit names its end.
    reset = instant(limit.resets_at, now.tzinfo) if limit and is_rejected and limit.resets_at else None
    kind = kind_by_words(text)
    if kind is OutcomeKind.FAILURE and reset and stream.error == "rate_limit":
        kind = OutcomeKind.USAGE_LIMIT
    if kind is OutcomeKind.FAILURE:
        kind = kind_by_code(stream.error, status)
    resets_at = (reset or limit_reset(text, now)) if kind is OutcomeKind.USAGE_LIMIT else None
    # A limit that holds after its reset has an end that is not known: going on at once would ask again and again.
    return Outcome(kind, text, resets_at=resets_at if resets_at and resets_at > now else None)


def _killed(exit_code: int | None) -> str:
    """How a signal that was not ours ended the worker; empty when none did."""
    if exit_code is None:
        return "the worker is gone, and its exit code with it"
    if exit_code < 0:
        return f"the worker was killed by signal {-exit_code}"
    return f"the worker was ended by a signal (exit code {exit_code})" if exit_code in _INTERRUPT_CODES else ""


def _one_line(text: str) -> str:
    """``text`` in one line that a journal record can hold."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 1] + "…"
