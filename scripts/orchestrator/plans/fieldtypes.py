"""The types of the values in plan.yaml: what each accepts, what it refuses and in which words.

Each type has the JSON Schema of what it accepts. A refusal's message follows the name of the key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from orchestrator import durations
from orchestrator.dataclasses import dataclass
from orchestrator.model import AGENT_ID, TASK_ID, Constraint, Estimate
from orchestrator.wording import excerpt, found, listed

LONGEST_LINE = 1_000
LONGEST_NAME = 200
LONGEST_LIST = 10_000
CONSTRAINT_KINDS = ("time", "resources", "technical", "scope")

PermissionMode = Literal["acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "plan"]
"""The modes of ``claude --permission-mode`` in version 2.1.197."""

# A newline and a tab are text; every other control character, and half of a character pair, is not.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ROLES_APART = re.compile(r"\s*(?:[,/&+]|\band\b)\s*")
_QUIET_HOURS = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9]) ?[-–] ?([01]?[0-9]|2[0-3]):([0-5][0-9])")
_Value = TypeVar("_Value")


def refusal(message: str, advice: str) -> PydanticCustomError:
    """What a validator raises: a message that follows the name of the field, and what to try."""
    return PydanticCustomError("refused", "{message}", {"message": message, "advice": advice})


def _text(value: str) -> str:
    if match := _CONTROL.search(value):
        raise refusal(f"has the control character U+{ord(match[0]):04X}", "remove it")
    return value.strip("\n").rstrip()


def _prose(value: str) -> str:
    if not (text := _text(value)).strip():
        raise refusal("is blank", "write something, or remove it")
    return text


def _line(value: str) -> str:
    text = _prose(value).strip()
    if "\n" in text or "\t" in text:
        raise refusal("has several lines or a tab", "write it on one line; two things are two items of the list")
    if len(text) > LONGEST_LINE:
        raise refusal(f"has {len(text):,} characters, at most {LONGEST_LINE:,} are allowed", "shorten it")
    return text


def _name(value: str) -> str:
    text = " ".join(_prose(value).split())
    if len(text) > LONGEST_NAME:
        advice = "shorten it; details belong into the description or request"
        raise refusal(f"has {len(text):,} characters, at most {LONGEST_NAME} are allowed", advice)
    return text


def _argument(value: str) -> str:
    if (text := _line(value)).startswith("-"):
        raise refusal(f"must not begin with a dash, found {excerpt(text)}", "write the value itself, not an option")
    return text


def _word(value: str) -> str:
    if not _WORD.fullmatch(text := _line(value)):
        likely = re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-._")[:64]
        advice = f"write {likely}" if likely else "use letters, digits and . _ -"
        raise refusal(f"must be one word of at most 64 letters, digits and . _ -, found {excerpt(text)}", advice)
    return text


def _role(value: object) -> str:
    """One word; several roles are refused as what they are."""
    parts = _ROLES_APART.split(value) if isinstance(value, str) else value if isinstance(value, list) else []
    names = [part for part in parts if isinstance(part, str) and _WORD.fullmatch(part)]
    if len(names) > 1:
        raise refusal(f"names {len(names)} roles", "a task has one role: make a task for each")
    if not isinstance(value, str):
        raise refusal(f"must be text, found {found(value)}", "write the name of one role")
    return _word(value)


def _agent(value: str) -> str:
    if not AGENT_ID.fullmatch(text := _line(value)):
        raise refusal(f"must be an agent such as Agent-01, found {excerpt(text)}", "write Agent-01, or leave it out")
    return text


def _duration(value: object) -> float:
    if not isinstance(value, (str, int, float)):
        raise refusal(f"must be a duration, found {found(value)}", f"write {durations.FORMS}")
    try:
        return durations.seconds(value)
    except ValueError as error:
        raise refusal(f"must be a duration: {error}", f"write {durations.FORMS}") from None


def _timeout(value: object) -> float:
    if (seconds := _duration(value)) == 0:
        raise refusal("must be longer than 0", f"write {durations.FORMS}, or leave it out for the default")
    return seconds


def _estimate(value: object) -> Estimate:
    if not isinstance(value, (str, int, float)):
        raise refusal(f"must be a duration or a range, found {found(value)}", "write 20m or 20m-30m")
    try:
        return durations.estimate(value)
    except ValueError as error:
        raise refusal(f"must be a duration or a range: {error}", "write 20m or 20m-30m") from None


def _version(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value != 1:
        raise refusal(f"must be 1, the only version there is, found {found(value)}", "write `version: 1`")
    return value


def _quiet_hours(value: str) -> str:
    match = _QUIET_HOURS.fullmatch(text := _line(value))
    begin, end = ((int(match[1]), match[2]), (int(match[3]), match[4])) if match else ((0, ""), (0, ""))
    if begin == end:
        raise refusal(f"must be two different times of day, found {excerpt(text)}", "write 22:00-07:00")
    return f"{begin[0]:02d}:{begin[1]}-{end[0]:02d}:{end[1]}"


def _constraint(value: object) -> Constraint:
    kind, text = next(iter(value.items())) if isinstance(value, dict) and len(value) == 1 else (None, value)
    if not isinstance(text, str) or (kind is not None and kind not in CONSTRAINT_KINDS):
        kinds = listed([f"`{kind}: …`" for kind in CONSTRAINT_KINDS])
        advice = "write `- time: at most two hours`, and put a text that contains `: ` in quotes"
        raise refusal(f"must be text, or one of {kinds}; found {_shown_keys(value)}", advice)
    return Constraint(_prose(text), kind)


def _shown_keys(value: object) -> str:
    if isinstance(value, dict) and value:
        return f"a mapping with {', '.join(excerpt(str(key)) for key in list(value)[:4])}"
    return found(value)


def _plain_json(value: dict[str, object]) -> dict[str, object]:
    open_values: list[object] = [value]
    while open_values:
        each = open_values.pop()
        if isinstance(each, str):
            _text(each)
        elif isinstance(each, dict):
            open_values += [*each.keys(), *each.values()]
        elif isinstance(each, list):
            open_values += each
    return value


@dataclass(frozen=True, slots=True)
class TextOr:
    """Annotates a mapping that may be written as a bare text, which is then the value of ``key``.

    ``schema`` is the JSON Schema of that text.
    """

    key: str
    schema: Mapping[str, object]

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pydantic's hook for validation."""
        return core_schema.no_info_before_validator_function(self._mapping, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, object]:
        """Pydantic's hook for the JSON Schema."""
        return {"anyOf": [dict(self.schema), handler(schema)]}

    def _mapping(self, value: object) -> object:
        return {self.key: value} if isinstance(value, str) else value


