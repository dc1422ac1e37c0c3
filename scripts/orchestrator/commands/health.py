"""``health``: how the workers are, and what was done about those that are gone."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator import clock
from orchestrator.commands.place import Place, answer
from orchestrator.commands.session import open_or_read
from orchestrator.errors import ExitCode
from orchestrator.model import Json
from orchestrator.store.store import Store
from orchestrator.workers.health import ALARMING, Health, Vitals, all_vitals, run_health


def health(place: Place) -> ExitCode:
    """List the dead, silent, zombie and slow workers with what was done; 1 when one of them needs a person's eye."""
    before = all_vitals(Store.open(place.paths))
    session = open_or_read(place)  # ends what the dead have left, and puts their tasks back
    session.show()
    state = session.store.state
    done = {each.task: _done(session.store, each) for each in before if each.health is not Health.HEALTHY}
    found = [each for each in before if each.health is not Health.HEALTHY]
    word = run_health(before, state.run_state(clock.now()))
    record: Json = {
        "id": state.id,
        "health": word,
        "running": len(before),
        "workers": [each.record(done.get(each.task, "")) for each in before],
    }
    answer(place, record, "\n".join(_lines(before, found, done)))
    return ExitCode.PROBLEMS if any(each.health in ALARMING for each in found) else ExitCode.DONE


def _done(store: Store, each: Vitals) -> str:
    """What became of the attempt since it was looked at."""
    record, status = store.state.records[each.task], store.state.status(each.task)
    if record.attempt == each.attempt and str(status) == "running":
        return ""
    if each.health is Health.DEAD:
        return f"what was left of it was ended; {each.task} is {status}: {record.reason}"
    return f"{each.task} is {status} by now"


def _lines(before: Sequence[Vitals], found: Sequence[Vitals], done: dict[str, str]) -> list[str]:
    if not before:
        return ["No worker is under way."]
    healthy = len(before) - len(found)
    lines = [f"{healthy} of {len(before)} healthy"]
    for each in found:
        who = f"{each.task} ({each.agent}, attempt {each.attempt}, {each.where})"
        lines.append(f"{who} is {each.health}: {each.reason}")
        lines.append(f"  done: {done[each.task]}" if done.get(each.task) else f"  try: {each.advice}")
    return lines
