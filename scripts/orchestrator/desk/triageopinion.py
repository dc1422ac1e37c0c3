"""A model's judgement on a request beside that of the rules: how it is asked for, read and compared. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from orchestrator.desk.triage import Complexity, Decision, Triage
from orchestrator.errors import InvalidInputError
from orchestrator.model import Json


def opinion_schema(roles: Iterable[str]) -> dict[str, Json]:
    """The JSON Schema of the answer, for ``claude --json-schema``: the keys of ``Triage.record``."""
    count: dict[str, Json] = {"type": "integer", "minimum": 0}
    texts: dict[str, Json] = {"type": "array", "items": {"type": "string"}}
    estimate: dict[str, Json] = {"minutes": count, "tokens": count}
    properties: dict[str, Json] = {
        "decision": {"type": "string", "enum": [str(each) for each in Decision]},
        "complexity": {"type": "string", "enum": [str(each) for each in Complexity]},
        "role": {"anyOf": [{"type": "string", "enum": list(roles)}, {"type": "null"}]},
        "score": count,
        "reasons": texts,
        "domains": texts,
        "estimate": _object(estimate),
        "parallel_worthwhile": {"type": "boolean"},
    }
    return _object(properties)


def opinion_question(request: str, roles: Mapping[str, str], exists: Callable[[str], bool] = lambda path: False) -> str:
    """The prompt, in which the request is data and attaches no file.

    ``roles`` are their names and when each is used; ``exists`` tells whether the project has a path.
    """
    from orchestrator.render.prompt import unused_nonce
    from orchestrator.render.templates import rendered
    from orchestrator.texts.attachments import without_attachments

    values = {"request": without_attachments(request.strip("\n"), exists)[0], "roles": dict(roles)}
    return rendered("triage_opinion.md.j2", **values, nonce=unused_nonce(str(values)))


def opinion(record: Json) -> Triage:
    """The judgement in a model's answer; raises InvalidInputError where it is not what the schema says."""
    try:
        if not isinstance(record, dict):
            raise TypeError("it is not a mapping")
        estimate, role = record["estimate"], record["role"]
        decision = Decision(str(record["decision"]))
        if not isinstance(estimate, dict) or (role is None) == (decision is Decision.SIMPLE):
            raise TypeError("role and decision do not fit each other")
        return Triage(
            decision=decision,
            complexity=Complexity(str(record["complexity"])),
            role=None if role is None else str(role),
            score=_whole(record["score"]),
            reasons=_texts(record["reasons"]),
            domains=_texts(record["domains"]),
            minutes=_whole(estimate["minutes"]),
            tokens=_whole(estimate["tokens"]),
            parallel_worthwhile=record["parallel_worthwhile"] is True,
        )
    except (KeyError, TypeError, ValueError) as error:
        message = f"the model's judgement cannot be used: {' '.join(str(error).split())}"
        raise InvalidInputError(message, "ask again, or go by the rules: leave out --ai") from None


def differences(rules: Triage, model: Triage) -> list[str]:
    """Where a model judges otherwise than the rules, in words; estimates differ when one is twice the other."""
    pairs = [
        ("decision", rules.decision, model.decision),
        ("complexity", rules.complexity, model.complexity),
        ("role", rules.role or "none", model.role or "none"),
        ("parallel work", _worth(rules), _worth(model)),
    ]
    found = [f"{what}: {ours} by the rules, {theirs} by the model" for what, ours, theirs in pairs if ours != theirs]
    for what, one, other in (("minutes", rules.minutes, model.minutes), ("tokens", rules.tokens, model.tokens)):
        if max(one, other) >= 2 * max(1, min(one, other)):
            found.append(f"{what}: {one:,} by the rules, {other:,} by the model")
    return found


def _object(properties: dict[str, Json]) -> dict[str, Json]:
    required: list[Json] = list(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _whole(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise TypeError(f"{value!r:.40} is no number")
    return round(value)


def _texts(value: Json) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("a list is missing")
    return tuple(str(each) for each in value)


def _worth(triage: Triage) -> str:
    return "pays" if triage.parallel_worthwhile else "does not pay"
