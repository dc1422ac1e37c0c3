"""``report`` and ``accept``: what was asked and what was delivered, and a person's or the model's word on it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from orchestrator import clock
from orchestrator.commands.session import (
    Place,
    Session,
    answer,
    known_tasks,
    open_session,
    problem_lines,
    read_session,
    tell,
    user,
)
from orchestrator.errors import ExitCode, InvalidInputError, UsageError
from orchestrator.events import EventType
from orchestrator.model import Json, Status, Verdict
from orchestrator.report.criteria import (
    Criterion,
    basis,
    basis_of_all,
    criteria,
    criterion_hash,
    likely_shown_by,
    unmet,
)
from orchestrator.report.facts import ReportFacts, report_facts
from orchestrator.report.history import history
from orchestrator.store.store import Store, StoreChange
from orchestrator.system import files
from orchestrator.texts.disclosure import secrets
from orchestrator.texts.results import read_result
from orchestrator.workers.integrity import changed_results, is_merged, result_fault
from orchestrator.workers.recovery import lost_tasks

BY_THE_MODEL = "the model"


def report(place: Place, *, is_asking: bool = False, claude: str | None = None, model: str | None = None) -> ExitCode:
    """Write ``report.html`` and ``report.md``; 1 when a success criterion is judged not met.

    ``is_asking`` has the model judge the criteria first that no person has judged.
    """
    from orchestrator.report.pages import report_markdown, report_page

    session = open_session(place) if is_asking else read_session(place)
    if is_asking:
        _ask(session, claude, model)
        session.show()
    facts = run_facts(session)
    written = {
        place.paths.report_page: report_page(facts),
        place.paths.report: report_markdown(facts),
    }
    for file, text in written.items():
        files.write_whole(file, text)
        for secret in secrets(text):
            tell(f"{os.path.basename(file)}:{secret.line}: warning: this looks like a secret ({secret.kind})")
    record: Json = {**facts.record(), "files": [*written]}
    answer(place, record, _summary(facts, [*written]))
    return ExitCode.PROBLEMS if unmet(session.store.state) else ExitCode.DONE


def run_facts(session: Session) -> ReportFacts:
    """What there is to say of the run now."""
    store = session.store
    warnings = [*problem_lines(session), *(each.text("events.jsonl") for each in store.journal.faults())]
    return report_facts(
        store.state,
        history(store.journal.events()),
        clock.now(),
        summaries={task: summary for task, text in _results(store) if (summary := _summary_of(store, task, text))},
        warnings=list(dict.fromkeys([*warnings, *changed_results(store)])),
        lost=lost_tasks(store),
        is_merged=is_merged(store),
    )


def accept(
    place: Place,
    numbers: Sequence[int],
    *,
    not_met: Sequence[int] = (),
    shown_by: Sequence[str] = (),
    note: str = "",
) -> ExitCode:
    """A person's word on success criteria: ``numbers`` are met, all where none is named; ``not_met`` are not.

    All means all that a person has not called met before: that word stays, with its note.
    """
    session = open_session(place)
    state = session.store.state
    known = {each.number: each for each in criteria(state)}
    if not known:
        raise InvalidInputError(
            "the plan has no success criteria to accept", "add `objectives.success_criteria` to plan.yaml"
        )
    for number in (*numbers, *not_met):
        if number not in known:
            listed = "; ".join(f"{each.number}. {each.text}" for each in known.values())
            raise UsageError(f"there is no success criterion {number}", f"one of these: {listed}")
    if both := sorted({*numbers} & {*not_met}):
        raise UsageError(f"criterion {both[0]} is named as met and as not met", "name it once")
    is_said = {each.number for each in known.values() if each.is_by_hand and each.verdict is Verdict.MET}
    left = [number for number in known if note or number not in is_said]
    verdicts = dict.fromkeys(numbers or (() if not_met else left), Verdict.MET)
    verdicts |= dict.fromkeys(not_met, Verdict.NOT_MET)
    tasks = known_tasks(session, shown_by)
    with session.store.change() as change:
        for number, verdict in sorted(verdicts.items()):
            each = known[number]
            shown = tasks or [*each.shown_by] or [*likely_shown_by(change.state, each.text)]
            _judge(change, each, verdict, shown, basis(change.state, shown), "hand", user(), note)
    session.show()
    found = criteria(session.store.state)
    answer(place, {"criteria": [each.record() for each in found]}, "\n".join(map(_line, found)))
    return ExitCode.DONE


def _judge(
    change: StoreChange,
    criterion: Criterion,
    verdict: Verdict,
    shown_by: Sequence[str],
    made_upon: str,
    how: str,
    by: str,
    note: str,
) -> None:
    change.record(
        EventType.CRITERION_JUDGED,
        None,
        number=criterion.number,
        criterion=criterion.text,
        hash=criterion_hash(criterion.text),
        verdict=str(verdict),
        shown_by=[*shown_by],
        basis=made_upon,
        how=how,
        by=by,
        note=note or None,
    )


def _ask(session: Session, claude: str | None, model: str | None) -> None:
    """Have the model judge the criteria that no person has judged, upon the results as they are recorded now."""
    from orchestrator.commands.questions import ask_for_run
    from orchestrator.report.judging import findings, judging_question, judging_schema
    from orchestrator.workers.ask import Question
    from orchestrator.workers.hand_over import exists_in

    store = session.store
    asked = [each for each in criteria(store.state) if not each.is_by_hand]
    if not asked:
        tell("there is no success criterion that a person has not judged; the model was not asked")
        return
    state, made_upon = store.state, basis_of_all(store.state)
    question = Question(
        judging_question(state, asked, _results(store), exists_in(store.paths.project)),
        "judging",
        model=model,
        schema=judging_schema([each.number for each in asked]),
    )
    outcome = ask_for_run(session, question, claude, "use `accept`")
    found = findings(outcome.structured, state, asked)
    with store.change() as change:
        if basis_of_all(change.state) != made_upon:
            tell("results changed while the model judged: its judgement counts for none of them")
        for each, finding in zip(asked, found, strict=True):
            shown = [*finding.shown_by]
            _judge(change, each, finding.verdict, shown, made_upon, "ai", BY_THE_MODEL, finding.reason)


def _results(store: Store) -> list[tuple[str, str]]:
    """The tasks whose result is as it was recorded, and its text."""
    found = []
    for task in store.state.with_status(Status.COMPLETED):
        name = store.state.records[task].result
        if name and not result_fault(store, task):
            data = files.read_own_or_none(store.paths.inside(*name.split("/"))) or b""
            found.append((task, data.decode("utf-8", "replace")))
    return found


def _summary_of(store: Store, task: str, text: str) -> str:
    """The summary that the result gives of itself; may be empty."""
    return read_result(task, store.state.tasks[task].name, store.state.agents[task], text.encode()).summary


def _summary(facts: ReportFacts, written: Sequence[str]) -> str:
    lines = [f"{facts.outcome.capitalize()}: {facts.headline}", *map(_line, facts.criteria)]
    lines += [f"Warning: {line}" for line in facts.warnings[:5]]
    return "\n".join([*lines, *(f"Written: {os.path.relpath(file)}" for file in written)])


def _line(each: Criterion) -> str:
    """How one criterion stands, in one line."""
    from orchestrator.render.markdown import one_line

    shown = f" ({', '.join(each.shown_by)})" if each.shown_by else ""
    note = f": {one_line(each.note, 120)}" if each.note else ""
    return f"{each.number}. {each.verdict.capitalize()}: {one_line(each.text, 100)}{shown}{note}"
