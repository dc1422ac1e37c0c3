"""The real ``claude`` against an API that refuses, cuts, hangs or says nothing; the run ends well all the same."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from standin import CutPoint, Rule, Script, Standin, by_session, by_turn, cut, fail, hang, limit, say, say_nothing, use
from standin.model import Behaviour

import components
from chaos.ledger import Laboratory
from chaos.worlds import World

STUBBORN = "trap '' TERM; setsid sh -c \"trap '' TERM; sleep 300\" & sleep 300"
LEFT_BEHIND = "setsid sh -c \"trap '' TERM; sleep 300\" >/dev/null 2>&1 &"
CREDIT = "Your credit balance is too low to access the Anthropic API."
LONG = "".join(f"line {number} of many\n" for number in range(150_000))
AT_ONCE = 4

PLAN = """\
title: One
request: One
tasks:
  - {{id: T-01, name: Only, description: 'Do the only work.', success_criteria: [done], max_retries: 1{fields}}}
  - {{id: T-02, name: Next, description: 'Do the next work.', success_criteria: [done], deps: [T-01]}}
"""


@dataclass(frozen=True)
class Case:
    """What the API does to the first session, what the first ``run`` then ends with, and what must hold."""

    fault: str
    first: Behaviour
    fields: str = ""
    code: int = 0
    retries: int = 1
    says: str = ""
    result: str = "In the end."
    is_subscription: bool = False
    is_short: bool = False


def _cases() -> list[Case]:
    in_time = time.time() + 5
    return [
        Case("429 from the API", fail(429, is_final=True)),
        Case("529 overloaded", fail(529, is_final=True), is_short=True),
        Case("500 from the API", fail(500, is_final=True)),
        Case("401: the login is refused", fail(401), code=4, retries=0, says="Invalid API key"),
        Case("credit used up", fail(400, CREDIT), code=4, retries=0, says="Credit balance", is_short=True),
        Case("usage limit", limit(in_time), retries=0, says="Paused until", is_subscription=True),
        Case("a stream cut in the middle of the text", cut(say("Half of " * 50))),
        Case("a stream cut at once", cut(say("Nothing of this"), CutPoint.NOTHING)),
        Case("a stream without a reason to stop", cut(say("All but the end"), CutPoint.TEXT)),
        Case("an empty answer", say_nothing(), is_short=True),
        Case("an API that hangs", hang(120), ", idle_timeout: 8s"),
        Case("an answer of 3 MB", say(LONG), retries=0, result=LONG),
        Case("a tool call whose grandchild ignores signals, until the timeout",
             use("Bash", command=STUBBORN, description="d"), ", timeout: 10s, allowed_tools: [Bash]", is_short=True),
        Case("a worker that ends well and leaves a grandchild behind that ignores signals",
             by_turn(use("Bash", command=LEFT_BEHIND, description="d"), say("In the end.")),
             ", allowed_tools: [Bash]", retries=0),
        Case("an answer that says it is done, without the output that is asked for",
             say("I am done."), ", outputs: [made.txt]", code=1, retries=1, says="made.txt is missing", result=""),
    ]  # fmt: skip


FAULTS = tuple(case.fault for case in _cases())
SHORT_FAULTS = tuple(case.fault for case in _cases() if case.is_short)


def attempt(laboratory: Laboratory) -> None:
    """Every case in a world of its own, a few at a time."""
    found = components.find("claude")
    cases = [case for case in _cases() if case.is_short or not laboratory.is_short]
    if not isinstance(found, Path):
        for case in cases:
            laboratory.skip(case.fault, found)
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for case, problems in zip(cases, pool.map(lambda case: _meet(case, found), cases), strict=True):
            laboratory.note(case.fault, problems)


def _meet(case: Case, claude: Path) -> list[str]:
    script: Script = [
        Rule("Do the only work", by_session(case.first, say("In the end."))),
        Rule("Do the next work", say("The next.")),
    ]
    world = World.empty()
    try:
        with Standin(script) as api:
            world.environment.update(_environment(claude, api.url, case.is_subscription))
            (world.project / "plan.yaml").write_text(PLAN.format(fields=case.fields))
            world.spawn("init")
            return _judged(world, case, api)
    finally:
        world.remove()


def _environment(claude: Path, url: str, is_subscription: bool) -> dict[str, str]:
    login = {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-dummy"} if is_subscription else {"ANTHROPIC_API_KEY": "sk-dummy"}
    return {
        **login,
        "PATH": os.pathsep.join([str(claude.parent), os.environ["PATH"]]),
        "ANTHROPIC_BASE_URL": url,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_MAX_RETRIES": "0",
    }


def _judged(world: World, case: Case, api: Standin) -> list[str]:
    ran = world.spawn("run", "--jobs", "2", timeout_s=120)
    problems = ran.defects()
    if ran.code != case.code:
        problems.append(f"exit code {ran.code} instead of {case.code}: {ran.stderr[-400:]}")
    if case.says and case.says not in ran.stderr + ran.stdout:
        problems.append(f"{case.says!r} is not said: {ran.stderr[-400:]}")
    problems += world.left_processes()
    if case.code == 4:
        told = ran.stderr.count(case.says)
        problems += [f"{case.says!r} was said {told} times"] if told > 4 else []
        status = world.spawn("status", "--json").json
        if status["run"]["counts"]["failed"] or status["run"]["state"] != "paused":
            problems.append(f"the run is {status['run']['state']}: {status['run']['counts']}")
        again = world.spawn("run", timeout_s=60)
        if again.code != 0:
            problems.append(f"the run after the cause was gone: {again.code}: {again.stderr[-300:]}")
    elif case.code == 0:
        tasks = {task["id"]: task for task in world.spawn("status", "--json").json["tasks"]}
        retries = tasks["T-01"]["retries"]
        problems += [f"{retries} retries instead of {case.retries}"] if retries != case.retries else []
        path = world.folder / "results/agent-01-result.md"
        result = path.read_text() if path.exists() else ""
        if result.strip() != case.result.strip():
            problems.append(f"the result has {len(result)} characters instead of {len(case.result)}: {result[:80]!r}")
        if len(api.asked("Do the next work")) != 1:
            problems.append(f"the next task was asked {len(api.asked('Do the next work'))} times")
    return problems
