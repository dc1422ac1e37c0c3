"""Rules about the files of a plan: no path leaves the project, and tasks that may change the same files are ordered."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from orchestrator import graph
from orchestrator.model import Task
from orchestrator.plans.globs import literal_names, names, overlap

RUN_FOLDER = ".orchestrator"

MOST_COMPARISONS = 20_000
"""So many pairs of globs are compared in about a third of a second; a plan with more has globs where paths would do."""

MOST_NAMED = 8
"""Tasks named in one clash; a plan may have thousands on one file."""

_DRIVE = re.compile(r"[A-Za-z]:")


class TooManyGlobsError(Exception):
    """The plan has more pairs of globs than ``MOST_COMPARISONS``."""


def outside(path: str, may_name_run: bool = False) -> str | None:
    """Why ``path`` is not a path inside the project, in words; None where it is one.

    ``may_name_run`` allows paths below ``.orchestrator/``, which no worker writes but every worker may read.
    """
    if "\\" in path:
        return "it has a backslash; write / between names"
    if path.startswith("/") or _DRIVE.match(path):
        return "it is absolute; paths begin at the project"
    if path.startswith("~"):
        return "it begins in a home folder; paths begin at the project"
    if ".." in path.split("/"):
        return "it leads out of the project by `..`"
    if not may_name_run and names(path.casefold())[:1] == (RUN_FOLDER,):
        return f"{RUN_FOLDER}/ belongs to the run, and no task writes there"
    return None


def is_path(text: str) -> bool:
    """Whether an entry of ``inputs`` is a path and not prose: one word with a separator in it, and no URL."""
    return not re.search(r"\s", text) and "://" not in text and (text[:1] == "~" or "/" in text or "\\" in text)


class Clash(NamedTuple):
    """A task, by index, and the first of the earlier ones that may change the same files and are not ordered."""

    task: int
    others: tuple[int, ...]
    total: int
    """How many such earlier ones there are."""


def clashes(tasks: Sequence[Task], deps: Mapping[str, Sequence[str]]) -> Iterator[Clash]:
    """The tasks that may change the same files as earlier ones although neither waits for the other.

    ``deps`` has the dependencies of ``tasks`` and no cycle; the ids are unique. Sets of tasks are the bits of numbers.
    Raises ``TooManyGlobsError``.
    """
    writers = [at for at, task in enumerate(tasks) if task.writes or task.outputs]
    if len(writers) < 2:
        return
    bit = {at: 1 << number for number, at in enumerate(writers)}
    holders: defaultdict[str, int] = defaultdict(int)
    for at in writers:
        for glob in {*tasks[at].writes, *tasks[at].outputs}:
            holders[glob] |= bit[at]
    rivals = _rivals(holders)
    if not any(mask & (mask - 1) for mask in rivals.values()):
        return
    ordered = _ordered(deps, bit)
    for at in writers:
        same_files = 0
        for glob in (*tasks[at].writes, *tasks[at].outputs):
            same_files |= rivals[glob]
        unordered = same_files & (bit[at] - 1) & ~ordered[at]
        if unordered:
            first = islice(_bits(unordered), MOST_NAMED)
            yield Clash(at, tuple(writers[number] for number in first), unordered.bit_count())


def _rivals(holders: Mapping[str, int]) -> dict[str, int]:
    """For each glob the tasks, as bits, that hold a glob which overlaps it, itself included."""
    # Only globs whose literal beginnings agree can overlap: each looks among those of the folders around it.
    folders: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for glob in holders:
        folders[literal_names(glob)].append(glob)
    rivals = dict(holders)
    comparisons = 0
    for glob in holders:
        literal = literal_names(glob)
        for depth in range(len(literal) + 1):
            others = folders.get(literal[:depth], ())
            comparisons += len(others)
            if comparisons > MOST_COMPARISONS:
                raise TooManyGlobsError
            for other in others:
                if other != glob and overlap(glob, other):
                    rivals[glob] |= holders[other]
                    rivals[other] |= holders[glob]
    return rivals


def _ordered(deps: Mapping[str, Sequence[str]], bit: Mapping[int, int]) -> list[int]:
    """For each task, by index, the writers, as bits, that come before or after it in every run."""
    position = {id: at for at, id in enumerate(deps)}
    sequence = [position[id] for id in graph.order(deps)]
    needed = [[position[id] for id in ids if id in position] for ids in deps.values()]
    before, after = [0] * len(deps), [0] * len(deps)
    for at in sequence:
        for dep in needed[at]:
            before[at] |= before[dep] | bit.get(dep, 0)
    for at in reversed(sequence):
        for dep in needed[at]:
            after[dep] |= after[at] | bit.get(at, 0)
    return [early | late for early, late in zip(before, after, strict=True)]


def _bits(mask: int) -> Iterator[int]:
    """The positions of the bits that are set in ``mask``, lowest first."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
