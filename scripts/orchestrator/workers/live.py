"""``workers/T-01.json``: the live attempt of a task, for everybody to see; it goes when the attempt ends."""

from __future__ import annotations

import json
import os

from orchestrator import clock
from orchestrator.dataclasses import asdict, dataclass
from orchestrator.model import Json
from orchestrator.paths import RunPaths
from orchestrator.system import files
from orchestrator.system.process_table import process_started

HEARTBEAT_S = 15.0
"""How often a living supervisor says so."""
SILENT_S = 180.0
"""A supervisor that has not said so for this long is silent."""


@dataclass(frozen=True, slots=True)
class Live:
    """Who is at a task. Times are unix seconds; ``started`` is the start time of the process ``pid``."""

    task: str
    attempt: int
    agent: str
    role: str | None
    pid: int | None
    started: float | None
    group: int
    host: str
    supervisor: int
    mark: str
    session_id: str | None
    begun: float
    last_heartbeat: float
    last_progress: float


def host() -> str:
    """The name of this machine."""
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "localhost")


def supervisor_record() -> list[Json]:
    """Who judges an attempt: host, pid and the start time of this process."""
    return [host(), os.getpid(), process_started(os.getpid())]


def mark_of(run: str, task: str, number: int) -> str:
    """What every process of an attempt carries in its environment."""
    return f"{run}/{task}/{number}"


def show_live(paths: RunPaths, live: Live) -> None:
    """Show ``live`` as it now is."""
    files.write_whole(paths.worker(live.task), _text(live), flush=False)


def _text(live: Live) -> str:
    record: dict[str, Json] = asdict(live)
    for name in ("begun", "last_heartbeat", "last_progress"):
        record[name] = clock.utc_text(float(record[name]))  # type: ignore[arg-type]
    return json.dumps(record, ensure_ascii=False)


def read_live(paths: RunPaths, task: str) -> Live | None:
    """The live attempt of ``task`` as it was last shown; None when there is none or it cannot be read."""
    data = files.read_bytes_or_none(paths.worker(task))
    if data is None:
        return None
    try:
        record = json.loads(data)
        for name in ("begun", "last_heartbeat", "last_progress"):
            record[name] = clock.parse_utc(record[name])
        return Live(**record)
    except (ValueError, TypeError, KeyError):
        return None


def remove_live(paths: RunPaths, task: str, attempt: int) -> None:
    """Take away what shows that ``attempt`` of ``task`` is live."""
    live = read_live(paths, task)
    if live is not None and live.attempt == attempt:
        files.remove(paths.worker(task))
