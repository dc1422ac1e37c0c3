"""A run to be hurt, and what must hold of it afterwards, whatever was done."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import processes
from chaos import forks
from chaos.faults import StepFault
from programs import named_environment

WORKER = Path(__file__).with_name("worker.sh")
LINES = 400

TWELVE = """\
title: Twelve tasks
request: Be hurt
defaults: {timeout: 60s, max_retries: 2}
tasks:
""" + "".join(
    f"  - {{id: T-{number:02}, name: Task {number}, description: Say many lines., success_criteria: [all lines], "
    f"deps: [{', '.join(f'T-{dep:02}' for dep in deps)}]}}\n"
    for number, deps in {
        1: [], 2: [], 3: [], 4: [1], 5: [1, 2], 6: [2, 3], 7: [4], 8: [5, 6], 9: [3], 10: [7, 8], 11: [9], 12: [10, 11],
    }.items()
)  # fmt: skip


def result_of(task: str) -> str:
    """What the worker says for ``task``."""
    lines = "".join(f"{task} line {line} of a result that must arrive whole\n" for line in range(LINES))
    return f"{lines}end of {task}\n"


@dataclass
class World:
    """A project with a run; ``environment`` is all that its programs get."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    place: Path | None = None

    @classmethod
    def make(cls, plan: str, parent: Path | None = None) -> World:
        """A new project with a run of ``plan``, in a folder that is nobody else's."""
        world = cls.empty(parent)
        (world.project / "plan.yaml").write_text(plan)
        begun = world.call("init", "--trust")
        assert begun.code == 0, begun.stderr
        return world

    @classmethod
    def empty(cls, parent: Path | None = None) -> World:
        """A new project without a run."""
        root = Path(tempfile.mkdtemp(prefix="chaos-", dir=parent))
        for name in ("home", "tmp", "project/busy"):
            (root / name).mkdir(parents=True)
        return cls(root, named_environment(root / "home", root / "tmp", os.environ["PATH"]))

    @property
    def project(self) -> Path:
        return self.place or self.root / "project"

    @property
    def folder(self) -> Path:
        return self.project / ".orchestrator"

    # -- doing -----------------------------------------------------------------------------------

    def start(self, *words: str, fault: StepFault | None = None, counts: Path | None = None) -> forks.Child:
        """Start a command."""
        return forks.start(*words, folder=self.project, environment=self.environment, fault=fault, counts=counts)

    def call(self, *words: str, fault: StepFault | None = None, counts: Path | None = None) -> forks.Ended:
        """Run a command to its end."""
        return self.start(*words, fault=fault, counts=counts).wait()

    def spawn(self, *words: str, timeout_s: float = 60.0) -> forks.Ended:
        """Run a command to its end as a process of its own: a fork is nothing for a suite that has threads."""
        return forks.spawn(*words, folder=self.project, environment=self.environment, timeout_s=timeout_s)

    def call_here(self, *words: str) -> forks.Ended:
        """Run a command to its end in this very process."""
        return forks.call_here(*words, folder=self.project)

    def call_plainly(self, *words: str) -> forks.Ended:
        """Run a command to its end without the privileges of root."""
        return forks.start(*words, folder=self.project, environment=self.environment, has_privileges=False).wait()

    def script(self, path: Path, shell: str = "bash", timeout_s: float = 60.0) -> forks.Ended:
        """Run a generated script to its end, from another folder than its own."""
        return forks.spawn_program(
            [shell, str(path)], (path.name,), folder=self.root, environment=self.environment, timeout_s=timeout_s
        )

    def run_words(self, jobs: int = 4) -> tuple[str, ...]:
        """The command that runs the plan with the worker of the suite."""
        return ("run", "--jobs", str(jobs), "--command", f"sh '{WORKER}'")

    def status(self) -> dict[str, dict[str, object]]:
        """The tasks as ``status --json`` gives them, by id."""
        return {task["id"]: task for task in self.call("status", "--json").json["tasks"]}

    # -- what is there ---------------------------------------------------------------------------

    def events(self) -> list[dict[str, object]]:
        """The complete lines of the journal."""
        path = self.folder / "events.jsonl"
        data = path.read_bytes() if path.exists() else b""
        return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]

    def living(self) -> list[int]:
        """The pids of the workers, and of all that they have started."""
        from orchestrator.system.process_table import marked_processes

        run = next((str(event["orchestration_id"]) for event in self.events()), "")
        return marked_processes(f"{run}/") if run else []

    def kill_all(self) -> None:
        """Kill every process of a worker, as a power cut would."""
        for _ in range(5):
            living = self.living()
            for pid in living:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not living:
                return
            time.sleep(0.01)

    def damage(self) -> list[str]:
        """What must never be, at any moment: half a result, a changed line, two attempts at once, a broken table."""
        return [*self.sound(), *self._result_damage(), *self._doubled()]

    def sound(self) -> list[str]:
        """The part of `damage` that holds for any plan and any worker."""
        return [*self.journal_damage(), *self._table_damage()]

    def journal_damage(self) -> list[str]:
        """What is wrong with the journal itself."""
        from orchestrator.store.journal import Journal

        path = str(self.folder / "events.jsonl")
        found = [problem.message for problem in Journal(path, path + ".torn").faults()]
        completed: set[object] = set()
        for event in self.events():
            task, type = event.get("task"), event["type"]
            if type == "task_completed":
                found += [f"{task} was completed twice"] * (task in completed)
                completed.add(task)
            elif type == "task_started" and task in completed:
                found.append(f"{task} was begun again after it was completed")
            elif type == "task_reopened":
                completed.discard(task)
        return found

    def _result_damage(self) -> list[str]:
        found = []
        for event in self.events():
            if event["type"] == "task_completed" and str(event.get("result", "")).startswith("results/"):
                path = self.folder / str(event["result"])
                if not path.exists():
                    found.append(f"the result {event['result']} of the completed {event['task']} is lost")
        for path in (self.folder / "results").glob("agent-*.md"):
            text = path.read_text("utf-8", "replace")
            task = text.partition(" ")[0]
            if text.strip() != result_of(task).strip():
                found.append(f"{path.name} is not whole: {len(text)} characters, ends with {text[-40:]!r}")
        return found

    def _table_damage(self) -> list[str]:
        from orchestrator.texts.document import read_document

        table = self.folder / "master_plan.md"
        if not table.exists():
            return []
        reading = read_document(table.read_text("utf-8", "replace"))
        return [f"master_plan.md: {problem.text()}" for problem in reading.problems]

    def _doubled(self) -> list[str]:
        doubled = self.project / "doubled"
        return [f"two attempts at once: {doubled.read_text().split()}"] if doubled.exists() else []

    def unfinished(self) -> list[str]:
        """What must not be when the plan has been run to its end."""
        found = [f"{name} is {task['status']}: {task['reason']}" for name, task in self.status().items()
                 if task["status"] != "completed"]  # fmt: skip
        found += self.left_processes()
        lines = len((self.folder / "events.torn").read_bytes().splitlines()) if self._has_torn() else 0
        return found + [f"{lines} lines were set aside"] * (lines > 500)

    def _has_torn(self) -> bool:
        return (self.folder / "events.torn").exists()

    def left_processes(self, within_s: float = 3.0) -> list[str]:
        """The processes of workers that are alive although no command is."""
        end = time.monotonic() + within_s
        while (living := self.living()) and time.monotonic() < end:
            time.sleep(0.02)
        return [f"left alive: {living}"] if living else []

    def discard(self) -> None:
        """Take the files away of a world that has started no worker."""
        shutil.rmtree(self.root, ignore_errors=True)

    def remove(self) -> None:
        """Take everything away again, its processes first."""
        with suppress(OSError, ValueError):
            self.kill_all()
        processes.kill(processes.carrying("HOME", str(self.root / "home")))
        shutil.rmtree(self.root, ignore_errors=True)


def copied(world: World) -> World:
    """Another world like ``world``, which must have no process."""
    root = Path(tempfile.mkdtemp(prefix="chaos-", dir=world.root.parent))
    for name in ("home", "tmp"):
        (root / name).mkdir()
    shutil.copytree(world.project, root / "project", symlinks=True)
    environment = named_environment(root / "home", root / "tmp", world.environment["PATH"])
    return World(root, {**world.environment, **environment})


def first(problems: Iterable[str], count: int = 3) -> list[str]:
    """The first few."""
    return list(problems)[:count]
