"""Files of people with something wrong in them: taken rightly, or refused with line and advice and left alone."""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable

from chaos.ledger import Laboratory
from chaos.worlds import World, copied

PLAN = "plan.yaml mutated, then init"
LIVING = "plan.yaml mutated while the run stands, then status"
TABLE = "master_plan.md mutated, then status"
FAULTS = (PLAN, LIVING, TABLE)

RICH = """\
version: 1
title: Review of a service
request: |
  Review it for style and security,
  and write one report.
objectives:
  primary: One report
  secondary: [quick wins]
  success_criteria: ["Every finding names a file"]
constraints:
  - time: two hours
  - no new libraries
budget_usd: 5
defaults: {timeout: 20m, max_retries: 1, model: sonnet}
run: {jobs: 3, executor: rehearse, quiet_hours: "22:00-07:00"}
tasks:
  - id: T-01
    name: Map the code
    description: Read it and list the modules.
    estimate: 5m
    success_criteria: [a map]
    outputs: [docs/map.md]
    rehearse: {duration: 0.1}
  - id: T-02
    name: Review style
    description: |
      Look at naming.
      Look at structure.
    deps: [T-01]
    priority: P1
    writes: ["src/**"]
    success_criteria: [every finding has a line]
  - id: T-03
    name: 'Review "security"'
    description: "Look for injection: queries, shells"
    deps: [T-01, {task: T-02, type: sequential}]
    on_failure: fallback
    fallback: {description: Only list the queries., model: haiku}
    verify: ["test -s docs/map.md"]
    result_schema: {type: object, required: [findings]}
    budget_usd: 0.5
    success_criteria: [no secret is left]
  - id: T-04
    name: Join
    description: Join them.
    deps: [T-02, T-03]
    approval: true
    idle_timeout: 90s
    estimate: 10m-20m
    success_criteria: [one report]
  - {id: T-05, name: Aside, description: Aside., success_criteria: [x]}
  - {id: T-06, name: Failed, description: Fails., success_criteria: [x]}
"""
TOKENS = (
    "\t", "{{", "}}", "&a ", "*a", "!!python/object/apply:os.system ['touch pwned']", "\x00", "🚀", "\r", "\ufeff", '"',
    "'", "|", "`", "- ", ": ", "#", "---\n", "\\", "[", "]", "{", "}", "null", "-1", "1e999", "0x10", "on",
    "2020-01-01",
    "T-01", "T-99", "../../etc/passwd", "$(touch pwned)", "é" * 300, "\u202e", "\ud7ff", "<<: *a", "<!-- x -->", "~",
    "\n\n\n", "  ", "=======\n", "<<<<<<< HEAD\n", "✅ Completed", "🔵", "running", "P0", "None", "T-01,T-02", "-->",
)  # fmt: skip
"""What gets into files: by a slip of the hand, a merge, a model, a hostile text."""

FIXED = {"T-01": "completed", "T-05": "running"}
"""What no edit of a file may undo."""


def attempt(laboratory: Laboratory) -> None:
    """Change one thing or a few, again and again."""
    base = World.make(RICH)
    _work_on(base)
    count = laboratory.count(500, 12)
    empty = World.empty()
    for seed in range(count):
        laboratory.note(PLAN, _init(empty, _mutated(RICH, random.Random(f"{laboratory.seed} plan {seed}")), seed))
    plan, table = (base.folder / "plan.yaml").read_text(), (base.folder / "master_plan.md").read_text()
    for seed in range(count):
        chance = random.Random(f"{laboratory.seed} living {seed}")
        laboratory.note(LIVING, _status(base, "plan.yaml", _mutated(plan, chance), seed))
    for seed in range(2 * count):
        chance = random.Random(f"{laboratory.seed} table {seed}")
        laboratory.note(TABLE, _status(base, "master_plan.md", _mutated(table, chance), seed))
    base.remove()
    empty.remove()


def _work_on(world: World) -> None:
    """A task in each state that can be reached by hand."""
    (world.project / "given.md").write_text("Given.\n")
    (world.project / "docs").mkdir()
    (world.project / "docs/map.md").write_text("A map.\n")
    for words in (("start", "T-01", "T-06"), ("complete", "T-01", "--result", "given.md"), ("fail", "T-06", "--final"),
                  ("start", "T-05")):  # fmt: skip
        done = world.call(*words)
        assert done.code == 0, done.stderr


# -- what is changed ---------------------------------------------------------------------------------


