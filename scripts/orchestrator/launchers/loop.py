"""The stateless loop: ``claude`` is called again and again, each time afresh, until the plan is done or cannot go on.

What is next stands in ``MAIN_TASK``; what every invocation did and changed is on record, so that any other process can
go on where this one stopped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from orchestrator import clock
from orchestrator.dataclasses import dataclass, field
from orchestrator.durations import duration_text
from orchestrator.errors import ExitCode, Problem
from orchestrator.events import EventType
from orchestrator.executors.limits import backoff_s
from orchestrator.executors.outcome import OutcomeKind
from orchestrator.launchers.course import LOOK_S, Course, View
from orchestrator.launchers.loopterms import Caller, Ending, Iteration, LoopLimits, held_by
from orchestrator.model import DEFAULT_IDLE_TIMEOUT_S, DEFAULT_TIMEOUT_S, Status
from orchestrator.render.loop_prompt import Turn, loop_prompt
from orchestrator.render.status import status_text
from orchestrator.render.summary import money_text
from orchestrator.store import nextaction
from orchestrator.store.loopcourse import acts_of, changes_of, counted, standstill
from orchestrator.store.nextaction import Action, contradiction, next_step, waits_for_others
from orchestrator.store.records import LoopStatus, MainTask
from orchestrator.store.store import Store
from orchestrator.texts.maintask import one_sentence
from orchestrator.workers.hand_over import effective, exists_in
from orchestrator.workers.health import HealthWatch
from orchestrator.workers.invocation import Invocation, Invoked, end_orphans, invoke
from orchestrator.workers.loopmarks import marks_of
from orchestrator.workers.maintask import set_main_task, set_next_step, surroundings, take_over_main_task
from orchestrator.workers.options import DEFAULT_HEALTH_INTERVAL_S
from orchestrator.workers.pauses import pause_for
from orchestrator.workers.recovery import recover_and_tell

BY = "loop"
LEAST_WAIT_S = 0.05
_FREE_OF_BLAME = (OutcomeKind.USAGE_LIMIT, OutcomeKind.MONEY, OutcomeKind.LOGIN, OutcomeKind.INTERRUPTED)
"""Ends of an invocation that say nothing about whether the loop gets anywhere."""


@dataclass
class Loop:
    """One start of the loop on the run in ``store``."""

    store: Store
    caller: Caller
    limits: LoopLimits
    view: View
    interrupted: threading.Event = field(default_factory=threading.Event)
    iterations: list[Iteration] = field(default_factory=list)

    def run(self) -> Ending:
        """Call ``claude`` until there is a reason to stop."""
        self._begun = time.monotonic()
        self._looked = 0.0
        self._around = surroundings(self.store)
        self._watch = HealthWatch(self.store, DEFAULT_HEALTH_INTERVAL_S, self.view.tell)
        self._course = Course(self.store, lambda: 1)
        self._course.resume()
        end_orphans(self.store.state.id, self.store.state.loop.iterations + 1)
        self._begin_again_after_a_block()
        while True:
            main = self._current()
            is_waiting = waits_for_others(self.store.state, clock.now())
            ending = self._ending(main) or (None if is_waiting else self._standstill(main)) or self._limit()
            if ending is None and is_waiting and not self.limits.waits:
                ending = Ending(ExitCode.STOPPED, main.next)
            if ending is not None:
                self._close(ending)
                return ending
            if is_waiting:
                self._sleep(max(self._course.wait_s(LOOK_S), LEAST_WAIT_S))
            else:
                self._iterate(main)
                self._sleep(self._delay_s())

    @property
    def cost_usd(self) -> float:
        """What the invocations of this start have cost."""
        return sum(iteration.outcome.cost_usd for iteration in self.iterations)

    # -- what is next ----------------------------------------------------------------------------

    def _current(self) -> MainTask:
        """What ``MAIN_TASK`` says, people's changes taken over, and nothing in it that the plan contradicts."""
        self.view.look()
        self._course.see_to_pauses()
        self._tell_problems(take_over_main_task(self.store))
        main = self.store.state.main_task
        if main is None:
            return self._advance()
        against = contradiction(self.store.state, main, self._around)
        if not against:
            return main
        if main.status is LoopStatus.COMPLETED:
            self.view.tell(f"completed was claimed, but {against}: the loop goes on")
            with self.store.change() as change:
                change.record(EventType.CLAIM_REFUSED, claim=str(main.status), reason=against)
        return self._advance()

    def _advance(self) -> MainTask:
        step = next_step(self.store.state, clock.now(), self._around)
        set_next_step(self.store, step, BY)
        return step.main

    def _leave_next_step(self, main: MainTask, action: Action) -> None:
        """What the invocation for ``main`` has not done; where the same is next, its words and its focus stay."""
        step = next_step(self.store.state, clock.now(), self._around)
        if (step.action, step.main.task) != (action, main.task):
            set_next_step(self.store, step, BY)

    def _begin_again_after_a_block(self) -> None:
        """Derive the next step anew where the loop was blocked by itself and something is different by now."""
        state = self.store.state
        main = state.main_task
        if main is None or main.status is not LoopStatus.BLOCKED or state.main_task_by not in (BY, "advance"):
            return
        if marks_of(self.store, None).whole != state.loop.mark:
            self._advance()

    def _tell_problems(self, problems: Sequence[Problem]) -> None:
        for problem in problems:
            self.view.tell(problem.text("MAIN_TASK"))

    # -- when to stop ----------------------------------------------------------------------------

    def _ending(self, main: MainTask) -> Ending | None:
        state = self.store.state
        if self.interrupted.is_set():
            return Ending(ExitCode.INTERRUPTED, "interrupted")
        if main.status is LoopStatus.COMPLETED:
            return Ending(ExitCode.DONE, main.next)
        if main.status is LoopStatus.BLOCKED:
            return Ending(ExitCode.PROBLEMS, main.next)
        held = held_by(state, clock.now())
        return Ending(ExitCode.STOPPED, held) if held else None

    def _limit(self) -> Ending | None:
        state = self.store.state
        minutes = (time.monotonic() - self._begun) / 60
        if reached := self.limits.reached(len(self.iterations), minutes, self.cost_usd):
            return Ending(ExitCode.STOPPED, reached)
        budget = state.plan.budget_usd
        if budget is not None and state.spent_usd + state.reserved_usd >= budget:
            spent = f"{money_text(state.spent_usd)} of {money_text(budget)}"
            return Ending(ExitCode.STOPPED, f"budget of the plan used up: {spent}")
        return None

    def _standstill(self, main: MainTask) -> Ending | None:
        """The end where nothing moves; it stands in ``MAIN_TASK`` then."""
        marks = marks_of(self.store, main.task)
        why = standstill(self.store.state.loop, marks.whole, marks.task, self._action(main), main.task)
        if not why:
            return None
        set_main_task(self.store, MainTask(LoopStatus.BLOCKED, one_sentence(why), main.task), BY)
        return Ending(ExitCode.PROBLEMS, why)

    def _delay_s(self) -> float:
        """The interval, or longer after an invocation that failed."""
        last = self.iterations[-1].outcome
        failures = self.store.state.loop.idle if last.may_pass else 0
        return max(self.limits.interval_s, backoff_s(failures, 0.0) if failures else 0.0)

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.interrupted.is_set() and (left := until - time.monotonic()) > 0:
            self.interrupted.wait(min(left, LOOK_S))
            self._look()

    # -- one invocation --------------------------------------------------------------------------

    def _iterate(self, main: MainTask) -> None:
        store, action = self.store, self._action(main)
        number = store.state.loop.iterations + 1
        before, last = marks_of(store, main.task), store.state.loop
        statuses = {task: store.state.status(task) for task in store.state.tasks}
        start, rev = store.journal.position, store.state.rev
        self.view.tell(f"#{number} {action}{f' {main.task}' if main.task else ''}: {main.next}")
        invoked = self._invoke(number, main, action)
        store.refresh()
        self._tell_problems(take_over_main_task(store))
        events = [event for event in store.journal.events(start) if event is not None] if store.state.rev != rev else []
        after = marks_of(store, main.task)
        now = {task: store.state.status(task) for task in store.state.tasks}
        changed = changes_of(statuses, now, events)
        if not changed and before.whole != after.whole:
            changed = ["files of the run"]
        acts = acts_of(events)
        done = Iteration(number, action, main.task, invoked.outcome, acts, tuple(changed), invoked.duration_s)
        self.iterations.append(done)
        count = counted(last, action, main.task, before, after)
        is_free = invoked.outcome.kind in _FREE_OF_BLAME and not changed
        with store.change() as change:
            change.record(
                EventType.LOOP_ITERATION,
                main.task,
                iteration=number,
                action=str(action),
                acts=list(acts),
                changed=list(changed),
                outcome=str(invoked.outcome.kind),
                reason=invoked.outcome.reason or None,
                cost_usd=round(invoked.outcome.cost_usd, 6),
                tokens=invoked.outcome.tokens,
                duration_s=round(invoked.duration_s, 3),
                idle=last.idle if is_free else count.idle,
                same=last.same if is_free else count.same,
                mark=after.whole,
                task_mark=after.task,
            )
            pause_for(change, invoked.outcome, 1.0)
        is_set = any(event["type"] == EventType.MAIN_TASK_SET for event in events)
        if changed and not is_set and _is_open(store.state.main_task):
            self._leave_next_step(main, action)
        self.view.show()
        self._report(done)

    def _invoke(self, number: int, main: MainTask, action: Action) -> Invoked:
        store, state = self.store, self.store.state
        task = effective(store.paths, state, main.task) if main.task in state.tasks and main.task is not None else None
        is_execution = task is not None and action is Action.EXECUTE
        turn = Turn(
            main,
            action,
            status_text(state, clock.now()),
            state.loop,
            missing=self._around.missing_inputs(task.id) if task is not None else (),
            is_begun=task is not None and state.status(task.id) is Status.RUNNING,
        )
        invocation = Invocation(
            number,
            loop_prompt(turn, exists_in(store.paths.project)),
            tools=[*(task.allowed_tools if task is not None else ()), *self.caller.tools],
            model=self.caller.model or (task.model if is_execution and task is not None else None),
            permission_mode=task.permission_mode if is_execution and task is not None else None,
            budget_usd=self.limits.left_usd(self.cost_usd, state, task if is_execution else None),
            timeout_s=(task.timeout_s if task is not None else None) or DEFAULT_TIMEOUT_S,
            idle_timeout_s=(task.idle_timeout_s if task is not None else None) or DEFAULT_IDLE_TIMEOUT_S,
        )
        return invoke(
            store.paths,
            state.id,
            self.caller.program,
            self.caller.folder,
            self.caller.commands,
            invocation,
            self.interrupted,
            self._look,
        )

    def _action(self, main: MainTask) -> Action:
        return nextaction.action_of(self.store.state, main, clock.now(), self._around)

    def _look(self) -> None:
        """Look after what else goes on, about twice a second."""
        if time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        self.store.refresh()
        recover_and_tell(self.store, self.view.tell)
        self._watch.look()

    # -- telling ---------------------------------------------------------------------------------

    def _report(self, done: Iteration) -> None:
        cost = f", {money_text(done.outcome.cost_usd)}" if done.outcome.cost_usd else ""
        said = ", ".join(done.changed) or "nothing changed"
        why = f" ({done.outcome.reason})" if done.outcome.reason else ""
        self.view.tell(f"#{done.number} {duration_text(done.duration_s)}{cost}: {said}{why}")
        if len(done.acts) > 1:
            self.view.tell(f"#{done.number} did more than one action: {', '.join(done.acts)}")

    def _close(self, ending: Ending) -> None:
        """Put the end on record; one that only says that the invocations asked for are done is not worth a line."""
        main = self.store.state.main_task
        status = main.status if main is not None else LoopStatus.CONTINUE
        if self.limits.waits or status is not LoopStatus.CONTINUE:
            with self.store.change() as change:
                change.record(
                    EventType.LOOP_ENDED,
                    status=str(status),
                    reason=ending.reason,
                    iterations=len(self.iterations),
                    cost_usd=round(self.cost_usd, 6),
                    duration_s=round(time.monotonic() - self._begun, 3),
                )
        self.view.show()


def _is_open(main: MainTask | None) -> bool:
    return main is None or main.status is LoopStatus.CONTINUE
