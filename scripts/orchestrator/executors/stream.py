"""What the output of ``claude`` says: session, answers, usage, tools, retries and limits, read as the file grows.

The log of an attempt is stream-json, one event a line; one object (``--output-format json``) and an array of events
(``json --verbose``) are read as well. Nothing in a log is trusted to be whole: a worker may be killed in the middle
of a line, and old versions wrote one event into another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.dataclasses import dataclass, field, replace
from orchestrator.executors.claude_events import (
    ApiRetry,
    RateLimit,
    Result,
    ToolUse,
    Usage,
    list_of,
    object_of,
    parsed,
    parsed_head,
    rate_limit_of,
    result_of,
    retry_of,
    text_of,
    tool_use_of,
    usage_of,
)
from orchestrator.executors.writes import writes_within
from orchestrator.model import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orchestrator.executors.outcome import Refusal

SYNTHETIC = "<synthetic>"
"""The model of messages that the CLI writes itself, for example for an API error."""

BYTES_PER_TOKEN = 4
"""Rough length of an output token. Until its result a stream gives only the first count of each answer."""

_REFUSED = "Permission to use"
_INJECTED = '{"type":"rate_limit_event"'


@dataclass
class StreamReading:
    """A log read so far: ``feed`` it as the file grows, ``close`` it when the worker has ended.

    ``folder`` is the worker's directory; ``text`` the last answer, with the messages that it goes on in; ``error`` the
    CLI's class of an API error, with its ``error_text``; ``is_retrying`` says that nothing came after the last
    announced retry; ``garbled`` counts lines that are no event; ``is_torn``: the last line was cut; ``was_replaced``:
    there were bytes that are not UTF-8.
    """

    session_id: str | None = None
    folder: str = ""
    model: str = ""
    results: list[Result] = field(default_factory=list)
    tool_uses: dict[str, ToolUse] = field(default_factory=dict)
    api_retries: list[ApiRetry] = field(default_factory=list)
    is_retrying: bool = False
    rate_limit: RateLimit | None = None
    text: str = ""
    error: str = ""
    error_text: str = ""
    garbled: int = 0
    is_torn: bool = False
    was_replaced: bool = False
    _open: list[bytes] = field(default_factory=list, repr=False)
    _fragment: str = field(default="", repr=False)
    _answers: dict[str, tuple[str, Usage]] = field(default_factory=dict, repr=False)
    _top_answers: set[str] = field(default_factory=set, repr=False)
    _text_answer: str = field(default="", repr=False)
    _has_turned: bool = field(default=True, repr=False)

    def feed(self, data: bytes) -> None:
        """Read the next bytes of the log."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._read_line(b"".join([*self._open, line]))
            self._open = []
        if rest:
            self._open.append(rest)

    def close(self) -> None:
        """Read what follows the last newline; it counts when it is whole."""
        rest, self._open = b"".join(self._open), []
        garbled = self.garbled
        self._read_line(rest)
        self.is_torn = self.is_torn or self.garbled > garbled
        self.garbled = garbled

    # -- answers ---------------------------------------------------------------------------------

    @property
    def result(self) -> Result | None:
        """The last result object."""
        return self.results[-1] if self.results else None

    @property
    def answer(self) -> str:
        """The text of the result, whole: the object has only the last message of an answer that went on in several."""
        last = self.results[-1].text if self.results else ""
        return self.text if last and self.text.endswith(last) else last

    @property
    def turns(self) -> int:
        """How many answers of the model, subagents aside, are in the log."""
        return len(self._top_answers)

    @property
    def usage_by_model(self) -> dict[str, Usage]:
        """At least the tokens of each model, as the messages tell them; to price an attempt that has no result."""
        sums: dict[str, Usage] = {}
        for model, usage in self._answers.values():
            sums[model] = sums.get(model, Usage()) + usage
        return sums

    @property
    def usage(self) -> Usage:
        """The tokens of the whole attempt: from the result, else at least those that the messages tell."""
        if self.result and self.result.usage.total:
            return self.result.usage
        return sum(self.usage_by_model.values(), Usage())

    @property
    def cost_usd(self) -> float | None:
        """US dollars, from the result; None where it is not known: no result, or one that counts no token of ours."""
        result = self.result
        if result is None or (not result.usage.total and self._answers):
            return None
        return result.cost_usd

    @property
    def denials(self) -> tuple[ToolUse, ...]:
        """The uses of tools for which permission was refused."""
        return self.result.denials if self.result else ()

    def forbidden_writes(self, directories: Sequence[str]) -> list[str]:
        """The writes into ``directories`` that were not refused, each as ``Tool: path``, as far as the log shows them.

        Directories are paths from the root or from the worker's directory.
        """
        refused = {denial.id for denial in self.denials}
        uses = (use for use in self.tool_uses.values() if use.id not in refused)
        return writes_within(uses, self.folder, directories)

    # -- reading ---------------------------------------------------------------------------------

    def _read_line(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").strip().removeprefix("\ufeff")
        if not text:
            return
        value = parsed(self._fragment + text) if self._fragment else None
        self._fragment = ""
        value = parsed(text) if value is None else value
        if value is None and (start := text.find(_INJECTED, 1)) > 0:
            # Seen up to 2.1.74: an event about limits in the middle of another event, whose rest is the next line.
            value = parsed_head(text[start:])
            self._fragment = text[:start]
        if value is None:
            self.garbled += 1
            return
        self.was_replaced = self.was_replaced or ("\ufffd" in text and not _is_utf8(line))
        for event in value if isinstance(value, list) else [value]:
            if isinstance(event, dict):
                self._read_event(event)
            else:
                self.garbled += 1

    def _read_event(self, event: Mapping[str, Json]) -> None:
        self.session_id = text_of(event.get("session_id")) or self.session_id
        match event.get("type"):
            case "system" if event.get("subtype") == "init":
                self.folder = text_of(event.get("cwd")) or self.folder
                self.model = text_of(event.get("model")) or self.model
            case "system" if event.get("subtype") == "api_retry":
                self.api_retries.append(retry_of(event))
                self.is_retrying = self._has_turned = True
            case "assistant":
                self._read_answer(event)
            case "user":
                self._has_turned = True
                self._read_tool_results(object_of(event.get("message")))
            case "rate_limit_event":
                self.rate_limit = rate_limit_of(event)
            case "result":
                self.results.append(result_of(event))

    def _read_answer(self, event: Mapping[str, Json]) -> None:
        """One event of an answer; an answer of several blocks comes as several events with one id."""
        self.is_retrying = False
        message = object_of(event.get("message"))
        blocks = [object_of(block) for block in list_of(message.get("content"))]
        said = "".join(text_of(block.get("text")) for block in blocks if block.get("type") == "text")
        if event.get("error"):
            self.error, self.error_text = text_of(event.get("error")), said
        answer, model = text_of(message.get("id")), text_of(message.get("model"))
        if model == SYNTHETIC:
            return
        uses = [tool_use_of(block) for block in blocks if block.get("type") == "tool_use"]
        self.tool_uses.update({use.id: use for use in uses})
        told = usage_of(object_of(message.get("usage")))
        known = self._answers[answer][1].output_tokens if answer in self._answers else 0
        length = sum(
            len(str(block.get("text") or block.get("thinking") or block.get("input") or "")) for block in blocks
        )
        told = replace(told, output_tokens=max(told.output_tokens, known + length // BYTES_PER_TOKEN))
        self._answers[answer] = (model, told)
        if event.get("parent_tool_use_id"):
            return
        self._top_answers.add(answer)
        # Measured: an answer that meets the limit of output tokens is gone on with in a new message that follows at
        # once, and the result object has only the last of them.
        goes_on = answer == self._text_answer or not self._has_turned
        self.text = self.text + said if goes_on else said
        self._text_answer, self._has_turned = answer, False

    def _read_tool_results(self, message: Mapping[str, Json]) -> None:
        for block in map(object_of, list_of(message.get("content"))):
            use = self.tool_uses.get(text_of(block.get("tool_use_id")))
            if block.get("type") == "tool_result" and use is not None:
                failed = block.get("is_error") is True
                refused = failed and str(block.get("content")).startswith(_REFUSED)
                self.tool_uses[use.id] = replace(use, failed=failed, was_refused=refused)


REFUSALS = 2
"""So often in a row an answer is a refusal; the first may pass, as when another process is refreshing the login."""


def refusal_in(tail: bytes) -> Refusal | None:
    """What the API refuses the worker with, when the last whole event in ``tail``, the end of a log, says so again."""
    *_, last = b"", *(line for line in tail.split(b"\n")[:-1] if line.strip())
    if b'"api_retry"' not in last:
        return None
    from orchestrator.executors.failures import kind_by_code
    from orchestrator.executors.outcome import OutcomeKind, Refusal

    reading = read_stream(last)
    retry = reading.api_retries[-1] if reading.api_retries else None
    if retry is None or retry.attempt < REFUSALS:
        return None
    kind = kind_by_code(retry.error, retry.status)
    return Refusal(kind, retry.words) if kind in (OutcomeKind.LOGIN, OutcomeKind.BACK_OFF) else None


def read_stream(data: bytes) -> StreamReading:
    """A whole log."""
    reading = StreamReading()
    reading.feed(data)
    reading.close()
    return reading


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
