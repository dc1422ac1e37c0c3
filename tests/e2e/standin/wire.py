"""The Messages API's formats: an answer as one JSON object or as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from orchestrator.dataclasses import replace
from standin.asked import Json
from standin.replies import CutPoint, Failure, Message, Text, ToolUse, Usage

# Large enough that 3 MB are few events, small enough that a slow answer has some.
PIECE_CHARS = 16_384
SLOW_PIECES = 20


def message_object(message: Message, model: str, number: int) -> dict[str, Json]:
    """The body of a response that is not streamed; `number` makes its ids unique."""
    blocks: list[Json] = []
    for place, block in enumerate(message.blocks):
        match block:
            case Text(text):
                blocks.append({"type": "text", "text": text})
            case ToolUse(name, arguments):
                blocks.append({"type": "tool_use", "id": f"toolu_{number}_{place}", "name": name, "input": arguments})
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks,
        "stop_reason": message.stop_reason,
        "stop_sequence": None,
        "usage": _usage(message.usage, message.usage.output_tokens),
    }


def message_events(message: Message, model: str, number: int) -> Iterator[bytes]:
    """The events of a streamed response, one by one."""
    whole = message_object(message, model, number)
    start = whole | {"content": [], "stop_reason": None, "usage": _usage(message.usage, 1)}
    yield _event("message_start", message=start)
    for place, block in enumerate(message.blocks):
        match block:
            case Text(text):
                yield _event("content_block_start", index=place, content_block={"type": "text", "text": ""})
                for piece in _pieces(text, is_slow=message.over_s > 0):
                    yield _event("content_block_delta", index=place, delta={"type": "text_delta", "text": piece})
            case ToolUse(name, arguments):
                call: Json = {"type": "tool_use", "id": f"toolu_{number}_{place}", "name": name, "input": {}}
                yield _event("content_block_start", index=place, content_block=call)
                delta: Json = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
                yield _event("content_block_delta", index=place, delta=delta)
        yield _event("content_block_stop", index=place)
    end: Json = {"stop_reason": message.stop_reason, "stop_sequence": None}
    yield _event("message_delta", delta=end, usage={"output_tokens": message.usage.output_tokens})
    yield _event("message_stop")


def events_until(message: Message, point: CutPoint, model: str, number: int) -> list[bytes]:
    """The events that arrive before the connection closes at `point`."""
    events = list(message_events(replace(message, over_s=1.0), model, number))  # in many pieces
    texts = [place for place, event in enumerate(events) if event.startswith(b"event: content_block_delta")]
    match point:
        case CutPoint.NOTHING:
            return []
        case CutPoint.HALF:
            return events[: texts[len(texts) // 2]] if texts else events[:1]
        case CutPoint.TEXT:
            return events[:-2]
        case CutPoint.STOP_REASON:
            return events[:-1]


def error_object(failure: Failure) -> dict[str, Json]:
    """The body of an HTTP error."""
    return {"type": "error", "error": {"type": failure.kind, "message": failure.message}}


def _usage(usage: Usage, output_tokens: int) -> Mapping[str, Json]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": output_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    }


def _pieces(text: str, *, is_slow: bool) -> Iterator[str]:
    size = max(1, -(-len(text) // SLOW_PIECES)) if is_slow else PIECE_CHARS
    for begin in range(0, len(text), size):
        yield text[begin : begin + size]


def _event(name: str, **fields: Json) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()
