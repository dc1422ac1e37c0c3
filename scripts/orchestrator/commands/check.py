"""Phase 4: ``check``, the result collection checklist, and what to do about its gaps."""

from __future__ import annotations

import os
from dataclasses import dataclass

from orchestrator import files, moves
from orchestrator.commands.session import Place, Session, answer, open_session, problem_lines
from orchestrator.errors import ExitCode, UsageError
from orchestrator.executors.claude_argv import worker_environment
from orchestrator.model import Json, Status
from orchestrator.moves import Spent, Start
from orchestrator.state import DONE
from orchestrator.trust import require_trust
from orchestrator.workers import checks, hand_over
from orchestrator.workers.integrity import result_fault

STATE_CELLS = {
    "exists": "✅ Exists",
    "missing": "❌ Missing",
    "empty": "⚠️ Empty",
    "invalid": "⚠️ Invalid",
    "unrecorded": "❔ Unrecorded",
}


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
    session = open_session(place)
    if with_verify:
        require_trust(session.store.paths, session.store.state, lambda part: part.startswith("verify of "))
    entries = checklist(session, with_verify=with_verify)
    gaps = [entry for entry in entries if entry.state != "exists"]
    acted: list[str] = []
    if gaps and (is_retry or is_fail or is_adopt):
        if is_retry:
            acted = _retry(session, gaps)
        elif is_fail:
            acted = _fail(session, gaps)
        else:
            acted = _adopt(session, gaps)
        session.show()
        entries = checklist(session, with_verify=with_verify)
    notes = _notes(session)
    is_complete = all(entry.state == "exists" for entry in entries)
    damage = [problem.text("events.jsonl") for problem in session.store.journal.faults()]
    record: Json = {
        "complete": is_complete,
        "results": [entry.record() for entry in entries],
        "acted": list(acted),
        "notes": [*notes, *damage],
    }
    answer(place, record, checklist_text(session, entries, [*notes, *damage, *problem_lines(session)], acted))
    return ExitCode.DONE if is_complete and not damage else ExitCode.PROBLEMS


def checklist(session: Session, *, with_verify: bool) -> list[Entry]:
    """The state of the result of every task that is not skipped, in the order of the plan."""
    state = session.store.state
    return [_entry(session, task, with_verify) for task in state.tasks if state.status(task) is not Status.SKIPPED]


def _entry(session: Session, task: str, with_verify: bool) -> Entry:
    store = session.store
    state, paths = store.state, store.paths
    name = hand_over.result_name(paths, state, task)
    data = files.read_bytes_or_none(paths.inside(*name.split("/")))
    status = state.status(task)
    text = (data or b"").decode("utf-8", "replace")

    def entry(kind: str, advice: str = "") -> Entry:
        return Entry(task, state.agents[task], hand_over.shown_path(paths, name), kind, advice)

    if data is None:
        return entry("missing", _advice_for_missing(session, task, status))
    if not text.strip():
        return entry("empty", f"write the result again, or `orchestrate check --retry` opens {task} again")
    if status is not Status.COMPLETED:
        if status is Status.PENDING:
            return entry(
                "unrecorded", f"`orchestrate check --adopt` records it after the usual checks; {task} is pending"
            )
        return entry("unrecorded", f"nobody recorded this file and {task} is {status}; it is not used")
    fault = result_fault(store, task)
    problems = [fault] if fault else checks.result_problems(state.tasks[task], text)
    problems += checks.output_problems(paths.project, state.tasks[task])
    if with_verify and not problems:
        problems += checks.verify_problems(paths.project, state.tasks[task], worker_environment(os.environ))
    if problems:
        return entry("invalid", "; ".join(problems) + f"; `orchestrate check --retry` opens {task} again")
    return entry("exists")


