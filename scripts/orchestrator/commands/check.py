"""Phase 4: ``check``, the result collection checklist, and what to do about its gaps."""

from __future__ import annotations

import os

from orchestrator.commands.session import Place, Session, answer, open_or_read, problem_lines, tell
from orchestrator.dataclasses import dataclass
from orchestrator.errors import ExitCode, MoveRefusedError, UsageError
from orchestrator.executors.claude_argv import worker_environment
from orchestrator.model import Json, Status
from orchestrator.store import moves
from orchestrator.store.change import NOTHING_SPENT
from orchestrator.store.trust import require_trust
from orchestrator.system import files
from orchestrator.workers import checks, hand_over
from orchestrator.workers.assignments import refresh_assignments
from orchestrator.workers.integrity import outdated, result_fault

STATE_CELLS = {
    "exists": "✅ Exists",
    "missing": "❌ Missing",
    "empty": "⚠️ Empty",
    "invalid": "⚠️ Invalid",
    "unrecorded": "❔ Unrecorded",
}
REOPENED = (Status.COMPLETED, Status.FAILED, Status.SKIPPED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the checklist."""

    task: str
    agent: str
    file: str
    state: str
    advice: str

    def record(self) -> dict[str, Json]:
        """The JSON form."""
        return {"task": self.task, "agent": self.agent, "file": self.file, "state": self.state, "advice": self.advice}


def check(
    place: Place, *, is_retry: bool = False, is_fail: bool = False, is_adopt: bool = False, with_verify: bool = True
) -> ExitCode:
    """Is every result there and good? 1 while one is not; the options act on the gaps."""
    if is_retry + is_fail + is_adopt > 1:
        raise UsageError("--retry, --fail and --adopt exclude each other", "give one of them")
    session = open_or_read(place)
    entries = checklist(session, with_verify=with_verify)
    gaps = [entry for entry in entries if entry.state != "exists"]
    acted: list[str] = []
    if gaps and (is_retry or is_fail or is_adopt):
        acted = (_retry if is_retry else _fail if is_fail else _adopt)(session, gaps)
        session.show()
        entries = checklist(session, with_verify=with_verify)
    for line in acted:
        tell(line)
    faults = [problem.text("events.jsonl") for problem in session.store.journal.faults()]
    is_complete = all(entry.state == "exists" for entry in entries)
    told = problem_lines(session)
    for fault in faults:
        if fault not in told:
            tell(fault)
    record: Json = {"complete": is_complete, "results": [entry.record() for entry in entries]}
    answer(place, record, checklist_text(session, entries, list(dict.fromkeys([*told, *faults]))))
    return ExitCode.DONE if is_complete and not faults else ExitCode.PROBLEMS


def checklist(session: Session, *, with_verify: bool) -> list[Entry]:
    """The state of the result of every task that is not skipped, in the order of the plan."""
    store = session.store
    state = store.state
    tasks = [task for task in state.tasks if state.status(task) is not Status.SKIPPED]
    if with_verify:
        starting = tuple(f"verify of {task}: " for task in tasks if state.status(task) is Status.COMPLETED)
        require_trust(store.paths, state, lambda part: part.startswith(starting))
    return [_entry(session, task, with_verify) for task in tasks]


def _entry(session: Session, task: str, with_verify: bool) -> Entry:
    store = session.store
    state, paths = store.state, store.paths
    name = hand_over.result_name(paths, state, task)
    data = files.read_own_or_none(paths.inside(*name.split("/")))
    status = state.status(task)
    text = (data or b"").decode("utf-8", "replace")
    note = outdated(state, task)

    def entry(kind: str, advice: str = "") -> Entry:
        file = hand_over.shown_path(paths, *name.split("/"))
        return Entry(task, state.agents[task], file, kind, "; ".join(filter(None, (advice, note))))

    if data is None:
        return entry("missing", _advice_for_missing(session, task, status))
    if status is not Status.COMPLETED:
        if not text.strip():
            return entry("empty", _advice_for_missing(session, task, status))
        return entry("unrecorded", _advice_for_unrecorded(task, status))
    if not text.strip():
        return entry("empty", f"write the result again, or `orchestrate check --retry` opens {task} again")
    fault = result_fault(store, task)
    problems = [fault] if fault else checks.result_problems(state.tasks[task], text)
    problems += checks.output_problems(paths.project, state.tasks[task])
    if with_verify and not problems:
        problems += checks.verify_problems(paths.project, state.tasks[task], worker_environment(os.environ))
    if problems:
        return entry("invalid", "; ".join(problems) + f"; `orchestrate check --retry` opens {task} again")
    return entry("exists")


def _advice_for_missing(session: Session, task: str, status: Status) -> str:
    state = session.store.state
    if status is Status.COMPLETED:
        return f"the recorded file is gone: put it back, or `orchestrate check --retry` opens {task} again"
    if status is Status.FAILED:
        reason = state.records[task].reason
        return f"{task} failed ({reason}): `orchestrate retry {task}`, or `orchestrate skip {task}` goes on without it"
    if status is Status.BLOCKED:
        return f"{task} waits for {', '.join(state.blockers(task))}: retry or skip that first"
    if status in (Status.RUNNING, Status.RETRYING):
        return f"{task} is {status}: wait for it"
    if status is Status.WAITING:
        return f"{task} is waiting: `orchestrate status` says for what"
    return f"{task} was not run yet: `orchestrate run`, or `orchestrate start {task}`"


def _advice_for_unrecorded(task: str, status: Status) -> str:
    says = f"nobody recorded this file, and {task} is {status}"
    if status is Status.PENDING:
        return f"{says}: `orchestrate check --adopt` records it after the usual checks"
    if status is Status.RUNNING:
        return f"{says}: `orchestrate complete {task}` records it after the usual checks"
    if status is Status.FAILED:
        return f"{says}: `orchestrate retry {task}`, then `orchestrate check --adopt` records it after the usual checks"
    return f"{says}: it is not used"


def checklist_text(session: Session, entries: list[Entry], problems: list[str]) -> str:
    """The checklist as a Markdown table, then what to do about each gap."""
    lines = ["## Result Collection Checklist", "", "| Agent | Result File | Status |", "| --- | --- | --- |"]
    lines += [f"| {entry.agent} | {entry.file} | {STATE_CELLS[entry.state]} |" for entry in entries]
    gaps = [entry for entry in entries if entry.state != "exists"]
    if gaps:
        lines += ["", "## Missing result handling", ""]
        lines += [f"- {entry.task} ({entry.agent}), {entry.state}: {entry.advice}" for entry in gaps]
    notes = [f"! {entry.task}: {entry.advice}" for entry in entries if entry.state == "exists" and entry.advice]
    skipped = session.store.state.with_status(Status.SKIPPED)
    lines += ["", f"Left out: {', '.join(skipped)}"] if skipped else []
    notes += [f"! {problem}" for problem in problems]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def _retry(session: Session, gaps: list[Entry]) -> list[str]:
    acted = []
    with session.store.change() as change:
        for entry in gaps:
            if change.state.status(entry.task) in REOPENED:
                moves.reopen(change, entry.task, f"result {entry.state}", allowed=REOPENED)
                acted.append(f"{entry.task} is {change.state.status(entry.task)} again")
    return acted


def _fail(session: Session, gaps: list[Entry]) -> list[str]:
    acted = []
    with session.store.change() as change:
        for entry in gaps:
            if change.state.status(entry.task) not in (Status.RUNNING, Status.FAILED):
                moves.mark_failed(change, entry.task, f"marked by check: result {entry.state}")
                acted.append(f"{entry.task} is failed")
    refresh_assignments(session.store.paths, session.store.state, [entry.task for entry in gaps])
    return acted


def _adopt(session: Session, gaps: list[Entry]) -> list[str]:
    """Record what passes, a stage after the other: a task that waits for an adopted one can be adopted after it."""
    store = session.store
    return [
        _adopt_one(session, entry.task)
        for entry in sorted(gaps, key=lambda entry: store.state.stage(entry.task))
        if entry.state == "unrecorded" and store.state.status(entry.task) is Status.PENDING
    ]


def _adopt_one(session: Session, task: str) -> str:
    store = session.store
    paths, spec = store.paths, store.state.tasks[task]
    require_trust(paths, store.state, lambda part: part.startswith(f"verify of {task}: "))
    name = hand_over.result_name(paths, store.state, task)
    data = files.read_own_or_none(paths.inside(*name.split("/"))) or b""
    text = data.decode("utf-8", "replace")
    problems = checks.all_problems(paths.project, spec, text, worker_environment(os.environ))
    if problems:
        return f"{task} was not adopted: {'; '.join(problems)}"
    try:
        with store.change() as change:
            moves.start(change, [task], moves.BY_HAND)
            hash, reason = files.digest(data), "adopted by check"
            moves.complete(change, task, result=name, hash=hash, spent=NOTHING_SPENT, reason=reason)
    except MoveRefusedError as error:  # somebody was faster
        return f"{task} was not adopted: {error.message}"
    refresh_assignments(paths, store.state, [task])
    return f"{task} is completed"
