"""What the CLI asked: one request as it arrived, and the parts of it that a test looks at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, Union, cast

Json: TypeAlias = Union[bool, int, float, str, Sequence["Json"], Mapping[str, "Json"], None]  # noqa: UP007 - recursive

# Texts that stand in a user's message although the CLI wrote them.
WRITTEN_BY_THE_CLI = (
    "<system-reminder>",
    "<task-notification>",
    "[structured-output-enforce]",
    "[Your previous response had no visible output.",
    "Output token limit hit.",
)


@dataclass(frozen=True)
class ToolResult:
    """What the CLI reports about one tool call: its output, or why it was refused."""

    tool_use_id: str
    text: str
    is_error: bool


@dataclass(frozen=True)
class Request:
    """One HTTP request.

    `headers` have lower-case names; `arrived_s` is in seconds of the monotonic clock; `in_flight` is the number of
    requests that were being answered at that moment, this one included.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    arrived_s: float
    in_flight: int

    @property
    def is_message(self) -> bool:
        """Is a reply of the model wanted?"""
        return self.method == "POST" and self.path.split("?")[0] == "/v1/messages"

    @property
    def session(self) -> str:
        """The id of the CLI's session; a resumed one keeps its id, subagents share that of their parent."""
        return self.headers.get("x-claude-code-session-id", "")

    @cached_property
    def body(self) -> Mapping[str, Json]:
        """The JSON object of the request, empty when it carries none."""
        value = cast(Json, json.loads(self.raw)) if self.raw else {}
        return value if isinstance(value, Mapping) else {}

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return str(self.body.get("model", ""))

    @property
    def is_streamed(self) -> bool:
        """Are server-sent events wanted instead of one JSON object?"""
        return self.body.get("stream") is True

    @cached_property
    def tools(self) -> tuple[str, ...]:
        """The names of the tools offered to the model."""
        return tuple(str(tool.get("name")) for tool in _objects(self.body.get("tools")))

    @cached_property
    def system(self) -> str:
        """The system prompt, `--append-system-prompt` included."""
        return "\n".join(_texts(self.body.get("system")))

    @cached_property
    def prompts(self) -> tuple[str, ...]:
        """What the user wrote, message by message, oldest first; not what the CLI added of its own."""
        return tuple(prompt for _, prompt in self._numbered_prompts)

    @property
    def prompt(self) -> str:
        """What the user wrote last: the whole stdin of `claude -p`, or the task of a subagent."""
        return self.prompts[-1] if self.prompts else ""

    @cached_property
    def turn(self) -> int:
        """How often the model has answered since `prompt`: 0 at first, 1 when the first tool result is back."""
        last = self._numbered_prompts[-1][0] if self._numbered_prompts else -1
        return sum(message.get("role") == "assistant" for message in self._messages[last + 1 :])

    @cached_property
    def tool_results(self) -> tuple[ToolResult, ...]:
        """The results of all tool calls of the conversation, oldest first."""
        return tuple(
            ToolResult(
                str(block.get("tool_use_id")),
                "\n".join(_texts(block.get("content"))),
                block.get("is_error") is True,
            )
            for message in self._messages
            for block in _objects(message.get("content"))
            if block.get("type") == "tool_result"
        )

    @cached_property
    def text(self) -> str:
        """Everything the model gets to read: system prompt, messages, attached files, tool results."""
        messages = (text for message in self._messages for text in _texts(message.get("content")))
        return "\n".join([self.system, *messages])

    @cached_property
    def _messages(self) -> tuple[Mapping[str, Json], ...]:
        return tuple(_objects(self.body.get("messages")))

    @cached_property
    def _numbered_prompts(self) -> tuple[tuple[int, str], ...]:
        found = []
        for number, message in enumerate(self._messages):
            if message.get("role") != "user" or _has_tool_result(message):
                continue
            own = [text for text in _own_texts(message.get("content")) if not text.startswith(WRITTEN_BY_THE_CLI)]
            if own:
                found.append((number, "\n".join(own)))
        return tuple(found)


def _objects(value: Json) -> Iterator[Mapping[str, Json]]:
    """The JSON objects of a list."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        yield from (item for item in value if isinstance(item, Mapping))


def _has_tool_result(message: Mapping[str, Json]) -> bool:
    """Does it report about tools? Text beside that is the CLI's own, for example a skill that was loaded."""
    return any(block.get("type") == "tool_result" for block in _objects(message.get("content")))


def _own_texts(content: Json) -> Iterator[str]:
    """The texts that stand in a message itself, those of tool results left out."""
    if isinstance(content, str):
        yield content
    for block in _objects(content):
        if block.get("type") == "text":
            yield str(block.get("text", ""))


def _texts(content: Json) -> Iterator[str]:
    """All texts of a message, a system prompt or a tool result."""
    yield from _own_texts(content)
    for block in _objects(content):
        if block.get("type") == "tool_result":
            yield from _texts(block.get("content"))
