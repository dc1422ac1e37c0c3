"""Where the files of a run are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from os import path

FOLDER = ".orchestrator"


@dataclass(frozen=True, slots=True)
class RunPaths:
    """The files of the run in ``folder``; ``project`` is what its agents work on. All are absolute."""

    project: str
    folder: str

    @staticmethod
    def of(project: str, folder: str | None = None) -> RunPaths:
        """The paths for ``project``; ``folder`` is ``.orchestrator`` in it unless another is named."""
        root = path.abspath(project)
        return RunPaths(root, path.abspath(path.join(root, folder or FOLDER)))

    @property
    def shown_folder(self) -> str:
        """The folder of the run as somebody in the project would name it."""
        return _shown(self.folder, self.project)

    def inside(self, *parts: str) -> str:
        """A file of the run."""
        return path.join(self.folder, *parts)

    @property
    def plan(self) -> str:
        """What to do; the person's and Claude's."""
        return self.inside("plan.yaml")

    @property
    def table(self) -> str:
        """``master_plan.md``."""
        return self.inside("master_plan.md")

    @property
    def journal(self) -> str:
        """What happened."""
        return self.inside("events.jsonl")

    @property
    def unpublished(self) -> str:
        """The journal of a run that is still being made."""
        return self.inside("store", "events.new")

    @property
    def torn(self) -> str:
        """Unfinished last lines of the journal."""
        return self.inside("events.torn")

    @property
    def final_output(self) -> str:
        """The merged result."""
        return self.inside("final_output.md")

    @property
    def report(self) -> str:
        """What was asked and what was delivered."""
        return self.inside("report.md")

    @property
    def report_page(self) -> str:
        """The same as one page for a browser."""
        return self.inside("report.html")

    @property
    def run_lock(self) -> str:
        """Held by the one ``run`` or ``feed`` that is active."""
        return self.inside("run.lock")

    @property
    def store(self) -> str:
        """What only the store reads: locks, versions of the plan, the snapshot."""
        return self.inside("store")

    @property
    def lock(self) -> str:
        """Held while the journal is appended to."""
        return self.inside("store", "state.lock")

    @property
    def table_lock(self) -> str:
        """Held while ``master_plan.md`` is written."""
        return self.inside("store", "table.lock")

    @property
    def plan_lock(self) -> str:
        """Held while ``plan.yaml`` is taken over or written."""
        return self.inside("store", "plan.lock")

    @property
    def judging_lock(self) -> str:
        """Held while the result of a task that was completed in the table is checked."""
        return self.inside("store", "judging.lock")

    @property
    def refused_plan(self) -> str:
        """Why the present ``plan.yaml`` was refused."""
        return self.inside("store", "refused_plan.json")

    @property
    def snapshot(self) -> str:
        """The state at a position of the journal; a cache."""
        return self.inside("store", "snapshot.json")

    @property
    def shown(self) -> str:
        """What was last written to ``master_plan.md``."""
        return self.inside("store", "shown.json")

    def agent_task(self, agent: str, task: str, shared: bool) -> str:
        """One agent's assignment."""
        from orchestrator import ids  # which not every command needs

        return self.inside("agent_tasks", ids.agent_file(agent, task, shared))

    def result_name(self, agent: str, task: str, shared: bool) -> str:
        """One agent's result, relative to the folder of the run."""
        from orchestrator import ids

        return "results/" + ids.result_file(agent, task, shared)

    def context(self, task: str) -> str:
        """Material gathered for a task."""
        return self.inside("context", f"{task}.md")

    def worker(self, task: str) -> str:
        """The live attempt of a task."""
        return self.inside("workers", f"{task}.json")

    def prompt(self, task: str, attempt: int) -> str:
        """What the worker of an attempt was told."""
        return self.inside("logs", f"{task}.{attempt}.prompt.md")

    def output(self, task: str, attempt: int) -> str:
        """What the worker of an attempt wrote on stdout."""
        return self.inside("logs", f"{task}.{attempt}.jsonl")

    def errors(self, task: str, attempt: int) -> str:
        """What the worker of an attempt wrote on stderr.

        Its supervisor and the worker hold a lock on it while either lives: an attempt needs no lock file of its own.
        """
        return self.inside("logs", f"{task}.{attempt}.err")


@cache
def _shown(folder: str, project: str) -> str:
    try:
        return path.relpath(folder, project).replace(path.sep, "/")
    except ValueError:  # on Windows, another drive
        return folder.replace(path.sep, "/")
