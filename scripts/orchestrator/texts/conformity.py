"""Whether an answer fits the JSON Schema that its task asked for.

Schemas come from the plan and values from agents: nothing is ever fetched, what is printed is bounded, and neither a
wrong schema nor a hostile value raises. The one thing that is not bounded is a ``pattern`` of the plan that backtracks
without end. ``format`` is an annotation, as JSON Schema 2020-12 has it by default.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from orchestrator.model import Json

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

MOST_PROBLEMS: Final = 20
LONGEST_MESSAGE: Final = 300
LONGEST_EXCERPT: Final = 80

_FENCE: Final = re.compile(r"(?P<indent> {0,3})(?P<marks>`{3,}(?!.*`)|~{3,})[ \t]*(?P<info>.*)")


class NoStructuredValueError(ValueError):
    """A text that has no JSON in it, or more than one; the message says which."""


def structured_value(text: str) -> Json:
    """The JSON value of an answer: its whole text, or the only code fence marked ``json``.

    A fence without a language counts when it is the only fence at all. Raises ``NoStructuredValueError``.
    """
    stripped = text.removeprefix("\ufeff").strip()
    if not stripped:
        raise NoStructuredValueError("the answer is blank")
    try:
        return _json(stripped)
    except ValueError as error:
        problem = error
    blocks = list(_fenced_blocks(stripped))
    marked = [content for info, content in blocks if info == "json"]
    if not marked and len(blocks) == 1 and not blocks[0][0]:
        marked = [blocks[0][1]]
    if len(marked) > 1:
        raise NoStructuredValueError(f"the answer has {len(marked)} json code blocks where one was expected")
    if not marked:
        is_meant = stripped[0] in "{["
        raise NoStructuredValueError(
            f"the answer is not JSON: {problem}" if is_meant else "the answer is no JSON and has no json code block"
        )
    try:
        return _json(marked[0])
    except ValueError as error:
        raise NoStructuredValueError(f"the json code block of the answer is not JSON: {error}") from None


def answer_problems(text: str, schema: Mapping[str, Json] | bool) -> list[str]:
    """What keeps the text of an answer from being a value of ``schema``; empty when it fits."""
    try:
        value = structured_value(text)
    except NoStructuredValueError as error:
        return [_shortened(str(error))]
    return schema_problems(value, schema)


def schema_problems(value: Json, schema: Mapping[str, Json] | bool) -> list[str]:
    """What does not fit, one line each with its JSON path (``$.findings[2].severity: …``), at most 20 and a rest.

    A schema is read in the dialect that its ``$schema`` names, JSON Schema 2020-12 where it names none. What it refers
    to must be in it: a reference to anywhere else is a problem, as is a schema that is wrong itself.
    """
    from jsonschema.exceptions import SchemaError
    from referencing.exceptions import Unresolvable

    checker = _checker(str(schema.get("$schema", "")) if isinstance(schema, Mapping) else "")
    try:
        checker.check_schema(cast("Any", schema))
        found = _errors(checker, value, schema)
    except SchemaError as error:
        return [_shortened(f"the schema itself is wrong at {error.json_path}: {_message(error)}")]
    except Unresolvable as error:
        return [_shortened(f"the schema refers to {error.ref}, which is not part of it; nothing is fetched")]
    except RecursionError:
        return ["the schema or the value is nested too deeply to be checked"]
    except re.error as error:
        return [_shortened(f"the schema has a pattern that is no regular expression: {error}")]
    shown = [_shortened(f"{error.json_path}: {_message(error)}") for error in found[:MOST_PROBLEMS]]
    if len(found) > MOST_PROBLEMS:
        shown.append("and more of the kind")
    return shown


def _errors(checker: type[Validator], value: Json, schema: Mapping[str, Json] | bool) -> list[ValidationError]:
    """The first errors, one more than are shown, in the order of their place in ``value``."""
    from itertools import islice

    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # it comes without types

    # A registry that knows the dialects and nothing else; the default one of jsonschema fetches what it does not know.
    errors = checker(cast("Any", schema), registry=REGISTRY).iter_errors(value)
    return sorted(islice(errors, MOST_PROBLEMS + 1), key=_place)


def _place(error: ValidationError) -> list[str]:
    return [str(part).zfill(9) if isinstance(part, int) else str(part) for part in error.absolute_path]


@cache
def _checker(dialect: str) -> type[Validator]:
    from jsonschema import Draft202012Validator, validators

    base = validators.validator_for({"$schema": dialect}, default=Draft202012Validator)
    extend = cast("Callable[..., type[Validator]]", validators.extend)
    return extend(base, {"uniqueItems": _repeated_items})


def _repeated_items(_checker: Validator, wanted: bool, value: Json, _schema: object) -> Iterator[ValidationError]:
    """``uniqueItems`` in linear time; the one of jsonschema compares every pair of objects."""
    from jsonschema.exceptions import ValidationError

    if not wanted or not isinstance(value, list):
        return
    seen: dict[str, int] = {}
    for place, item in enumerate(value):
        first = seen.setdefault(_canonical(item), place)
        if first != place:
            yield ValidationError(f"has the same item at [{first}] and [{place}]")
            return


def _canonical(value: Json) -> str:
    """A text that is equal for values that JSON Schema takes for equal: 1 is 1.0, and neither is true."""
    return json.dumps(_with_whole_numbers(value), sort_keys=True)


def _with_whole_numbers(value: Json) -> Json:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_with_whole_numbers(item) for item in value]
    if isinstance(value, dict):
        return {key: _with_whole_numbers(item) for key, item in value.items()}
    return value


def _message(error: ValidationError | Any) -> str:
    """The library's words, with the value as JSON instead of Python, and the nearest of several alternatives."""
    if error.context and error.validator in ("anyOf", "oneOf"):
        from jsonschema.exceptions import relevance

        nearest = min(error.context, key=lambda inner: (-len(inner.absolute_path), relevance(inner)))
        return f"fits none of the alternatives; nearest: {nearest.json_path}: {_message(nearest)}"
    text = str(error.message)
    shown = repr(error.instance)
    if text.startswith(shown):
        text = _excerpt(error.instance) + text[len(shown) :]
    if error.validator == "type":
        expected = error.validator_value
        kinds = " or ".join(expected) if isinstance(expected, list) else str(expected)
        text = f"{_excerpt(error.instance)} is not of type {kinds}"
    elif error.validator == "const":
        text = f"{_excerpt(error.instance)} is not {_excerpt(error.validator_value)}"
    elif error.validator is None:
        # The schema is `false`.
        text = f"{_excerpt(error.instance)} is not allowed here"
    elif error.validator == "enum":
        choices = ", ".join(_excerpt(choice) for choice in cast("list[object]", error.validator_value))
        text = f"{_excerpt(error.instance)} is not one of {choices}"
    return text


def _excerpt(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = str(type(value).__name__)
    return text if len(text) <= LONGEST_EXCERPT else f"{text[: LONGEST_EXCERPT - 1]}…"


def _shortened(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= LONGEST_MESSAGE else f"{line[: LONGEST_MESSAGE - 1]}…"


def _json(text: str) -> Json:
    try:
        return cast("Json", json.loads(text, parse_constant=_refuse_constant))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _fenced_blocks(text: str) -> Iterator[tuple[str, str]]:
    """Each code fence of ``text`` that is not inside another one: its language in lower case, and its content."""
    marks = info = ""
    content: list[str] = []
    for line in text.splitlines():
        fence = _FENCE.fullmatch(line)
        if not marks:
            if fence:
                marks, info, content = fence["marks"], fence["info"].strip().lower().split(" ")[0], []
        elif fence and fence["marks"].startswith(marks) and not fence["info"].strip():
            yield info, "\n".join(content)
            marks = ""
        else:
            content.append(line)
    if marks:
        yield info, "\n".join(content)
