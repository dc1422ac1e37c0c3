"""What one event of ``claude``'s output says, as values; what is missing or of a wrong type is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from json import JSONDecoder, loads

from orchestrator.dataclasses import dataclass
from orchestrator.model import Json

_LONGEST_KEPT = 20_000
_LARGEST = 1e18


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that were paid for."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
        )


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One call of a tool. ``failed`` and ``was_refused`` are None while no answer came; long inputs are cut."""

    id: str
    name: str
    input: Mapping[str, Json]
    failed: bool | None = None
    was_refused: bool | None = None


@dataclass(frozen=True, slots=True)
class ApiRetry:
    """The CLI tries a request again; ``status`` is the HTTP status, None when there was no answer at all."""

    attempt: int
    max_retries: int
    status: int | None
    error: str

    @property
    def words(self) -> str:
        """The answer that made it try again, for a person."""
        return f"HTTP {self.status}, {self.error}" if self.status else self.error or "no answer"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The last word on the plan's limits: ``allowed``, ``allowed_warning`` or ``rejected``; a unix time."""

    status: str
    resets_at: float | None = None
    kind: str = ""
    is_overage: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """The object that ends a session's turn. What is absent is None or empty; ``has_structured`` tells a null apart."""

    subtype: str
    is_error: bool | None
    text: str
    api_error_status: int | None = None
    errors: tuple[str, ...] = ()
    stop_reason: str | None = None
    terminal_reason: str = ""
    num_turns: int = 0
    has_structured: bool = False
    structured: Json = None
    cost_usd: float | None = None
    usage: Usage = Usage()
    denials: tuple[ToolUse, ...] = ()


def result_of(event: Mapping[str, Json]) -> Result:
    """The result object ``event``."""
    status = number_of(event.get("api_error_status"))
    stop, is_error = event.get("stop_reason"), event.get("is_error")
    models = [object_of(model) for model in object_of(event.get("modelUsage")).values()]
    denials = [object_of(denial) for denial in list_of(event.get("permission_denials"))]
    return Result(
        subtype=text_of(event.get("subtype")),
        is_error=is_error if isinstance(is_error, bool) else None,
        text=text_of(event.get("result")),
        api_error_status=None if status is None else int(status),
        errors=tuple(text_of(error) for error in list_of(event.get("errors"))),
        stop_reason=stop if isinstance(stop, str) else None,
        terminal_reason=text_of(event.get("terminal_reason")),
        num_turns=int(number_of(event.get("num_turns")) or 0),
        has_structured="structured_output" in event,
        structured=event.get("structured_output"),
        cost_usd=number_of(event.get("total_cost_usd")),
        usage=sum(map(usage_of, models), Usage()) if models else usage_of(object_of(event.get("usage"))),
        denials=tuple(
            ToolUse(
                id=text_of(denial.get("tool_use_id")),
                name=text_of(denial.get("tool_name")),
                input=shortened(object_of(denial.get("tool_input"))),
                failed=True,
                was_refused=True,
            )
            for denial in denials
        ),
    )


def retry_of(event: Mapping[str, Json]) -> ApiRetry:
    """The announcement ``event`` of another try."""
    status = number_of(event.get("error_status"))
    return ApiRetry(
        attempt=int(number_of(event.get("attempt")) or 0),
        max_retries=int(number_of(event.get("max_retries")) or 0),
        status=None if status is None else int(status),
        error=text_of(event.get("error")),
    )


def rate_limit_of(event: Mapping[str, Json]) -> RateLimit:
    """The word ``event`` on the plan's limits."""
    info = object_of(event.get("rate_limit_info"))
    return RateLimit(
        status=text_of(info.get("status")),
        resets_at=number_of(info.get("resetsAt")),
        kind=text_of(info.get("rateLimitType")),
        is_overage=info.get("isUsingOverage") is True,
    )


def tool_use_of(block: Mapping[str, Json]) -> ToolUse:
    """The call of a tool in a block of an answer."""
    return ToolUse(text_of(block.get("id")), text_of(block.get("name")), shortened(object_of(block.get("input"))))


def usage_of(value: Mapping[str, Json]) -> Usage:
    """Tokens in either of the CLI's spellings."""

    def count(*names: str) -> int:
        return next((int(number) for name in names if (number := number_of(value.get(name))) is not None), 0)

    return Usage(
        count("input_tokens", "inputTokens"),
        count("output_tokens", "outputTokens"),
        count("cache_read_input_tokens", "cacheReadInputTokens"),
        count("cache_creation_input_tokens", "cacheCreationInputTokens"),
    )


def parsed(text: str) -> Json:
    """The JSON object or array ``text``; None when it is none."""
    if text[:1] not in ("{", "["):
        return None
    try:
        value: Json = loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def parsed_head(text: str) -> Json:
    """The JSON value that ``text`` begins with; None when there is none."""
    try:
        value: Json = JSONDecoder().raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None
    return value


def shortened(value: Mapping[str, Json]) -> Mapping[str, Json]:
    """``value`` with its long texts cut, so that a log of large writes is not kept in memory."""
    return {key: item[:_LONGEST_KEPT] if isinstance(item, str) else item for key, item in value.items()}


def text_of(value: Json) -> str:
    """``value`` if it is text, else nothing."""
    return value if isinstance(value, str) else ""


def number_of(value: Json) -> float | None:
    """``value`` if it is a number that means something, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -_LARGEST < value < _LARGEST else None


def object_of(value: Json) -> Mapping[str, Json]:
    """``value`` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_of(value: Json) -> Sequence[Json]:
    """``value`` if it is an array, else an empty one."""
    return value if isinstance(value, list) else ()
