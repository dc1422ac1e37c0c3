"""What a model is asked when it is to make a plan: the request or the task, the project's files, the rules, the faults.

As in ``render.prompt``, texts of others stand in frames with a nonce that occurs in none of them, and attach nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from orchestrator.dataclasses import dataclass, field
from orchestrator.errors import Problem
from orchestrator.model import Task
from orchestrator.render.inputs import Listing
from orchestrator.render.prompt import unused_nonce
from orchestrator.render.templates import rendered
from orchestrator.texts.attachments import NOTE, as_prompt, without_attachments

MOST_PROBLEMS_SHOWN = 40
LONGEST_DRAFT = 60_000
"""Characters of a refused answer that go back; a longer one is not worth mending."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What is to be planned: a request, or with ``task`` the task of the plan ``title`` that is to be split.

    ``before`` names the tasks that it depends on. ``exists`` tells whether the project has a path,
    ``roles`` are the specialists that there are, with when to use each.
    """

    request: str
    listing: Listing = field(default_factory=Listing)
    task: Task | None = None
    title: str = ""
    before: tuple[str, ...] = ()
    exists: Callable[[str], bool] = lambda path: False
    roles: Mapping[str, str] = field(default_factory=dict)


def plan_prompt(assignment: Assignment, draft: str = "", problems: Sequence[Problem] = ()) -> str:
    """The question for ``assignment``; after a refused answer with what was answered (``draft``) and why not."""
    shown = [problem.text() for problem in problems[:MOST_PROBLEMS_SHOWN]]
    if len(problems) > MOST_PROBLEMS_SHOWN:
        shown.append(f"and {len(problems) - MOST_PROBLEMS_SHOWN} more")
    values: dict[str, object] = {
        "request": assignment.request.strip("\n"),
        "task": assignment.task,
        "title": assignment.title,
        "before": assignment.before,
        "listing": assignment.listing,
        "roles": assignment.roles,
        "draft": draft.strip("\n") if len(draft) <= LONGEST_DRAFT else "",
        "problems": shown,
    }
    first = rendered("plan_prompt.md.j2", nonce="", note="", **values)
    note = NOTE if without_attachments(first, assignment.exists)[1] else ""
    text = rendered("plan_prompt.md.j2", nonce=unused_nonce(first), note=note, **values)
    return as_prompt(without_attachments(text, assignment.exists)[0])
