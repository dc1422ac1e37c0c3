"""Whether a ``result_schema`` is a JSON Schema that can be used here. A module of its own: the library loads slowly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from jsonschema import Draft202012Validator, SchemaError
from jsonschema.validators import validator_for

from orchestrator.model import Json
from orchestrator.wording import excerpt

_REFERENCES = ("$ref", "$dynamicRef")
_LONGEST_MESSAGE = 300

_DRAFT_7 = ("http://json-schema.org/draft-07/schema#", "http://json-schema.org/draft-07/schema")
_ONE_SCHEMA = frozenset(
    ["additionalItems", "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"]
)
_NAMED_SCHEMAS = frozenset(["$defs", "definitions", "dependencies", "patternProperties", "properties"])
_LISTED_SCHEMAS = frozenset(["allOf", "anyOf", "items", "oneOf"])
_DRAFT_7_KEYWORDS = (
    _ONE_SCHEMA
    | _NAMED_SCHEMAS
    | _LISTED_SCHEMAS
    | frozenset(["$comment", "$id", "$ref", "$schema", "const", "default", "description", "enum", "examples"])
    | frozenset(["exclusiveMaximum", "exclusiveMinimum", "maxItems", "maxLength", "maxProperties", "maximum"])
    | frozenset(["minItems", "minLength", "minProperties", "minimum", "multipleOf", "pattern", "readOnly", "required"])
    | frozenset(["title", "type", "uniqueItems", "writeOnly", "contentEncoding", "contentMediaType"])
)


def schema_fault(schema: Mapping[str, Json]) -> tuple[tuple[str | int, ...], str] | None:
    """The first thing that is wrong with ``schema``: the path to it, and what; None where it is valid.

    References must stay inside the schema, so that judging a result never fetches anything.
    """
    for path, target in _references(dict(schema)):
        if not target.startswith("#"):
            return path, f"the reference {excerpt(target)} leads out of it; only `#…` is followed"
        if target.startswith("#/") and not _leads_somewhere(target, dict(schema)):
            return path, f"the reference {excerpt(target)} leads nowhere"
    try:
        kind = validator_for(schema, default=Draft202012Validator)
        kind.check_schema(schema, format_checker=kind.FORMAT_CHECKER)  # type: ignore[call-arg,arg-type]  # newer than its stub
    except SchemaError as error:
        return tuple(error.absolute_path), " ".join(error.message.split())[:_LONGEST_MESSAGE]
    except RecursionError:
        return (), "it is nested too deeply"
    except (AttributeError, TypeError, ValueError):
        return ("$schema",), "`$schema` must be the address of a version of JSON Schema"
    return None


def cli_fault(schema: Mapping[str, Json]) -> tuple[tuple[str | int, ...], str] | None:
    """The first thing in a valid ``schema`` for which ``claude --json-schema`` leaves it out without a word.

    Measured with version 2.1.197, which reads draft 7 by Ajv in strict mode: the answer has no structured output then.
    """
    if schema.get("type") != "object":
        return (), "its outermost `type` is not `object`"
    open_schemas: list[tuple[tuple[str | int, ...], Mapping[str, Json]]] = [((), schema)]
    while open_schemas:
        path, each = open_schemas.pop()
        for key, value in each.items():
            if key == "$schema" and value not in _DRAFT_7:
                return (*path, key), "`$schema` names another draft than 7"
            if key not in _DRAFT_7_KEYWORDS:
                return (*path, key), f"`{key:.60}` is no keyword of draft 7" if key != "format" else "it has a `format`"
            open_schemas += [((*path, key, *more), inner) for more, inner in _inner_schemas(key, value)]
    return None


def _inner_schemas(key: str, value: Json) -> Iterator[tuple[tuple[str | int, ...], dict[str, Json]]]:
    """The schemas inside the value of one keyword, with the paths to them."""
    if isinstance(value, dict) and key in _ONE_SCHEMA:
        yield (), value
    elif isinstance(value, dict) and key in _NAMED_SCHEMAS:
        yield from (((name,), each) for name, each in value.items() if isinstance(each, dict))
    elif isinstance(value, list) and key in _LISTED_SCHEMAS:
        yield from (((at,), each) for at, each in enumerate(value) if isinstance(each, dict))


def _leads_somewhere(target: str, schema: Json) -> bool:
    """Whether the JSON Pointer (RFC 6901) after the ``#`` of ``target`` finds a value in ``schema``."""
    value = schema
    for part in unquote(target[2:]).split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and len(key) < 9 and int(key) < len(value):
            value = value[int(key)]
        else:
            return False
    return True


def _references(value: Json) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """All references in ``value`` with their paths."""
    open_values: list[tuple[tuple[str | int, ...], Json]] = [((), value)]
    while open_values:
        path, each = open_values.pop()
        if isinstance(each, dict):
            for key, inner in each.items():
                if key in _REFERENCES and isinstance(inner, str):
                    yield (*path, key), inner
                open_values.append(((*path, key), inner))
        elif isinstance(each, list):
            open_values.extend(((*path, at), inner) for at, inner in enumerate(each))
