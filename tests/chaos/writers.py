"""Many writers at once: processes that change the state, readers, and an editor that knows nothing of locks."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from chaos.ledger import Laboratory
from chaos.worlds import World

MANY = "50 processes with 20 changes each: a change lost"
READER = "a reader among 50 writers: a table that is not whole"
COMMANDS = "20 commands that start at once: an answer that is wrong, a change lost"
EDITOR = "an editor that truncates and rewrites master_plan.md beside 20 workers: an edit lost"
UPDATES = "20 workers beside that editor: an update lost"
FAULTS = (MANY, READER, COMMANDS, EDITOR, UPDATES)

WRITERS = 50
CHANGES = 20


def plan_of(size: int, extra: str = "") -> str:
    """A plan of ``size`` tasks that do not wait for each other."""
    tasks = "".join(
        f"  - {{id: T-{number:03}, name: Task {number}, description: d, success_criteria: [x]{extra}}}\n"
        for number in range(1, size + 1)
    )
    return f"title: Many\nrequest: Many\ndefaults: {{timeout: 60s}}\ntasks:\n{tasks}"


def attempt(laboratory: Laboratory) -> None:
    """Write, read and edit at once."""
    for _ in range(laboratory.count(2, 1)):
        _many(laboratory, laboratory.count(WRITERS, 12))
    for _ in range(laboratory.count(3, 1)):
        _commands(laboratory, laboratory.count(20, 6))
    _edited(laboratory, laboratory.count(20, 4))


def _many(laboratory: Laboratory, writers: int) -> None:
    world = World.make(plan_of(100))
    try:
        before = len(world.events())
        pids = [_forked(lambda number=number: _write(world.project, number, CHANGES)) for number in range(writers)]
        readings, broken = 0, []
        while pids:
            broken += [f"a reader saw: {problem}" for problem in world.sound()]
            readings += 1
            pids = [pid for pid in pids if not _has_ended(pid, broken)]
        seen = world.events()[before:]
        for number in range(writers):
            steps = [event["step"] for event in seen if str(event.get("step", "")).startswith(f"{number}.")]
            wanted = [f"{number}.{change}" for change in range(CHANGES)]
            lost = [] if steps == wanted else [f"writer {number}: {len(steps)} of {CHANGES} are there, or not in order"]
            laboratory.note(MANY, lost)
        world.call("status")
        laboratory.note(READER, [*broken[:3], *world.sound()] if readings else ["nothing was read"])
    finally:
        world.remove()


def _write(project: Path, number: int, changes: int) -> None:
    """One process that opens the store once and changes the state again and again; it shows the table as it goes."""
    from orchestrator.events import EventType
    from orchestrator.paths import RunPaths
    from orchestrator.store.store import Store
    from orchestrator.store.table import Table

    store = Store.open(RunPaths.of(str(project)))
    table = Table(store, None)
    for change_number in range(changes):
        with store.change() as change:
            change.record(EventType.TASK_PROGRESS, f"T-{number + 1:03}", step=f"{number}.{change_number}")
        table.show_soon()


def _forked(act: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        act()
        code = 0
    except BaseException:  # noqa: BLE001 - a fork must never return into the suite
        traceback.print_exc()
    finally:
        os._exit(code)


def _has_ended(pid: int, broken: list[str]) -> bool:
    found, status = os.waitpid(pid, os.WNOHANG)
    if found and status:
        broken.append(f"a writer ended with {os.waitstatus_to_exitcode(status)}")
    return bool(found)


def _commands(laboratory: Laboratory, count: int) -> None:
    """Half of the commands want the same task: one gets it, the others are refused."""
    world = World.make(plan_of(count))
    try:
        wanted = [f"T-{number:03}" if number % 2 else "T-002" for number in range(1, count + 1)]
        started = [world.start("start", task) for task in wanted]
        ended = [child.wait() for child in started]
        problems = [problem for one in ended for problem in one.defects()]
        running = {name for name, task in world.status().items() if task["status"] == "running"}
        for task in sorted(set(wanted)):
            given = sum(1 for one, name in zip(ended, wanted, strict=True) if name == task and one.code == 0)
            if given != 1 or task not in running:
                problems.append(f"{task} was given to {given} and is {'' if task in running else 'not '}running")
        for _ in wanted:
            laboratory.note(COMMANDS, problems)
            problems = []
    finally:
        world.remove()


def _edited(laboratory: Laboratory, workers: int) -> None:
    """Every worker starts and completes its tasks while somebody skips others in an editor, again and again."""
    world = World.make(plan_of(workers * 3 + 12))
    try:
        names = [f"T-{number:03}" for number in range(1, workers * 3 + 13)]
        edited, worked = names[:12], names[12:]
        shares = [worked[at::workers] for at in range(workers)]
        pids = [_forked(lambda share=share: _work(world, share)) for share in shares]
        broken: list[str] = []
        for task in edited:
            _edit_in_place(world.folder / "master_plan.md", task, laboratory.chance.uniform(0.0, 0.05))
            time.sleep(laboratory.chance.uniform(0.05, 0.3))
            pids = [pid for pid in pids if not _has_ended(pid, broken)]
        while pids:
            time.sleep(0.02)
            pids = [pid for pid in pids if not _has_ended(pid, broken)]
        time.sleep(0.3)
        tasks = world.status()
        for task in edited:
            status = tasks[task]["status"]
            laboratory.note(EDITOR, [] if status == "skipped" else [f"{task} was skipped by hand and is {status}"])
        for task in worked:
            status = tasks[task]["status"]
            problems = [] if status == "completed" else [f"{task} was completed and is {status}"]
            laboratory.note(UPDATES, [*problems, *broken])
            broken = []
        laboratory.note(UPDATES, world.sound())
    finally:
        world.remove()


def _work(world: World, share: list[str]) -> None:
    """Start and complete tasks by the commands, as agents in a session do."""
    for task in share:
        for words in (("start", task), ("complete", task, "--result", f"{task}.md")):
            (world.project / f"{task}.md").write_text(f"The result of {task}.\n")
            done = world.call(*words)
            if done.code:
                raise RuntimeError(f"{words}: {done.code} {done.stderr}")


def _edit_in_place(table: Path, task: str, pause_s: float) -> None:
    """What a plain editor does: read, change, truncate, write a part, write the rest; a save that lost a race again."""
    for _ in range(200):
        text = table.read_text()
        row = next((line for line in text.splitlines() if line.startswith(f"| {task} |")), "")
        if "Skipped" in row:
            return
        new = text.replace(row, row.replace("🟡 Pending", "⏭️ Skipped")) if row else text
        assert new != text or not row, f"{task} has another status than pending: {row}"
        if row:
            break
        time.sleep(0.02)
    time.sleep(pause_s)
    with open(table, "w") as file:
        file.write(new[: len(new) // 2])
        file.flush()
        time.sleep(pause_s)
        file.write(new[len(new) // 2 :])
