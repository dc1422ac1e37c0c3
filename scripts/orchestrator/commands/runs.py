"""``runs``: every orchestration of the project and where it stands; a single plan counts as one."""

from __future__ import annotations

import os

from orchestrator.commands.place import Place, answer, tell
from orchestrator.errors import ExitCode
from orchestrator.model import Json
from orchestrator.paths import DeskPaths
from orchestrator.render.summary import counted
from orchestrator.workers.orchestrations import Record, orchestrations

_TITLE = 48


def runs(place: Place, *, is_all: bool = False) -> ExitCode:
    """Every orchestration, the newest first; ``is_all``: those that were put aside as well."""
    desk = DeskPaths.of(place.paths)
    is_kept = os.access(desk.runs, os.W_OK)
    found = orchestrations(desk, tell, with_archived=is_all, is_kept=is_kept)
    answer(place, found, "" if place.as_json else _text(found))
    return ExitCode.DONE


def _text(found: Record) -> str:
    counts = ", ".join(f"{found[key]} {key}" for key in ("active", "completed", "failed", "blocked") if found[key])
    total = counted(int(str(found["total"])), "orchestration")
    lines = [f"{total}{f': {counts}' if counts else ''}"]
    lines[0] += f"; {found['archived']} archived (runs --all)" if found["archived"] else ""
    records: Json = found["orchestrations"]
    return "\n".join([*lines, *(_line(record) for record in records)])  # type: ignore[union-attr, arg-type]


def _line(record: Record) -> str:
    from orchestrator.render.markdown import one_line

    stage = f"stage {record['current_stage']} of {record['stages']}"
    parts = [str(record["state"]), f"{record['progress_percent']}%", stage]
    parts += [f"{record['active_tasks']} active"] * bool(record["active_tasks"])
    parts += [str(record["health"])] * (record["health"] not in ("healthy", record["state"]))
    parts += [f"${record['cost_usd']:.2f}"] * bool(record["cost_usd"])
    return f"  {record['id']}  {one_line(str(record['title']), _TITLE)}  ({', '.join(parts)})  {record['folder']}"
