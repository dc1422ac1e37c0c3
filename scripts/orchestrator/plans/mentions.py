"""Dependencies that a plan hides: a task that speaks of another one which may run at the same time.

Tasks of one stage cannot depend on each other, because stages follow from the dependencies. What a stage can hide is a
task whose text counts on another one: nothing of that one's result reaches it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from orchestrator import graph
from orchestrator.dataclasses import dataclass
from orchestrator.model import Task

MOST_MENTIONS = 200
"""Mentions that are followed through the graph; a plan with more has another trouble."""

# As in ids, but a full stop at the end of a sentence is none of it. Without a digit an id may be any word (`style`),
# without a letter any number (`step 1`).
_ID = re.compile(r"(?<![\w.-])(?=[\w.-]*[0-9])(?=[\w.-]*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?![\w-])")


@dataclass(frozen=True, slots=True)
class Mention:
    """The task with the index ``task`` names ``other`` in the text at ``path``, and neither waits for the other."""

    task: int
    other: str
    path: tuple[str | int, ...]


def hidden_dependencies(tasks: Sequence[Task], deps: Mapping[str, Sequence[str]]) -> Iterator[Mention]:
    """The first mention of each such task in each task; ``deps`` have no cycle."""
    ids = {task.id for task in tasks}
    looked = 0
    for at, task in enumerate(tasks):
        texts: list[tuple[tuple[str | int, ...], str]] = [(("description",), task.description)]
        texts += [(("inputs", j), text) for j, text in enumerate(task.inputs)]
        named: dict[str, tuple[str | int, ...]] = {}
        for path, text in texts:
            for match in _ID.finditer(text):
                if match[0] in ids and match[0] != task.id:
                    named.setdefault(match[0], path)
        before = graph.ancestors(deps, task.id) if named else set()
        for other, path in named.items():
            looked += 1
            if looked > MOST_MENTIONS:
                return
            if other not in before and task.id not in graph.ancestors(deps, other):
                yield Mention(at, other, path)
