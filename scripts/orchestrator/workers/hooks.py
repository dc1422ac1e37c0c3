"""The plan's hooks: commands that are given an event of the run on standard input.

Called beside the run, once by whoever recorded the event, and only while a person trusts them. A hook that fails or
takes too long is ended, told and put on record; the run goes on as if it were not there.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence

from orchestrator.errors import OrchestrateError
from orchestrator.events import Event, EventType
from orchestrator.store.store import Store

HOOK_TIMEOUT_S = 60.0
"""So long a hook may take; whoever needs more starts something and returns."""

HOOKS = {
    EventType.TASK_FAILED: "on_failed",
    EventType.ORCHESTRATION_BLOCKED: "on_blocked",
    EventType.ORCHESTRATION_COMPLETED: "on_completed",
}
"""The events that are given to a hook, and to which."""

_SAID = 300
"""Characters of what a failed hook printed last that are told."""


class Hooks:
    """Calls the hooks of the plan in ``store`` for events that this process has recorded."""

    def __init__(self, store: Store, tell: Callable[[str], None], timeout_s: float = HOOK_TIMEOUT_S) -> None:
        self._store = store
        self._tell = tell
        self._timeout_s = timeout_s

    def __call__(self, events: Sequence[Event]) -> None:
        """Call the hooks of ``events`` and return at once; the process does not end before they have."""
        commands = self._store.state.plan.run.hooks
        if not commands:
            return
        due = [(HOOKS[EventType(str(event["type"]))], event) for event in events if event["type"] in HOOKS]
        due = [(name, event) for name, event in due if name in commands]
        if not due:
            return
        from orchestrator.store.trust import hook_part, untrusted_parts  # on the way of every command

        untrusted = untrusted_parts(self._store.paths, self._store.state)
        calls: list[tuple[str, str, Event]] = []
        for name, event in due:
            if hook_part(name, commands[name]) in untrusted:
                self._tell(f"the hook {name} was not called: it is not trusted (`orchestrate trust` accepts it)")
            else:
                calls.append((name, commands[name], event))
        # Not a daemon: a command ends when its hooks have, which their timeout bounds.
        threading.Thread(target=self._call_all, args=(calls,), name="hooks").start()

    def _call_all(self, calls: Sequence[tuple[str, str, Event]]) -> None:
        for name, command, event in calls:
            self._call(name, command, event)

    def _call(self, name: str, command: str, event: Event) -> None:
        try:
            failed = self._failure(command, event, f"{self._store.state.id}/hook/{name}")
        except OrchestrateError as error:
            failed = error.message
        if not failed:
            return
        self._tell(f"the hook {name} failed: {failed}")
        lines = [f"{name}: {failed}", f"it was given the event {event['type']}; the run goes on without it"]
        try:
            with self._store.change() as change:
                change.record(EventType.NOTE, title="Hook Failed", lines=[*lines])
        except OrchestrateError as error:
            self._tell(f"that could not be put on record: {error.message}")

    def _failure(self, command: str, event: Event, mark: str) -> str:
        """Run ``command`` on ``event``; what went wrong, or nothing."""
        import shlex
        import tempfile

        from orchestrator.executors.claude_argv import worker_environment
        from orchestrator.system import files
        from orchestrator.system.processes import start_worker

        try:
            argv = shlex.split(command)
        except ValueError as error:
            return f"it cannot be split into words: {error}"
        with tempfile.TemporaryDirectory(prefix="orchestrate-hook-") as folder:
            source, output = os.path.join(folder, "event.json"), os.path.join(folder, "said.txt")
            files.write_whole(source, json.dumps(event, ensure_ascii=False) + "\n", flush=False)
            worker = start_worker(
                argv,
                cwd=self._store.paths.project,
                env=worker_environment(os.environ),
                stdin_path=source,
                stdout_path=output,
                stderr_path=output,
                mark=mark,
            )
            code = worker.wait(self._timeout_s)
            if code is None:
                worker.end()
                return f"it took longer than {self._timeout_s:g} s and was ended"
            said = " ".join((files.read_bytes_or_none(output) or b"").decode("utf-8", "replace").split())
            return f"it ended with {code}" + (f": {said[-_SAID:]}" if said else "") if code else ""