def _advice_for_missing(session: Session, task: str, status: Status) -> str:
    if status is Status.COMPLETED:
        return f"the recorded file is gone: put it back, or `orchestrate check --retry` opens {task} again"
    if status is Status.FAILED:
        reason = session.store.state.records[task].reason
        return f"{task} failed ({reason}): `orchestrate retry {task}`, or `orchestrate skip {task}` goes on without it"
    if status is Status.BLOCKED:
        return f"{task} waits for {', '.join(session.store.state.blockers(task))}: retry or skip that first"
    if status in (Status.RUNNING, Status.RETRYING):
        return f"{task} is {status}: wait for it"
    if status is Status.WAITING:
        return f"{task} is waiting: `orchestrate status` says for what"
    return f"{task} was not run yet: `orchestrate run`, or `orchestrate start {task}`"


def _notes(session: Session) -> list[str]:
    """Tasks that went on although something they depend on has been opened again since."""
    state = session.store.state
    return [
        f"{task} is {state.status(task)}, but {', '.join(unmet)} which it depends on is open again: look whether it still holds"
        for task in state.with_status(Status.COMPLETED, Status.RUNNING)
        if (unmet := [dep for dep in state.tasks[task].dep_ids if state.status(dep) not in DONE])
    ]


def checklist_text(session: Session, entries: list[Entry], notes: list[str], acted: list[str]) -> str:
    """The checklist as a Markdown table, then what to do about each gap."""
    lines = ["## Result Collection Checklist", "", "| Agent | Result File | Status |", "| --- | --- | --- |"]
    lines += [f"| {entry.agent} | {entry.file} | {STATE_CELLS[entry.state]} |" for entry in entries]
    gaps = [entry for entry in entries if entry.state != "exists"]
    if gaps:
        lines += ["", "## Missing Result Handling", ""]
        lines += [f"- {entry.task} ({entry.agent}), {entry.state}: {entry.advice}" for entry in gaps]
    skipped = session.store.state.with_status(Status.SKIPPED)
    lines += ["", f"Skipped on purpose: {', '.join(skipped)}"] if skipped else []
    lines += ["", *(f"! {note}" for note in notes)] if notes else []
    lines += ["", f"Done: {', '.join(acted)}"] if acted else []
    return "\n".join(lines)


def _retry(session: Session, gaps: list[Entry]) -> list[str]:
    acted = []
    openable = (Status.COMPLETED, Status.FAILED, Status.SKIPPED)
    with session.store.change() as change:
        for entry in gaps:
            if change.state.status(entry.task) in openable:
                moves.reopen(change, entry.task, f"result {entry.state}", allowed=openable)
                acted.append(f"{entry.task} is pending again")
    return acted


def _fail(session: Session, gaps: list[Entry]) -> list[str]:
    acted = []
    with session.store.change() as change:
        for entry in gaps:
            if change.state.status(entry.task) not in (Status.RUNNING, Status.FAILED):
                moves.mark_failed(change, entry.task, f"marked by check: result {entry.state}")
                acted.append(f"{entry.task} is failed")
    return acted


def _adopt(session: Session, gaps: list[Entry]) -> list[str]:
    store, acted = session.store, []
    require_trust(store.paths, store.state, lambda part: part.startswith("verify of "))
    for entry in gaps:
        if entry.state != "unrecorded" or store.state.status(entry.task) is not Status.PENDING:
            continue
        name = hand_over.result_name(store.paths, store.state, entry.task)
        data = files.read_bytes_or_none(store.paths.inside(*name.split("/"))) or b""
        problems = checks.all_problems(
            store.paths.project,
            store.state.tasks[entry.task],
            data.decode("utf-8", "replace"),
            worker_environment(os.environ),
        )
        if problems:
            acted.append(f"{entry.task} was not adopted: {'; '.join(problems)}")
            continue
        with store.change() as change:
            moves.start(change, [entry.task], Start("hand", "hand"))
            moves.complete(
                change, entry.task, result=name, hash=files.digest(data), spent=Spent(), reason="adopted by check"
            )
        hand_over.refresh_dependants(store.paths, store.state, [entry.task])
        acted.append(f"{entry.task} is completed")
    return acted
