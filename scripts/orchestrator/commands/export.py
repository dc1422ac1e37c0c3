"""``export``: a whole run for other programs, as JSON, CSV, or a drawing."""

from __future__ import annotations

import os

from orchestrator import clock
from orchestrator.commands.session import Place, Session, answer, read_session
from orchestrator.errors import ExitCode, UsageError
from orchestrator.events import EventType
from orchestrator.model import Json
from orchestrator.system import files

FORMATS = ("json", "csv", "mermaid", "dot", "gantt")


def export(place: Place, form: str = "json", *, output: str | None = None) -> ExitCode:
    """The run in the format ``form``, on stdout or in the file ``output``."""
    if form not in FORMATS:
        raise UsageError(f"there is no format {form!r}", "one of " + ", ".join(FORMATS))
    session = read_session(place)
    record: Json = _record(session) if form == "json" else None
    text = _json(record) if form == "json" else _text(session, form)
    if output is not None:
        target = os.path.abspath(output)
        files.write_whole(target, text)
        answer(place, {"format": form, "file": target}, f"Written: {os.path.relpath(target)}")
    elif form == "json":
        answer(place, record, text.rstrip("\n"))
    else:
        answer(place, {"format": form, "text": text}, "")
        if not place.as_json:
            _print(text)
    return ExitCode.DONE


def _print(text: str) -> None:
    """``text`` to the last byte: the line ends of CSV are part of it."""
    import sys

    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


def _json(record: Json) -> str:
    import json

    return json.dumps(record, ensure_ascii=False, indent=2) + "\n"


def _text(session: Session, form: str) -> str:
    from orchestrator.render.graph import dot, flowchart
    from orchestrator.report.export import csv_text, gantt_text
    from orchestrator.report.history import history
    from orchestrator.workers.recovery import lost_tasks

    store, now = session.store, clock.now()
    if form == "csv":
        return csv_text(store.state, now, lost_tasks(store))
    if form == "gantt":
        return gantt_text(store.state, history(store.journal.events()), now)
    tasks = [*store.state.tasks.values()]
    return flowchart(tasks) if form == "mermaid" else dot(tasks)


def _record(session: Session) -> dict[str, Json]:
    from orchestrator.commands.estimate import project_estimate
    from orchestrator.desk.triage import triage
    from orchestrator.report.export import export_record
    from orchestrator.workers.health import ALARMING, all_vitals

    store = session.store
    plan = store.state.whole_plan
    complexity = str(triage(plan.request or plan.objectives.primary or plan.title).complexity)
    zombies = {vitals.task for vitals in all_vitals(store) if vitals.health in ALARMING}
    return export_record(
        store.state,
        clock.now(),
        created=_created(session),
        complexity=complexity,
        zombies=zombies,
        estimate=project_estimate(store.paths, plan),
    )


def _created(session: Session) -> dict[str, float]:
    """When each task came into the plan."""
    created: dict[str, float] = {}
    for event in session.store.journal.events():
        if event is not None and event.get("type") == EventType.PLAN_CHANGED:
            tasks = (session.store.payload(event) or {}).get("tasks")
            for task in tasks if isinstance(tasks, dict) else ():
                created.setdefault(task, clock.parse_utc(str(event["timestamp"])))
    return created
