"""What the model is asked on behalf of a run but for none of its tasks: a merge, a judgement."""

from __future__ import annotations

from orchestrator.commands.session import Session
from orchestrator.dataclasses import replace
from orchestrator.errors import StoppedError
from orchestrator.events import EventType
from orchestrator.executors.claude_argv import claude_program
from orchestrator.executors.outcome import Outcome
from orchestrator.workers.ask import NoAnswerError, Question, ask


def ask_for_run(session: Session, question: Question, claude: str | None, instead: str) -> Outcome:
    """The model's answer, judged good. It may cost what the budget of the run leaves.

    What it cost is recorded, whether or not there is an answer that counts. Raises what `ask` does, and `StoppedError`
    with what to do ``instead`` when the budget leaves nothing.
    """
    store = session.store
    store.refresh()
    left = store.state.budget_left_usd
    if left is not None and left <= 0:
        raise StoppedError("the budget of the run is used up", f"raise `budget_usd` in plan.yaml, or {instead}")
    try:
        outcome = ask(claude_program(claude), store.paths.project, replace(question, budget_usd=left))
    except NoAnswerError as error:
        _record(session, question.purpose, error.cost_usd, reason=error.message)
        raise
    _record(session, question.purpose, outcome.cost_usd, outcome.tokens)
    return outcome


def _record(session: Session, purpose: str, cost_usd: float, tokens: int = 0, reason: str | None = None) -> None:
    if cost_usd or tokens:
        with session.store.change() as change:
            change.record(
                EventType.MODEL_ASKED, None, purpose=purpose, reason=reason, cost_usd=round(cost_usd, 6), tokens=tokens
            )
