"""All orchestrations of a project: where each stands, read from its files, most of them from an index.

The index is a cache by the size and time of each journal, and the file ``runs/current.json`` the answer for
dashboards. Both can be removed at any time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from orchestrator import clock
from orchestrator.dataclasses import dataclass, field
from orchestrator.errors import CannotGoOnError
from orchestrator.events import EventType
from orchestrator.model import Json, RunState, Status
from orchestrator.paths import ARCHIVED, DeskPaths, RunPaths
from orchestrator.store.store import Store
from orchestrator.system import files

_VERSION = 1
_SETTLED = frozenset({RunState.COMPLETED, RunState.FAILED, RunState.BLOCKED, RunState.PLANNED, RunState.PLANNING})
"""States that do not change with time alone."""

Record = dict[str, Json]


@dataclass
class _Index:
    """What is known of runs that have not changed since: by name, the stamp of the journal and the record."""

    runs: dict[str, tuple[list[int], Record]] = field(default_factory=dict)
    archived: dict[str, Record] = field(default_factory=dict)

    def text(self) -> str:
        record = {"version": _VERSION, "runs": self.runs, "archived": self.archived}
        return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def orchestrations(
    desk: DeskPaths, tell: Callable[[str], None], *, with_archived: bool = False, is_kept: bool = True
) -> Record:
    """What ``runs --json`` prints; with ``is_kept`` the answer without archived ones is kept as ``current.json``."""
    data = files.read_bytes_or_none(desk.index)
    before = _read_index(data)
    index = _Index()
    found: list[Record] = []
    for name, paths in _places(desk):
        record = _recorded(desk, name, paths, before, index, tell)
        if record is not None:
            found.append(record)
    names = _folders(desk.archived_runs)
    for name in names:
        known = before.archived.get(name) or _archived_record(desk, name, before, tell)
        if known is not None:
            index.archived[name] = known
    answer = _answer(found, len(names))
    if is_kept and os.path.isdir(desk.runs):
        _tell_lost(desk, before, index, tell)
        _keep(desk, data, index, answer)
    if with_archived:
        answer = _answer([*found, *index.archived.values()], len(names))
    return answer


def record_of(desk: DeskPaths, paths: RunPaths) -> Record:
    """One orchestration; raises ``CannotGoOnError`` where it cannot be read."""
    from orchestrator.workers.health import all_vitals, run_health

    store = Store.open(paths)
    state, now = store.state, clock.now()
    outcome = state.run_state(now)
    return {
        "id": state.id,
        "title": state.plan.title,
        "state": str(outcome),
        "current_stage": state.current_stage,
        "stages": state.stages,
        "progress_percent": state.progress_percent,
        "active_tasks": state.count(Status.RUNNING),
        "health": run_health(all_vitals(store) if state.count(Status.RUNNING) else [], outcome),
        "cost_usd": round(state.spent_usd, 6),
        "created_at": clock.iso_offset(state.created) if state.created is not None else None,
        "folder": os.path.relpath(paths.folder, desk.project).replace(os.sep, "/"),
        "archived": False,
    }


def settled_costs(desk: DeskPaths) -> dict[str, tuple[tuple[int, int], float]]:
    """For each run in which nothing goes on, by name: the stamp of its journal when that was seen, and its cost.

    From the index alone: whoever looks at many runs need not read those whose journal has not changed.
    """
    index = _read_index(files.read_bytes_or_none(desk.index))
    return {
        name: ((stamp[0], stamp[1]), float(record["cost_usd"]))  # type: ignore[arg-type]
        for name, (stamp, record) in index.runs.items()
        if record.get("state") in _SETTLED and not record["active_tasks"]
    }


def _places(desk: DeskPaths) -> list[tuple[str, RunPaths]]:
    """Every run that is not archived, by the name of its folder; the single plan beside the desk has none."""
    places = [(name, desk.run(name)) for name in _folders(desk.runs) if name != ARCHIVED]
    return [("", desk.own_run), *places]


def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _recorded(
    desk: DeskPaths, name: str, paths: RunPaths, before: _Index, index: _Index, tell: Callable[[str], None]
) -> Record | None:
    try:
        found = os.stat(paths.journal)
    except OSError:
        return None  # a run that is being made, or the project has no single plan
    stamp = [found.st_mtime_ns, found.st_size]
    known = before.runs.get(name)
    if known is not None and known[0] == stamp and known[1].get("state") in _SETTLED and not known[1]["active_tasks"]:
        index.runs[name] = known
        return known[1]
    try:
        record = record_of(desk, paths)
    except CannotGoOnError as error:
        tell(f"{os.path.relpath(paths.folder, desk.project)} cannot be read: {error.message} (try: {error.advice})")
        return None
    index.runs[name] = stamp, record
    return record


def _archived_record(desk: DeskPaths, name: str, before: _Index, tell: Callable[[str], None]) -> Record | None:
    """What is known of a run that was put aside: what it was before, or what its files say."""
    paths = RunPaths(desk.project, os.path.join(desk.archived_runs, name))
    known = before.runs.get(name)
    try:
        record = dict(known[1]) if known is not None else record_of(desk, paths)
    except CannotGoOnError as error:
        tell(f"runs/archived/{name} cannot be read: {error.message}")
        return None
    folder = os.path.relpath(paths.folder, desk.project).replace(os.sep, "/")
    return {**record, "folder": folder, "archived": True}


def _answer(found: list[Record], archived: int) -> Record:
    def count(*states: RunState) -> int:
        return sum(record["state"] in states for record in found)

    ordered = sorted(found, key=lambda record: (str(record["created_at"] or ""), str(record["id"])), reverse=True)
    return {
        "total": len(found),
        "active": count(RunState.PLANNING, RunState.PLANNED, RunState.RUNNING, RunState.PAUSED),
        "completed": count(RunState.COMPLETED),
        "failed": count(RunState.FAILED),
        "blocked": count(RunState.BLOCKED),
        "archived": archived,
        "orchestrations": [*ordered],
        "last_update": clock.iso_offset(clock.now()),
    }


def _tell_lost(desk: DeskPaths, before: _Index, index: _Index, tell: Callable[[str], None]) -> None:
    """Say of each run that was there at the last look and is nowhere any more that its folder was removed."""
    for name, (_, record) in before.runs.items():
        if not name or name in index.runs or name in index.archived or os.path.exists(desk.run(name).folder):
            continue
        from orchestrator.store.deskjournal import DeskJournal

        tell(f"the run {name} is gone: its folder was removed; it had cost ${record['cost_usd']}")
        try:
            DeskJournal(desk).record(
                EventType.RUN_LOST, name, reason="its folder was removed", cost_usd=record["cost_usd"]
            )
        except CannotGoOnError:
            return  # a disk that cannot be written


def _keep(desk: DeskPaths, data: bytes | None, index: _Index, answer: Record) -> None:
    """Write the index where it is another one, and the answer; a disk that cannot be written holds nothing up."""
    text = index.text()
    try:
        if data is None or text.encode("utf-8", "replace") != data:
            files.write_whole(desk.index, text, flush=False)
        files.write_whole(desk.current, json.dumps(answer, ensure_ascii=False) + "\n", flush=False)
    except CannotGoOnError:
        pass


def _read_index(data: bytes | None) -> _Index:
    try:
        record = json.loads(data or b"{}")
        if record.get("version") != _VERSION:
            return _Index()
        runs = {name: (stamp, known) for name, (stamp, known) in record["runs"].items() if known["id"]}
        return _Index(runs, {name: known for name, known in record["archived"].items() if known["id"]})
    except (ValueError, KeyError, TypeError, AttributeError):
        return _Index()  # a cache that cannot be read is made anew
