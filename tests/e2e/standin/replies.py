"""What a scripted model can answer, and the verbs with which a test says so."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from enum import Enum
from typing import TypeAlias

from orchestrator.dataclasses import dataclass, field, replace
from standin.asked import Json

# US dollars for a million output tokens of the CLI's default model, by its own table (2.1.197).
OUTPUT_PRICE_USD = 25.0


@dataclass(frozen=True)
class Usage:
    """Token counts as the API reports them; the CLI computes its costs from these."""

    input_tokens: int = 10
    output_tokens: int = 5


@dataclass(frozen=True)
class Text:
    """A text block."""

    text: str


@dataclass(frozen=True)
class ToolUse:
    """A call of one of the CLI's tools."""

    name: str
    input: Mapping[str, Json]


Block: TypeAlias = Text | ToolUse


@dataclass(frozen=True)
class Message:
    """A whole answer. `over_s` seconds pass between its first and its last piece of text."""

    blocks: tuple[Block, ...]
    stop_reason: str = "end_turn"
    usage: Usage = Usage()
    over_s: float = 0.0


@dataclass(frozen=True)
class Failure:
    """An HTTP error."""

    status: int
    kind: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


class CutPoint(Enum):
    """How much of a stream arrives before the connection closes."""

    NOTHING = "no byte of a response"
    HALF = "the first half of the text"
    TEXT = "the text, but not why the model stopped"
    STOP_REASON = "all but message_stop"


@dataclass(frozen=True)
class Cut:
    """The beginning of a message, then the end of the connection.

    `is_abrupt`: in the middle of the HTTP body, as when a server dies; else the body ends properly, only too early.
    """

    message: Message
    point: CutPoint
    is_abrupt: bool


@dataclass(frozen=True)
class Hang:
    """No byte for so many seconds, until the client goes or the stand-in closes; then the connection closes."""

    seconds: float


@dataclass(frozen=True)
class Held:
    """A reply that is kept back until the test sets `until`."""

    reply: Reply
    until: threading.Event


Reply: TypeAlias = "Message | Failure | Cut | Hang | Held"

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_WORDS = {401: "invalid x-api-key", 429: "Number of requests has exceeded your rate limit", 529: "Overloaded"}


def say(text: str, *, stop_reason: str = "end_turn", usage: Usage | None = None, over_s: float = 0.0) -> Message:
    """Answer with a text, however long; `over_s` makes the stream take so many seconds."""
    return Message((Text(text),), stop_reason, usage or Usage(), over_s)


def say_nothing() -> Message:
    """Answer without any content."""
    return Message(())


def use(tool: str, /, **arguments: Json) -> Message:
    """Call a tool of the CLI, for example `use("Bash", command="ls", description="List")`."""
    return Message((ToolUse(tool, arguments),), "tool_use")


def answer(fields: Mapping[str, Json]) -> Message:
    """Give the structured answer that `--json-schema` asks for: the CLI offers a tool of this name."""
    return Message((ToolUse("StructuredOutput", fields),), "tool_use")


def together(*messages: Message) -> Message:
    """One answer with the blocks of all: a text before a tool call, or several calls at once."""
    blocks = tuple(block for message in messages for block in message.blocks)
    calls_a_tool = any(isinstance(block, ToolUse) for block in blocks)
    return replace(messages[-1], blocks=blocks, stop_reason="tool_use" if calls_a_tool else "end_turn")


def fail(
    status: int,
    message: str = "",
    *,
    retry_after_s: int | None = None,
    is_final: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Failure:
    """Answer with an HTTP error; `is_final` tells the CLI not to try again (`x-should-retry: false`)."""
    sent = dict(headers or {})
    if retry_after_s is not None:
        sent["retry-after"] = str(retry_after_s)
    if is_final:
        sent["x-should-retry"] = "false"
    return Failure(status, _KINDS.get(status, "api_error"), message or _WORDS.get(status, f"error {status}"), sent)


def limit(resets_at_s: float, kind: str = "five_hour") -> Failure:
    """Refuse as a subscription's used-up allowance does, until `resets_at_s` (Unix time, whole seconds).

    `kind` is `five_hour`, `seven_day`, `seven_day_opus` or `seven_day_sonnet`. The CLI reads these headers when it is
    logged in with a subscription's token (fixture `subscription`); with an API key this is an ordinary 429.
    """
    unified = {"status": "rejected", "reset": f"{resets_at_s:.0f}", "representative-claim": kind}
    headers = {f"anthropic-ratelimit-unified-{name}": value for name, value in unified.items()}
    return fail(429, "This request would exceed your account's rate limit.", headers=headers)


def cut(message: Message, point: CutPoint = CutPoint.HALF, *, is_abrupt: bool = False) -> Cut:
    """Begin `message` and close the connection at `point`."""
    return Cut(message, point, is_abrupt)


def hang(seconds: float = 60.0) -> Hang:
    """Stay silent."""
    return Hang(seconds)


def held(reply: Reply, until: threading.Event) -> Held:
    """Give `reply` when the test says so: `until.set()`."""
    return Held(reply, until)


def costing(usd: float) -> Usage:
    """Tokens for which the CLI counts about `usd` dollars, provided that it runs its default model."""
    return Usage(input_tokens=0, output_tokens=round(usd * 1_000_000 / OUTPUT_PRICE_USD))
