"""Power cuts: the journal loses its end, at any byte, while all other files are as they were or as they had been."""

from __future__ import annotations

from chaos.ledger import Laboratory
from chaos.worlds import TWELVE, World, copied

CUT = "power cut: the journal ends anywhere, other files are newer"
BOUNDARY = "power cut: the journal ends between two records of one change"
GROUP = "power cut: the journal ends in the middle of init"
FAULTS = (CUT, BOUNDARY, GROUP)


def attempt(laboratory: Laboratory) -> None:
    """Cut the journal of a finished run and run it again."""
    done = World.make(TWELVE)
    done.environment["PAUSE_S"] = "0"
    first = (done.folder / "events.jsonl").stat().st_size
    ended = done.call(*done.run_words(8))
    assert ended.code == 0, ended.stderr
    journal = (done.folder / "events.jsonl").read_bytes()
    ends = [at + 1 for at, byte in enumerate(journal) if byte == 10 and first < at < len(journal) - 1]
    begun = [at + 1 for at, byte in enumerate(journal) if byte == 10 and at < first - 1]
    chance = laboratory.chance
    try:
        for _ in range(laboratory.count(25, 1)):
            laboratory.note(CUT, _after_cut(done, chance.randint(first + 1, len(journal) - 1), chance.random() < 0.5))
        for at in chance.sample(ends, min(len(ends), laboratory.count(25, 1))):
            laboratory.note(BOUNDARY, _after_cut(done, at, chance.random() < 0.5))
        inside = [chance.randint(1, first - 1) for _ in range(laboratory.count(6, 1))]
        for at in inside if laboratory.is_short else [*begun, *inside]:
            laboratory.note(GROUP, _after_cut_init(done, at))
    finally:
        done.remove()


def _after_cut(done: World, length: int, has_snapshot: bool) -> list[str]:
    world = copied(done)
    try:
        _cut(world, length, has_snapshot)
        read = world.call("status", "--json")
        problems = read.defects()
        if read.code != 0:
            problems.append(f"status after a cut at {length}: {read.code}: {read.stderr[-300:]}")
        ended = world.call(*world.run_words(8))
        problems += [*ended.defects(), *world.damage()]
        if ended.code != 0:
            problems.append(f"run after a cut at {length}: {ended.code}: {ended.stderr[-400:]}")
        world.call("repair")  # where the table shows more than the journal has, a person is told to
        last = world.call("status", "--json")
        problems += [f"afterwards: {problem}" for problem in last.problems()]
        status = last.json
        table = (world.folder / "master_plan.md").read_text()
        if table.count("✅ Completed |") != 12:
            problems.append(f"after a cut at {length} the table shows {table.count('✅ Completed |')} of 12 completed")
        for task in status["tasks"]:
            if f"{task['id']} completed, duration" not in table:
                problems.append(f"after a cut at {length} the log does not say that {task['id']} completed")
        return problems
    finally:
        world.remove()


def _after_cut_init(done: World, length: int) -> list[str]:
    """``init`` was not finished: it can be given again, or the run is as it would be."""
    world = copied(done)
    try:
        _cut(world, length, has_snapshot=False)
        (world.folder / "master_plan.md").unlink()
        again = world.call("init", "--trust")
        problems = again.defects()
        ended = world.call(*world.run_words(8))
        problems += ended.defects()
        if ended.code != 0:
            problems.append(f"init {again.code}, run {ended.code} after a cut at {length}: {ended.stderr[-300:]}")
        return problems
    finally:
        world.remove()


def _cut(world: World, length: int, has_snapshot: bool) -> None:
    with open(world.folder / "events.jsonl", "r+b") as journal:
        journal.truncate(length)
    if not has_snapshot:
        (world.folder / "store/snapshot.json").unlink(missing_ok=True)
