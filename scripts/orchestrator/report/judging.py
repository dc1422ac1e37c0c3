"""A model's judgement on the success criteria: how it is asked for, read and checked. Starts nothing.

The model is believed only where it names a completed task that shows what it says: "done" in words is nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.dataclasses import dataclass
from orchestrator.errors import InvalidInputError
from orchestrator.model import Json, Status, Verdict
from orchestrator.render.handed_over import fair_shares
from orchestrator.render.markdown import one_line
from orchestrator.render.prompt import unused_nonce
from orchestrator.render.templates import rendered
from orchestrator.report.criteria import MOST_SHOWN_BY, Criterion
from orchestrator.store.state import State
from orchestrator.texts.attachments import NOTE, as_prompt, without_attachments

RESULTS_CHARS = 200_000
"""Characters of all results in the question: about 50,000 tokens of English."""

NOTE_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one task delivered: its recorded result, or why there is none. ``cut`` characters of it were left out."""

    task: str
    name: str
    status: Status
    criteria: tuple[str, ...]
    text: str
    reason: str = ""
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What the model says of one criterion."""

    number: int
    verdict: Verdict
    shown_by: tuple[str, ...]
    reason: str


def judging_schema(numbers: Sequence[int]) -> dict[str, Json]:
    """The JSON Schema of the answer, for ``claude --json-schema``."""
    judgement: dict[str, Json] = {
        "criterion": {"type": "integer", "enum": [*numbers]},
        "verdict": {"type": "string", "enum": [str(each) for each in Verdict]},
        "shown_by": {"type": "array", "items": {"type": "string"}},
        "reason": {"type": "string"},
    }
    listed: dict[str, Json] = {"type": "array", "items": _object(judgement), "minItems": len(numbers)}
    return _object({"judgements": listed})


def judging_question(
    state: State,
    asked: Sequence[Criterion],
    results: Sequence[tuple[str, str]],
    exists: Callable[[str], bool] = lambda path: False,
    limit_chars: int = RESULTS_CHARS,
) -> str:
    """The prompt about the criteria ``asked``, in which all texts are data and attach no file.

    ``results`` are the tasks with a recorded result and its text; together they are cut to ``limit_chars`` characters.
    """
    shares = dict(zip(dict(results), fair_shares([len(text) for _, text in results], limit_chars), strict=True))
    texts = dict(results)
    delivered = [
        Delivered(
            task,
            spec.name,
            state.status(task),
            spec.success_criteria,
            texts.get(task, "")[: shares.get(task, 0)],
            state.records[task].reason,
            len(texts.get(task, "")) - shares.get(task, 0),
        )
        for task, spec in state.tasks.items()
    ]
    values = {"plan": state.plan, "asked": asked, "delivered": delivered}
    nonce = unused_nonce("\0".join([repr(state.plan.objectives), state.plan.request, *texts.values()]))
    made, attached = without_attachments(rendered("judging.md.j2", **values, nonce=nonce, note=""), exists)
    if attached:
        made = without_attachments(rendered("judging.md.j2", **values, nonce=nonce, note=NOTE), exists)[0]
    return as_prompt(made)


def findings(answer: Json, state: State, asked: Sequence[Criterion]) -> list[Finding]:
    """What the model said of each of ``asked``; raises InvalidInputError where the answer is not what was asked for.

    "met" without a completed task that shows it becomes "not judged", and says so.
    """
    given = answer.get("judgements") if isinstance(answer, dict) else None
    if not isinstance(given, list):
        raise _unusable("it has no list of judgements")
    numbers = {each.number for each in asked}
    found: dict[int, Finding] = {}
    for item in given:
        finding = _finding(item, state)
        if finding.number not in numbers:
            raise _unusable(f"there is no criterion {finding.number}")
        found.setdefault(finding.number, finding)
    if missing := sorted(numbers - found.keys()):
        raise _unusable(f"nothing is said of criterion {', '.join(map(str, missing))}")
    return [found[each.number] for each in asked]


def _finding(item: Json, state: State) -> Finding:
    try:
        if not isinstance(item, dict) or not isinstance(item["shown_by"], list) or isinstance(item["criterion"], bool):
            raise TypeError("a judgement is not of the form that was asked for")
        number, verdict = int(str(item["criterion"])), Verdict(str(item["verdict"]))
        reason = one_line(str(item["reason"]), NOTE_LENGTH)
    except (KeyError, TypeError, ValueError) as error:
        raise _unusable(" ".join(str(error).split())) from None
    folded = {task.casefold(): task for task in state.tasks}
    named = dict.fromkeys(folded[name] for each in item["shown_by"] if (name := str(each).strip().casefold()) in folded)
    shown_by = tuple(named)[:MOST_SHOWN_BY]
    if verdict is Verdict.MET and not any(state.status(task) is Status.COMPLETED for task in shown_by):
        return Finding(number, Verdict.NOT_JUDGED, shown_by, f"no completed task was named that shows it: {reason}")
    return Finding(number, verdict, shown_by, reason)


def _unusable(what: str) -> InvalidInputError:
    return InvalidInputError(
        f"the model's judgement cannot be used: {what}", "ask again, or judge with `orchestrate accept`"
    )


def _object(properties: dict[str, Json]) -> dict[str, Json]:
    required: list[Json] = [*properties]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
