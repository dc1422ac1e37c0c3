"""``feed --hosts``: several machines. The hosts are asked once, then each task is given out with its attempt."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from orchestrator.commands.feed import StandardOutput, conduct, open_feed
from orchestrator.commands.place import Place, tell
from orchestrator.commands.splitting import Splitting
from orchestrator.commands.view import SessionView
from orchestrator.dataclasses import replace
from orchestrator.errors import CannotGoOnError, ExitCode, UsageError
from orchestrator.graph import ancestors
from orchestrator.launchers import ssh
from orchestrator.launchers.builtin import Runner
from orchestrator.launchers.course import Reporter, hold_run_lock
from orchestrator.launchers.feed import FED
from orchestrator.launchers.hosts import Host, read_hosts
from orchestrator.launchers.remote import Machines, RemoteExecution
from orchestrator.launchers.staging import Staging
from orchestrator.model import Executor
from orchestrator.paths import RunPaths
from orchestrator.store.state import DONE, State
from orchestrator.store.store import Store
from orchestrator.system import files
from orchestrator.system.locks import FileLock
from orchestrator.workers.executions import execution_of
from orchestrator.workers.hand_over import handed_over, shown_path
from orchestrator.workers.leftovers import GRACE_S
from orchestrator.workers.options import RunOptions, Wishes


def prepare_hosts(place: Place, wishes: Wishes, file: str, workdir: str | None) -> ExitCode:
    """Ask each host whether it has what a task needs, lay out the folder for GNU parallel, print the number of slots.

    A host that lacks something or cannot be reached is named and left out; a host whose key has changed refuses the
    whole run, because somebody else may be in its place. What a feed that was killed left running there is ended.
    """
    session, options = open_feed(place, wishes)
    named, source = _hosts_of(file, options)
    folder = workdir or place.paths.project
    with ThreadPoolExecutor(min(32, len(named))) as pool:
        answers = list(pool.map(lambda host: ssh.lacks(host, folder, _program(options)), named))
    usable = [host for host, lack in zip(named, answers, strict=True) if not lack]
    for host, lack in zip(named, answers, strict=True):
        if ssh.is_key_changed(lack):
            raise CannotGoOnError(
                f"{file}:{host.line}: host {host.name}: {lack}",
                "find out why; if the new key is right, take the old one out of known_hosts (ssh-keygen -R HOST)",
            )
        if lack:
            tell(f"{file}:{host.line}: host {host.name} is left out: {lack}")
    if not usable:
        raise CannotGoOnError(f"no host of {file} can be used", "mend what is named above, or run without --hosts")
    lock = hold_run_lock(session.store)
    try:
        staging = Staging(place.paths)
        left = staging.left_behind()
        with ThreadPoolExecutor(max(1, min(32, len(left)))) as pool:
            for (mark, host), is_ended in zip(left, pool.map(_end_left_behind, left), strict=True):
                if not is_ended:
                    tell(f"{mark} may still run on {host.name}, which does not answer: it was left by a killed start")
        staging.begin(usable, source)
    finally:
        lock.release()
    _say_what_comes_back(session.store.state)
    print(sum(host.slots for host in usable))
    return ExitCode.DONE


def feed_hosts(
    place: Place, wishes: Wishes, file: str, workdir: str | None, *, is_tied: bool, lines_before: int
) -> ExitCode:
    """Print task and attempt, one a line, the moment the task may start and a host has a free slot."""
    session, options = open_feed(place, wishes)
    hosts, source = _hosts_of(file, options)
    staging = Staging(place.paths)
    labels = staging.labels(source)
    machines = Machines([host for host in hosts if host.label in labels], staging, tell)

    def run(reporter: Reporter, lock: FileLock, interrupted: threading.Event) -> ExitCode:
        folder = workdir or place.paths.project
        inner = execution_of(options)
        carried = partial(_carried, place.paths, session.store)
        execution = RemoteExecution(inner, staging, machines, StandardOutput(), folder, lines_before, carried)
        execution.prepare()
        try:
            return Runner(
                session.store,
                replace(options, jobs=machines.slots()),
                execution,
                reporter,
                SessionView(session, Splitting(place, options)),
                machines.slots,
                FED,
                interrupted,
            ).run()
        except CannotGoOnError as error:
            if execution.is_fed:
                raise
            tell(error.message)
            return ExitCode.STOPPED
        finally:
            execution.close()

    return conduct(session, run, is_tied=is_tied)


def _hosts_of(file: str, options: RunOptions) -> tuple[list[Host], str]:
    """The hosts of ``file``, and its digest; raises naming every wrong line."""
    data = files.read_bytes_or_none(file)
    if data is None:
        raise CannotGoOnError(f"there is no file {file}", "a line for each host: 4/build-1")
    hosts, problems = read_hosts(data.decode("utf-8", "replace"), options.jobs)
    if problems:
        texts = "\n".join(f"  {problem.text(file)}" for problem in problems)
        raise UsageError(f"{file} is not right:\n{texts}", "mend these lines")
    return hosts, files.digest(data)


def _end_left_behind(left: tuple[str, Host]) -> bool:
    mark, host = left
    return ssh.end_marked(host, mark, GRACE_S)


def _say_what_comes_back(state: State) -> None:
    """Say which tasks change files whose changes stay where they are made."""
    names = [task.id for task in state.tasks.values() if state.status(task.id) not in DONE and task.writes]
    if names:
        tell(
            f"{', '.join(names[:5])}{' and others' if len(names) > 5 else ''} may change files (writes): "
            "results and `outputs` come back, other changes stay on the host"
        )


def _carried(paths: RunPaths, store: Store, task: str) -> list[str]:
    """The files of the project that ``task`` builds on: what the tasks before it made, and what its prompt points to.

    Outputs of all tasks before it, results of those that hand theirs over, gathered context.
    """
    state = store.state
    deps = {name: tuple(dep.task for dep in each.deps) for name, each in state.tasks.items()}
    made = [
        output for name in sorted(ancestors(deps, task), key=state.start_key) for output in state.tasks[name].outputs
    ]
    results = [over.file for over in handed_over(paths, state, task, with_text=False) if over.is_handed_over]
    return [*made, *results, shown_path(paths, "context", f"{task}.md")]


def _program(options: RunOptions) -> str:
    """What a host must have to run a task."""
    if options.executor is Executor.REHEARSE:
        return "sleep"
    return options.command[0] if options.executor is Executor.COMMAND else options.claude
