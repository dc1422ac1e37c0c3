"""Where the files of a run are."""

from __future__ import annotations

from functools import cache
from os import path

from orchestrator.dataclasses import dataclass

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
    def main_task(self) -> str:
        """The four-line state of the stateless loop."""
        return self.inside("MAIN_TASK")

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

    def handoff(self, role: str, task: str) -> str:
        """A task handed to a role."""
        return self.inside("handoffs", f"to-{role}-{task}.json")

    @property
    def templates(self) -> str:
        """The user's own plan templates."""
        return self.inside("templates")

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


RUNS = "runs"
"""The folder of a desk that has a folder for each of its runs."""
QUEUE = "queue"
"""The folder of a desk with a file for each request."""
ARCHIVED = "archived"
"""The folder in it with those that were put aside."""


@dataclass(frozen=True, slots=True)
class DeskPaths:
    """The files of the desk in ``folder``, which may have a run of its own beside those under ``runs``."""

    project: str
    folder: str

    @staticmethod
    def of(paths: RunPaths) -> DeskPaths:
        """The desk that a run belongs to: the one whose ``runs`` it is in, else the one in its own folder."""
        around, name = path.split(path.dirname(paths.folder))
        is_desk = name == RUNS and (path.basename(around) == FOLDER or path.isdir(path.join(around, QUEUE)))
        return DeskPaths(paths.project, around if is_desk else paths.folder)

    def has(self, paths: RunPaths) -> bool:
        """Whether a run is one of the desk, and not the single plan beside it."""
        return paths.folder != self.folder

    def inside(self, *parts: str) -> str:
        """A file of the desk."""
        return path.join(self.folder, *parts)

    @property
    def own_run(self) -> RunPaths:
        """The single plan beside the desk."""
        return RunPaths(self.project, self.folder)

    def run(self, id: str) -> RunPaths:
        """The run of one request."""
        return RunPaths(self.project, self.inside(RUNS, id))

    @property
    def settings(self) -> str:
        """The limits of the desk and prices; the person's."""
        return self.inside("desk.yaml")

    @property
    def queue(self) -> str:
        """One file for each request; any program may add one by rename."""
        return self.inside(QUEUE)

    def request(self, id: str) -> str:
        """The file of one request."""
        return self.inside(QUEUE, f"{id}.json")

    @property
    def refused(self) -> str:
        """What was put into the queue and is no request."""
        return self.inside(QUEUE, "refused")

    @property
    def archived_requests(self) -> str:
        """Requests that were put aside."""
        return self.inside(QUEUE, ARCHIVED)

    @property
    def journal(self) -> str:
        """What happened to requests."""
        return self.inside(QUEUE, "events.jsonl")

    @property
    def torn(self) -> str:
        """Unfinished last lines of that journal."""
        return self.inside(QUEUE, "events.torn")

    @property
    def queue_lock(self) -> str:
        """Held while a request is changed or the journal of the desk is appended to."""
        return self.inside(QUEUE, "locks", "queue.lock")

    @property
    def watch_lock(self) -> str:
        """Held by the one ``queue run`` that is active."""
        return self.inside(QUEUE, "locks", "desk.lock")

    def work_lock(self, id: str) -> str:
        """Held by the process that works on a request."""
        return self.inside(QUEUE, "locks", f"{id}.lock")

    def log(self, id: str) -> str:
        """What that process printed."""
        return self.inside(QUEUE, "logs", f"{id}.log")

    @property
    def runs(self) -> str:
        """One folder for each run of the desk."""
        return self.inside(RUNS)

    @property
    def archived_runs(self) -> str:
        """Runs that were put aside."""
        return self.inside(RUNS, ARCHIVED)

    @property
    def runs_lock(self) -> str:
        """Held while a run chooses what to start, so that no other one takes the same."""
        return self.inside(RUNS, "starts.lock")

    @property
    def index(self) -> str:
        """What is known of each run; a cache."""
        return self.inside(RUNS, "index.json")

    @property
    def current(self) -> str:
        """What ``runs --json`` prints, for dashboards."""
        return self.inside(RUNS, "current.json")


@cache
def _shown(folder: str, project: str) -> str:
    try:
        return path.relpath(folder, project).replace(path.sep, "/")
    except ValueError:  # on Windows, another drive
        return folder.replace(path.sep, "/")
