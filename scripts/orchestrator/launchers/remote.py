"""Attempts on other machines: GNU parallel brings each to a host and what it made back; it is judged here.

To the built-in launcher this is one more way to run tasks, so that everything else (choosing, budgets, limits,
timeouts, retries, records) is the same as on one machine. A line on standard output gives an attempt out. It has ended
when its exit file is back, and is lost when its ssh is gone and no exit file came. Either way its host is asked to end
what is left of it, and is used no more if it does not answer.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from orchestrator.dataclasses import replace
from orchestrator.errors import CannotGoOnError
from orchestrator.executors.execution import Cause, Execution, Job
from orchestrator.executors.outcome import Outcome, OutcomeKind, Refusal
from orchestrator.launchers import ssh
from orchestrator.launchers.feed import GIVE_AGAIN_S, Outlet
from orchestrator.launchers.hosts import Host
from orchestrator.launchers.staging import Staging
from orchestrator.model import Task
from orchestrator.system.process_table import living_values
from orchestrator.system.processes import Worker
from orchestrator.workers.leftovers import GRACE_S

LOOK_S = 0.2
"""How often results are looked for."""
SSH_LOOK_S = 1.0
"""How often living ssh processes are looked for."""
LOST_S = 10.0
"""An attempt without a living ssh for so long is lost. Between transfer, work and return there are moments without; an
ssh that fails says so at once."""
WITHDRAWN_S = 3.0
"""The same for one that was withdrawn before it began on a host: it is refused as soon as its line is read."""
RETURN_S = 10.0
"""How long the output of an attempt that was ended may take to come back."""
SSH_VARIABLE = "ORCHESTRATE_SSH"
"""What every ssh of an attempt carries in its environment, on this side."""


class Machines:
    """The hosts of a run that are still used."""

    def __init__(self, hosts: Sequence[Host], staging: Staging, tell: Callable[[str], None]) -> None:
        self._hosts = {host.label: host for host in hosts}
        self._gone: set[str] = set()
        self._staging = staging
        self._tell = tell
        self._mutex = threading.Lock()

    def slots(self) -> int:
        """How many tasks the hosts that are left take at once."""
        return sum(host.slots for label, host in self._hosts.items() if label not in self._gone)

    def named(self, label: str) -> Host:
        """The host with that label."""
        return self._hosts[label]

    def look_after(self, label: str, mark: str) -> bool:
        """Ask a host to end what is left of the attempt ``mark``: nothing of it may go on writing beside the next one.

        Answers whether the host is there; one that is not is used no more.
        """
        host = self._hosts[label]
        if label in self._gone:
            return False
        if ssh.end_marked(host, mark, GRACE_S):
            return True
        with self._mutex:
            if label not in self._gone:
                self._gone.add(label)
                self._staging.note_gone(label)
                self._staging.list_hosts(left for name, left in self._hosts.items() if name not in self._gone)
                self._tell(f"host {host.name} does not answer any more: its tasks go to others, it is used no more")
        return False


class RemoteHandle:
    """An attempt that was given out as line ``line``."""

    worker: Worker | None = None  # what it leaves behind on its host is ended when it is settled
    pid: int | None = None
    started: float | None = None
    group = 0

    def __init__(self, execution: RemoteExecution, job: Job, name: str, line: int) -> None:
        self.job = job
        self.name = name
        self.line = line
        self.seen = time.monotonic()
        self.has_begun = False
        self.is_withdrawn = False
        self.has_ended = threading.Event()
        self._execution = execution

    @property
    def host(self) -> str | None:
        """The host it runs on, once it has begun."""
        label = self._execution.staging.host_of(self.line)
        return self._execution.machines.named(label).name if label else None

    def wait(self) -> int:
        """Sleep until the exit file is back, or the attempt is lost and its host was asked about it."""
        self.has_ended.wait()
        return self._execution.settle(self)

    def end(self, grace_s: float) -> None:
        """End it on its host, so that its output comes back as always; where that fails, end its ssh."""
        staging = self._execution.staging
        self.is_withdrawn = True
        staging.withdraw(self.line)
        label = staging.host_of(self.line)
        is_ended = label is not None and ssh.end_marked(self._execution.machines.named(label), self.job.mark, grace_s)
        if not (is_ended and self.has_ended.wait(RETURN_S)):
            from orchestrator.system.processes import end_marked

            end_marked(self.job.mark, grace_s)

    def look(self, living: set[str] | None) -> None:
        """Note whether it has ended; ``living`` are the marks of the ssh processes there are, None: not looked at."""
        staging = self._execution.staging
        if staging.exit_code(self.name) is not None or staging.is_broken(self.line):
            self.has_ended.set()
        elif living is not None:
            now = time.monotonic()
            has_begun = staging.host_of(self.line) is not None
            if self.job.mark in living or has_begun != self.has_begun:
                self.seen, self.has_begun = now, has_begun
            if now - self.seen >= self._patience_s:
                self.has_ended.set()

    @property
    def _patience_s(self) -> float:
        if self.has_begun:
            return LOST_S
        return WITHDRAWN_S if self.is_withdrawn or not self._execution.is_fed else GIVE_AGAIN_S


class RemoteExecution:
    """Runs what ``inner`` would run, in the folder ``workdir`` of the hosts. ``line`` is how many lines came before.

    ``carried`` names the files of the project that a task builds on; they are brought to its host first.
    """

    check_environment: Mapping[str, str]

    def __init__(
        self,
        inner: Execution,
        staging: Staging,
        machines: Machines,
        outlet: Outlet,
        workdir: str,
        line: int,
        carried: Callable[[str], Iterable[str]],
    ) -> None:
        self.inner = inner
        self.staging = staging
        self.machines = machines
        self.check_environment = inner.check_environment
        self._outlet = outlet
        self._workdir = workdir
        self._line = line
        self._carried = carried
        self._handles: dict[str, RemoteHandle] = {}
        self._fates: dict[str, Outcome] = {}
        self._mutex = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="remote", daemon=True)

    is_rehearsal = False

    def prepare(self) -> None:
        """Begin to look for what comes back; whether the hosts have the program was asked before."""
        self._thread.start()

    def close(self) -> None:
        """Look for nothing any more."""
        self._closed.set()
        self._thread.join()

    @property
    def is_fed(self) -> bool:
        """Whether GNU parallel still takes what is given out."""
        return self._outlet.is_read()

    def argv(self, job: Job) -> list[str]:
        """The command as it is run on the host."""
        return self.inner.argv(self._there(job))

    def start(self, job: Job) -> RemoteHandle:
        """Lay out what travels, and give the attempt out."""
        name = f"{job.task.id}.{job.number}"
        argv = self.argv(job)
        with self._mutex:
            if not self.is_fed:
                raise CannotGoOnError("GNU parallel has ended", "start the launch script again")
            self._line += 1
            handle = RemoteHandle(self, job, name, self._line)
            carried = self._carried(job.task.id)
            self.staging.send(name, self._line, job, folder=self._workdir, argv=argv, carried=carried)
            self._handles[job.mark] = handle
            self._outlet.write(f"{job.task.id} {job.number}")
        return handle

    def settle(self, handle: RemoteHandle) -> int:
        """Take what came back of an attempt that has ended; its exit code, or -1 with its fate noted."""
        with self._mutex:
            self._handles.pop(handle.job.mark, None)
        code = self.staging.exit_code(handle.name)
        self.staging.take_streams(handle.name, handle.job.output, handle.job.errors)
        label = self.staging.host_of(handle.line)
        is_there = label is not None and self.machines.look_after(label, handle.job.mark)
        if is_there or label is None:
            self.staging.settle(handle.line)
        if code is not None:
            return code
        if label is None:
            reason = "it did not begin on any host"
        elif is_there:
            reason = f"the connection to host {self.machines.named(label).name} was lost"
            self._fates[handle.job.mark] = Outcome(OutcomeKind.WORKER_LOST, reason)
            return -1
        else:
            reason = f"host {self.machines.named(label).name} is gone"
        self._fates[handle.job.mark] = Outcome(OutcomeKind.INTERRUPTED, reason)
        return -1

    def outcome(self, job: Job, exit_code: int, cause: Cause | None, now: float) -> Outcome:
        """Judge as on this machine; a good answer brings its outputs into the project."""
        fate = self._fates.pop(job.mark, None)
        name = f"{job.task.id}.{job.number}"
        found = self.inner.outcome(self._there(job), exit_code, cause, now) if fate is None or cause else fate
        if found.is_good:
            self.staging.take_outputs(name, job.project, job.task.outputs)
        self.staging.clear(name)
        return found

    def new_session_id(self) -> str | None:
        """As the program wants it."""
        return self.inner.new_session_id()

    def can_resume(self, session_id: str | None) -> bool:
        """A session stays on the host where it began, and the next attempt may run on another."""
        return False

    def refusal(self, job: Job) -> Refusal | None:
        """Not known: what a worker prints comes back at its end."""
        return None

    def idle_timeout_s(self, task: Task) -> float | None:
        """Never: what a worker prints comes back at its end, so that its silence says nothing."""
        return None

    def _there(self, job: Job) -> Job:
        """``job`` as the host sees it."""
        folder = os.path.relpath(job.folder, job.project)
        return replace(job, project=self._workdir, folder=os.path.join(self._workdir, folder))

    def _watch(self) -> None:
        looked = 0.0
        while not self._closed.wait(LOOK_S):
            with self._mutex:
                handles = list(self._handles.values())
            living: set[str] | None = None
            if handles and time.monotonic() - looked >= SSH_LOOK_S:
                looked = time.monotonic()
                living = living_values(SSH_VARIABLE)
            for handle in handles:
                handle.look(living)
