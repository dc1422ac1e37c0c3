"""The roles of a project, found on disk: those that ship, the user's own, and the agents of Claude Code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from orchestrator.desk.rolefiles import Origin, Role, RoleReading, Roles, Source, assembled, read_role
from orchestrator.errors import CannotGoOnError, Problem
from orchestrator.paths import DeskPaths, RunPaths
from orchestrator.system import files

BUNDLED = Path(__file__).parents[1] / "roles"
MOST_FILES = 500
"""Files of one folder that are looked at; more are no roles that a person wrote."""


def find_roles(project: str, folder: str) -> Roles:
    """The roles of ``project``: bundled ones, those in ``roles`` of the run's ``folder``, and agents of Claude Code.

    A file that cannot be read is a problem of that file. Touches the disk.
    """
    bundled = [_bundled_reading(path) for path in sorted(BUNDLED.glob("*.md"))]
    return assembled([*bundled, *_users_readings(project, folder)])


def find_role(project: str, folder: str, name: str) -> Role:
    """The role called ``name``, as ``find_roles`` has it; of the bundled ones only that file is read.

    Raises InvalidInputError where there is none, or more than one.
    """
    path = BUNDLED / f"{name.casefold()}.md"
    bundled = [_bundled_reading(path)] if path.exists() else []
    roles = assembled([*bundled, *_users_readings(project, folder)])
    if name.casefold() in roles.by_name:
        return roles.by_name[name.casefold()]
    return find_roles(project, folder).role(name)  # which raises, naming what there is


def users_roles(project: str, folder: str) -> Roles:
    """The roles that do not ship with the program, which a person has to trust; the rest as in ``find_roles``."""
    return assembled(_users_readings(project, folder))


def _bundled_reading(path: Path) -> RoleReading:
    return _parsed(path.read_bytes(), Source(f"roles/{path.name}", Origin.BUNDLED))


def _users_readings(project: str, folder: str) -> list[RoleReading]:
    readings: list[RoleReading] = []
    # A run of the desk has the roles of the desk, and one that is kept elsewhere those of its project as well.
    roots = dict.fromkeys([DeskPaths.of(RunPaths(project, folder)).folder, RunPaths.of(project).folder])
    found = [(Origin.OWN, path) for root in roots for path in _markdown(os.path.join(root, "roles"), deep=False)]
    found += [(Origin.AGENT, path) for path in _markdown(os.path.join(project, ".claude", "agents"), deep=True)]
    for origin, path in found:
        shown = os.path.relpath(path, project).replace(os.sep, "/")
        try:
            data = files.read_bytes_or_none(path)
        except CannotGoOnError as error:
            readings.append(RoleReading(Source(shown, origin), None, (Problem(error.message, error.advice),)))
            continue
        if data is not None:  # else it has just been taken away, or is a link to nothing
            readings.append(_parsed(data, Source(shown, origin, files.digest(data))))
    return readings


@lru_cache(maxsize=64)
def _parsed(data: bytes, source: Source) -> RoleReading:
    # A run reads its roles again for each attempt, because a person may have changed them.
    return read_role(data, source)


def _markdown(folder: str, *, deep: bool) -> Iterator[str]:
    """The Markdown files in ``folder`` in the order of their names, with ``deep`` also those in folders inside it."""
    found: list[str] = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        found += [os.path.join(place, name) for name in sorted(names) if name.endswith(".md")]
        if not deep or len(found) >= MOST_FILES:
            break
    return iter(found[:MOST_FILES])
