"""Phase 4: ``merge``, the results of all agents as one document."""

from __future__ import annotations

import os
import secrets

from orchestrator import graph
from orchestrator.commands.session import Place, Session, answer, open_session, tell
from orchestrator.dataclasses import dataclass
from orchestrator.errors import CannotGoOnError, ExitCode, InvalidInputError, UsageError
from orchestrator.events import EventType
from orchestrator.merge import Gap, Strategy
from orchestrator.model import Json, Status
from orchestrator.render.summary import counted
from orchestrator.store.state import DONE
from orchestrator.system import files
from orchestrator.texts.disclosure import secrets as secret_values
from orchestrator.texts.results import Result, read_result
from orchestrator.workers.hand_over import exists_in, shown_path
from orchestrator.workers.integrity import result_fault


@dataclass(frozen=True, slots=True)
class _Asking:
    """How the model is asked: the program, its model, and the characters of one prompt; None is the usual."""

    claude: str | None
    model: str | None
    limit_chars: int | None


def merge(
    place: Place,
    *,
    strategy: str | None = None,
    output: str | None = None,
    claude: str | None = None,
    model: str | None = None,
    limit_chars: int | None = None,
) -> ExitCode:
    """Merge what is recorded into ``final_output.md``; 1 when something is missing, and what is named in it."""
    _require_fitting(strategy, limit_chars)
    session = open_session(place)
    results, gaps = collected(session)
    before = _recorded(session)
    if not results:
        raise InvalidInputError(
            "there is no result to merge", "`orchestrate check` lists what is missing and what to do about it"
        )
    chosen = _chosen(strategy, results)
    title = session.store.state.plan.title
    if chosen is Strategy.AI:
        text = _asked(session, title, results, gaps, _Asking(claude, model, limit_chars))
    else:
        text = _text(chosen, title, results, gaps)
    target = os.path.abspath(output) if output else place.paths.final_output
    is_final = os.path.realpath(target) == os.path.realpath(place.paths.final_output)
    for secret in secret_values(text):
        tell(f"{os.path.basename(target)}:{secret.line}: warning: this looks like a secret ({secret.kind})")
    missing = [gap.task for gap in gaps if not gap.is_skipped]
    with session.store.change() as change:
        if _recorded(session) != before:
            raise CannotGoOnError("results changed while they were merged", "run `orchestrate merge` again")
        files.write_whole(target, text)
        change.record(
            EventType.MERGED,
            strategy=str(chosen),
            file=shown_path(place.paths, "final_output.md") if is_final else target,
            elsewhere=True if not is_final else None,
            hash=files.digest(text.encode("utf-8", "replace")),
            missing=list(missing),
            results=len(results),
        )
    session.show()
    record: Json = {
        "file": target,
        "strategy": str(chosen),
        "merged": [result.task for result in results],
        "missing": list(missing),
        "skipped": [gap.task for gap in gaps if gap.is_skipped],
    }
    lines = [f"Merged {counted(len(results), 'result')} ({chosen}): {os.path.relpath(target)}"]
    lines += [f"Missing: {gap.task} ({gap.agent}): {gap.reason}" for gap in gaps if not gap.is_skipped]
    answer(place, record, "\n".join(lines))
    return ExitCode.PROBLEMS if missing else ExitCode.DONE


def _require_fitting(strategy: str | None, limit_chars: int | None) -> None:
    """Raise ``UsageError`` for a strategy that there is not, and for a limit that it cannot keep."""
    if strategy is not None and strategy not in list(Strategy):
        raise UsageError(f"there is no strategy {strategy!r}", "one of " + ", ".join(Strategy))
    if limit_chars is None:
        return
    if strategy != Strategy.AI:
        raise UsageError("--limit is for --strategy ai", "add it, or leave --limit out")
    from orchestrator.merge.ai import LARGEST_LIMIT_CHARS, SMALLEST_LIMIT_CHARS

    if not SMALLEST_LIMIT_CHARS <= limit_chars <= LARGEST_LIMIT_CHARS:
        span = f"{SMALLEST_LIMIT_CHARS:,} to {LARGEST_LIMIT_CHARS:,}"
        raise UsageError(f"--limit is {limit_chars:,}, expected {span} characters", "leave it out for a good default")


def collected(session: Session) -> tuple[list[Result], list[Gap]]:
    """The recorded results in dependency order, and the tasks that have none with the reason.

    A result that a task took over from its last subtask is that task's, and comes once.
    """
    store = session.store
    state = store.state
    results: list[Result] = []
    gaps: list[Gap] = []
    taken_over = {record.taken_from for record in state.records.values() if record.status is Status.COMPLETED}
    for task in graph.order(graph.dependencies(state.tasks.values())):
        if task in taken_over:
            continue
        spec, record, status = state.tasks[task], state.records[task], state.status(task)
        agent = state.agents[task]
        if status is Status.SKIPPED:
            gaps.append(Gap(task, spec.name, agent, record.reason, is_skipped=True))
            continue
        if status is not Status.COMPLETED or not record.result:
            reason = f"{status}" + (f": {record.reason}" if record.reason else "")
            gaps.append(Gap(task, spec.name, agent, reason))
            continue
        data = files.read_own_or_none(store.paths.inside(*record.result.split("/")))
        fault = result_fault(store, task)
        if data is None or fault:
            gaps.append(Gap(task, spec.name, agent, fault or "the result file is missing"))
            continue
        results.append(read_result(task, spec.name, agent, data))
    return results, gaps


def _recorded(session: Session) -> dict[str, str | None]:
    """What is recorded now as the end of each task that has ended well: its result, or None where it was skipped."""
    records = session.store.state.records
    return {task: record.hash for task, record in records.items() if record.status in DONE}


def _chosen(strategy: str | None, results: list[Result]) -> Strategy:
    from orchestrator.merge.structured import chosen_strategy

    return Strategy(strategy) if strategy else chosen_strategy(results)


def _text(strategy: Strategy, title: str, results: list[Result], gaps: list[Gap]) -> str:
    if strategy is Strategy.CONCAT:
        from orchestrator.merge.concat import concat

        return concat(title, results, gaps)
    from orchestrator.merge.structured import structured

    return structured(title, results, gaps)


def _asked(session: Session, title: str, results: list[Result], gaps: list[Gap], asking: _Asking) -> str:
    """The document that the model makes, in as many rounds as the size of the results takes, within the budget."""
    from orchestrator.commands.questions import ask_for_run
    from orchestrator.merge.ai import DEFAULT_LIMIT_CHARS, merging
    from orchestrator.workers.ask import Question

    paths = session.store.paths
    conversation = merging(
        title,
        results,
        gaps,
        nonce=lambda: secrets.token_hex(8),
        exists=exists_in(paths.project),
        limit_chars=asking.limit_chars or DEFAULT_LIMIT_CHARS,
    )
    prompts = next(conversation)
    while True:
        if len(prompts) > 1:
            tell(f"merging in {len(prompts)} parts first")
        questions = (Question(text, "merging", model=asking.model) for text in prompts)
        answers = [ask_for_run(session, each, asking.claude, "use another --strategy").text for each in questions]
        try:
            prompts = conversation.send(answers)
        except StopIteration as end:
            text: str = end.value
            return text