_TEXT: dict[str, object] = {"type": "string", "minLength": 1}
_SECONDS: dict[str, object] = {"type": "number", "minimum": 0}
_DURATION = WithJsonSchema(
    {"anyOf": [{"type": "string", "pattern": r"^[0-9][0-9dhms. ]*$"}, _SECONDS], "examples": ["90s", "20m", "2h"]}
)
_ESTIMATE = WithJsonSchema(
    {"anyOf": [{"type": "string", "pattern": r"^[0-9][0-9dhms. –-]*$"}, _SECONDS], "examples": ["20m", "20m-30m"]}
)
_CONSTRAINT = WithJsonSchema(
    {
        "anyOf": [
            _TEXT,
            {
                "type": "object",
                "properties": dict.fromkeys(CONSTRAINT_KINDS, _TEXT),
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            },
        ]
    }
)

TASK_ID_SCHEMA: dict[str, object] = {"type": "string", "pattern": f"^{TASK_ID.pattern}$"}

Text = Annotated[str, AfterValidator(_text), WithJsonSchema({"type": "string"})]
Prose = Annotated[str, AfterValidator(_prose), WithJsonSchema(_TEXT)]
Line = Annotated[str, AfterValidator(_line), WithJsonSchema({**_TEXT, "maxLength": LONGEST_LINE})]
TaskId = Annotated[str, AfterValidator(_line), WithJsonSchema(TASK_ID_SCHEMA)]
Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "maxLength": LONGEST_NAME})]
Argument = Annotated[str, AfterValidator(_argument), WithJsonSchema({"type": "string", "pattern": "^[^-]"})]
Word = Annotated[str, AfterValidator(_word), WithJsonSchema({"type": "string", "pattern": f"^{_WORD.pattern}$"})]
Role = Annotated[str, PlainValidator(_role), WithJsonSchema({"type": "string", "pattern": f"^{_WORD.pattern}$"})]
Agent = Annotated[str, AfterValidator(_agent), WithJsonSchema({"type": "string", "pattern": f"^{AGENT_ID.pattern}$"})]
Duration = Annotated[float, PlainValidator(_duration), _DURATION]
Timeout = Annotated[float, PlainValidator(_timeout), _DURATION]
EstimateRange = Annotated[Estimate, PlainValidator(_estimate), _ESTIMATE]
QuietHours = Annotated[str, AfterValidator(_quiet_hours), WithJsonSchema({**_TEXT, "examples": ["22:00-07:00"]})]
Limit = Annotated[Constraint, PlainValidator(_constraint), _CONSTRAINT]
Schema = Annotated[dict[str, object], AfterValidator(_plain_json)]
Version = Annotated[int, PlainValidator(_version), WithJsonSchema({"const": 1})]
Dollars = Annotated[float, Field(ge=0, le=1_000_000_000)]
# Only the outer type is read leniently, so that a list of YAML may become a tuple and a text a member of an enum.
Listed = Annotated[tuple[_Value, ...], Field(strict=False, max_length=LONGEST_LIST)]
Chosen = Annotated[_Value, Field(strict=False)]