def _mutated(text: str, chance: random.Random) -> bytes:
    """``text`` with one to three changes."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        text = chance.choice(_CHANGES)(text, chance)
    data = text.encode("utf-8", "surrogatepass")
    if chance.random() < 0.05:
        at = chance.randrange(len(data) + 1)
        data = data[:at] + bytes(chance.randrange(256) for _ in range(chance.randint(1, 4))) + data[at:]
    return data


def _on_lines(change: Callable[[list[str], int, random.Random], None]) -> Callable[[str, random.Random], str]:
    def changed(text: str, chance: random.Random) -> str:
        lines = text.split("\n")
        change(lines, chance.randrange(len(lines)), chance)
        return "\n".join(lines)

    return changed


def _delete(lines: list[str], at: int, chance: random.Random) -> None:
    del lines[at]


def _repeat(lines: list[str], at: int, chance: random.Random) -> None:
    lines.insert(chance.randrange(len(lines) + 1), lines[at])


def _swap(lines: list[str], at: int, chance: random.Random) -> None:
    other = chance.randrange(len(lines))
    lines[at], lines[other] = lines[other], lines[at]


def _indent(lines: list[str], at: int, chance: random.Random) -> None:
    lines[at] = chance.choice(("  ", " ", "\t", "      ")) + lines[at] if chance.random() < 0.6 else lines[at].lstrip()


def _empty_cell(lines: list[str], at: int, chance: random.Random) -> None:
    lines[at] = re.sub(r"[^|:]+", chance.choice(("", " ", "x")), lines[at], count=chance.randint(1, 3))


def _insert(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(TOKENS) + text[at:]


def _replace_word(text: str, chance: random.Random) -> str:
    words = list(re.finditer(r"[\w.-]+", text))
    if not words:
        return text
    word = chance.choice(words)
    new = chance.choice((*TOKENS, chance.choice(words)[0], word[0].swapcase(), word[0] + "x", ""))
    return text[: word.start()] + new + text[word.end() :]


def _cut(text: str, chance: random.Random) -> str:
    return text[: chance.randrange(len(text) + 1)]


def _drop(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + text[at + chance.randint(1, 40) :]


def _line_ends(text: str, chance: random.Random) -> str:
    return text.replace("\n", chance.choice(("\r\n", "\r", "\n\n")))


_CHANGES: tuple[Callable[[str, random.Random], str], ...] = (
    *(_on_lines(change) for change in (_delete, _repeat, _swap, _indent, _empty_cell)),
    _insert, _insert, _replace_word, _replace_word, _replace_word, _cut, _drop, _line_ends,
)  # fmt: skip


# -- what must follow --------------------------------------------------------------------------------


def _init(world: World, data: bytes, seed: int) -> list[str]:
    """``init`` makes a sound run, or refuses with line and advice and makes nothing."""
    (world.project / "plan.yaml").write_bytes(data)
    done = world.call_here("init")
    problems = done.defects()
    if done.code == 0:
        problems += world.sound()
        status = world.call_here("status", "--json")
        problems += status.defects()
        if status.code == 0:
            problems += [f"status names {told}" for told in status.problems()[:1]]
            ids = [task["id"] for task in status.json["tasks"]]
            problems += ["an id is there twice"] * (len({id.casefold() for id in ids}) != len(ids))
        else:
            problems.append(f"status after init: {status.code}: {status.stderr[-200:]}")
        _remove_run(world)
    elif done.code not in (1, 3):
        problems.append(f"exit code {done.code}: {done.stderr[-200:]}")
    else:
        problems += _advice(done.stderr, "plan.yaml")
        problems += ["a refused plan left something behind"] * world.folder.exists()
    problems += ["a text of the plan was run"] * (world.project / "pwned").exists()
    return [f"mutant {seed}: {problem}" for problem in problems]


def _remove_run(world: World) -> None:
    shutil.rmtree(world.folder)


def _status(base: World, name: str, data: bytes, seed: int) -> list[str]:
    """The change is taken over, or named with line and advice, and then the file is as it was left."""
    world = copied(base)
    try:
        path = world.folder / name
        path.write_bytes(data)
        os.utime(path, (0, 0))  # as an editor would have left it some time ago: nobody waits for it to settle
        old = (world.folder / "events.jsonl").read_bytes()
        done = world.call_here("status", "--json")
        problems = [*done.defects(), *world.journal_damage()]
        if done.code != 0:
            problems.append(f"exit code {done.code}: {done.stderr[-300:]}")
            return [f"mutant {seed}: {problem}" for problem in problems]
        after = {task["id"]: task["status"] for task in done.json["tasks"]}
        problems += [f"{task} was {status} and is {after.get(task)}" for task, status in FIXED.items()
                     if after.get(task) != status]  # fmt: skip
        told = [problem for problem in done.problems() if problem.startswith(name)]
        if told:
            problems += [f"the problem names no line or no advice: {text}" for text in told
                         if not re.match(rf"{re.escape(name)}:\d+: ", text) or "(try: " not in text][:1]  # fmt: skip
            problems += ["the refused file was changed"] * (path.read_bytes() != data)
            problems += ["something of a refused file was taken over"] * (
                (world.folder / "events.jsonl").read_bytes() != old
            )
            if name == "master_plan.md" and seed % 5 == 0:
                repaired = world.call_here("repair")
                problems += [*repaired.defects(), *world.sound()]
        else:
            problems += world.sound()
            if seed % 3 == 0:
                again = world.call_here("status", "--json")
                problems += [f"the second look says otherwise: {later}" for later in again.problems()[:1]]
        return [f"mutant {seed}: {problem}" for problem in problems]
    finally:
        world.discard()


def _advice(stderr: str, name: str) -> list[str]:
    lines = [line for line in stderr.splitlines() if ": error: " in line or "line " in line]
    if not lines:
        return [f"no line is named: {stderr[-300:]}"]
    return ["no advice is given: " + stderr[-300:]] * ("try" not in stderr)
