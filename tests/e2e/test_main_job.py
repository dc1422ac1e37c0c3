"""The main job with the real `claude`: a plan becomes results and one document, whatever the API does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from standin import Request, Rule, Standin, by_request, by_session, by_turn, costing, fail, hang, say, say_nothing, use

from programs import Program

Start = Callable[[list[Rule]], Standin]

DIAMOND = """\
title: A diamond
request: Map, look twice, join
tasks:
  - {id: T-01, name: Map, description: 'Do the mapping work.', success_criteria: [a map]}
  - {id: T-02, name: Left, description: 'Do the left work.', deps: [T-01], success_criteria: [left]}
  - {id: T-03, name: Right, description: 'Do the right work.', deps: [T-01, {task: T-05, type: sequential}],
     success_criteria: [right]}
  - {id: T-04, name: Join, description: 'Do the joining work.', deps: [T-02, T-03], success_criteria: [joined]}
  - {id: T-05, name: Aside, description: 'Do the work aside.', success_criteria: [aside]}
"""

ONE = """\
title: One task
tasks:
  - {id: T-01, name: Only, description: 'Do the only work.', success_criteria: [done]%s}
"""


@pytest.fixture
def planned(project: Path, orchestrate: Program) -> Callable[[str], None]:
    """Writes a plan and makes a run of it."""

    def plan(text: str) -> None:
        (project / "plan.yaml").write_text(text)
        assert orchestrate("init").code == 0

    return plan


def task_of(orchestrate: Program, task: str = "T-01") -> dict[str, object]:
    tasks = orchestrate("status", "--json").json["tasks"]
    return next(entry for entry in tasks if entry["id"] == task)


def test_a_diamond_runs_in_order_and_the_join_is_given_the_results_of_its_data_dependencies(
    standin: Start,
    planned: Callable[[str], None],
    orchestrate: Program,
    project: Path,
    no_processes_left: Callable[..., None],
) -> None:
    api = standin(
        [
            Rule("Do the mapping work", say("MAP-RESULT one module", usage=costing(0.25))),
            Rule("Do the left work", say("LEFT-RESULT fine", usage=costing(0.25))),
            Rule("Do the right work", say("RIGHT-RESULT fine", usage=costing(0.25))),
            Rule("Do the joining work", say("JOIN-RESULT all", usage=costing(0.25))),
            Rule("Do the work aside", say("ASIDE-RESULT secretive")),
        ]
    )
    planned(DIAMOND)
    ran = orchestrate("run", "--jobs", "3", "--json", timeout_s=90)
    assert ran.code == 0, ran.stderr
    assert ran.json["run"]["state"] == "completed"
    assert ran.json["run"]["cost_usd"] == pytest.approx(1.0, abs=0.2)
    joining = api.asked("Do the joining work")[0].prompt
    assert "LEFT-RESULT fine" in joining and "RIGHT-RESULT fine" in joining
    right = api.asked("Do the right work")[0].prompt
    assert "MAP-RESULT" in right and "ASIDE-RESULT" not in right
    arrived = {name: api.asked(f"Do the {name}")[0].arrived_s for name in ("mapping", "left", "right", "joining")}
    assert arrived["mapping"] < min(arrived["left"], arrived["right"]) < arrived["joining"]
    assert (project / ".orchestrator/results/agent-04-result.md").read_text().strip() == "JOIN-RESULT all"
    assert all(task_of(orchestrate, task)["tokens"] for task in ("T-01", "T-04"))
    merged = orchestrate("merge")
    assert merged.code == 0, merged.stderr
    final = (project / ".orchestrator/final_output.md").read_text()
    assert final.index("MAP-RESULT") < final.index("LEFT-RESULT") < final.index("JOIN-RESULT")
    again = orchestrate("run")
    assert again.code == 0 and len(api.asked("Do the")) == 5
    no_processes_left()


def test_an_api_error_is_retried(standin: Start, planned: Callable[[str], None], orchestrate: Program) -> None:
    api = standin([Rule("Do the only work", by_session(fail(400, "something odd"), say("In the end.")))])
    planned(ONE % ", max_retries: 2")
    ran = orchestrate("run", timeout_s=90)
    assert ran.code == 0, ran.stderr
    entry = task_of(orchestrate)
    assert entry["retries"] == 1 and entry["status"] == "completed"
    assert len(api.asked("Do the only work")) == 2
    assert (
        "400" in api.asked("Do the only work")[1].prompt or "something odd" in api.asked("Do the only work")[1].prompt
    )


def test_an_empty_answer_with_exit_code_0_is_a_failure(
    standin: Start, planned: Callable[[str], None], orchestrate: Program, project: Path
) -> None:
    standin([Rule("Do the only work", say_nothing())])
    planned(ONE % ", max_retries: 0")
    assert orchestrate("run", timeout_s=60).code == 1
    entry = task_of(orchestrate)
    assert entry["status"] == "failed" and "blank" in str(entry["reason"])
    assert not (project / ".orchestrator/results/agent-01-result.md").exists()


def test_a_denied_tool_is_named_with_the_rule_to_add(
    standin: Start, planned: Callable[[str], None], orchestrate: Program
) -> None:
    standin(
        [Rule("Do the only work", by_turn(use("Bash", command="touch made.txt", description="d"), say("Without it.")))]
    )
    planned(ONE % "")
    assert orchestrate("run", timeout_s=60).code == 0
    entry = task_of(orchestrate)
    assert entry["status"] == "completed"
    assert "Bash" in str(entry["reason"]) and "allowed_tools" in str(entry["reason"])


def test_a_timeout_leaves_no_process_and_is_a_failure(
    standin: Start, planned: Callable[[str], None], orchestrate: Program, no_processes_left: Callable[..., None]
) -> None:
    stubborn = "trap '' TERM; setsid sh -c \"trap '' TERM; sleep 60\" & sleep 60"
    standin([Rule("Do the only work", use("Bash", command=stubborn, description="d"))])
    planned(ONE % ", timeout: 4s, max_retries: 0, allowed_tools: [Bash]")
    ran = orchestrate("run", timeout_s=60)
    assert ran.code == 1
    entry = task_of(orchestrate)
    assert entry["status"] == "failed" and "timeout" in str(entry["reason"])
    assert entry["cost_usd"] and entry["tokens"], "what its messages told before it was ended"
    no_processes_left()


def test_a_hanging_api_is_ended_by_the_idle_timeout(
    standin: Start, planned: Callable[[str], None], orchestrate: Program, no_processes_left: Callable[..., None]
) -> None:
    standin([Rule("Do the only work", hang(60))])
    planned(ONE % ", idle_timeout: 3s, max_retries: 0")
    assert orchestrate("run", timeout_s=60).code == 1
    assert "idle" in str(task_of(orchestrate)["reason"])
    no_processes_left()


def test_a_result_of_3_mb_arrives_whole_also_when_the_answer_goes_on_in_a_second_message(
    standin: Start, planned: Callable[[str], None], orchestrate: Program, project: Path
) -> None:
    text = "".join(f"line {number} of many\n" for number in range(150_000))
    half = len(text) // 2
    parts = by_request(say(text[:half], stop_reason="max_tokens"), say(text[half:]))
    standin([Rule("Do the only work", parts)])
    planned(ONE % "")
    assert orchestrate("run", timeout_s=90).code == 0
    assert (project / ".orchestrator/results/agent-01-result.md").read_text().strip() == text.strip()
    merged = orchestrate("merge", timeout_s=60)
    assert merged.code == 0
    assert "line 149999 of many" in (project / ".orchestrator/final_output.md").read_text()


def test_a_path_after_an_at_sign_attaches_nothing(
    standin: Start, planned: Callable[[str], None], orchestrate: Program, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("TOP-SECRET-CONTENT")
    api = standin([Rule("Do the only work", say(f"See @{outside} too")), Rule("Do the next work", say("ok"))])
    planned(
        "title: Attach\ntasks:\n"
        f"  - {{id: T-01, name: A, description: 'Do the only work with @{outside} now.', success_criteria: [x]}}\n"
        "  - {id: T-02, name: B, description: 'Do the next work.', deps: [T-01], success_criteria: [x]}\n"
    )
    assert orchestrate("run", timeout_s=60).code == 0
    for request in api.requests:
        assert "TOP-SECRET-CONTENT" not in request.text


def test_a_worker_writes_nothing_under_the_folder_of_the_run(
    standin: Start, planned: Callable[[str], None], orchestrate: Program, project: Path
) -> None:
    target = project / ".orchestrator" / "results" / "agent-01-result.md"
    forged = project / ".orchestrator" / "forged.md"
    standin(
        [
            Rule(
                "Do the only work",
                by_turn(
                    use("Write", file_path=str(target), content="forged"),
                    use("Bash", command=f"echo forged > {forged}", description="d"),
                    say("I am done."),
                ),
            )
        ]
    )
    planned(ONE % ", allowed_tools: [Write, 'Bash(echo:*)'], permission_mode: acceptEdits, max_retries: 0")
    orchestrate("run", timeout_s=60)
    assert not forged.exists()
    entry = task_of(orchestrate)
    if entry["status"] == "completed":
        assert target.read_text().strip() == "I am done."
    else:
        assert ".orchestrator" in str(entry["reason"])


def test_one_of_claudes_subagents_does_a_ready_task_and_records_it(
    standin: Start,
    planned: Callable[[str], None],
    orchestrate: Program,
    program: Callable[..., Program],
    project: Path,
    claude: Path,
    claude_env: dict[str, str],
) -> None:
    """As SKILL.md says: `start`, a subagent for the ready task with what `prompt` prints, it ends with `complete`."""
    planned(ONE % "")
    assert orchestrate("start", "T-01").code == 0
    prompt = orchestrate("prompt", "T-01").stdout
    ending = re.search(r"^.*orchestrate(?:\.py)?\S* complete T-01.*$", prompt, re.MULTILINE)
    assert ending, prompt
    command = ending[0].strip().strip("`").replace("FILE", str(project / "answer.md"))

    def model(request: Request) -> object:
        if "Do the only work" in request.prompt and "You are the session" not in request.prompt:
            return by_turn(
                use("Bash", command=f"printf 'The subagent did it.' > {project}/answer.md", description="d"),
                use("Bash", command=command, description="record"),
                say("Recorded."),
            )(request)
        return by_turn(
            use("Agent", description="T-01", prompt=prompt, subagent_type="general-purpose"), say("All done.")
        )(request)

    standin(model)  # type: ignore[arg-type]  # a model may be a function
    session = program(claude)(
        "-p", "--output-format=json", "--allowedTools=Bash", stdin="You are the session.", timeout_s=90
    )
    assert session.code == 0, session.stdout + session.stderr
    assert task_of(orchestrate)["status"] == "completed", session.stdout
    assert (project / ".orchestrator/results/agent-01-result.md").read_text() == "The subagent did it."


def test_a_missing_claude_is_told_before_anything_is_begun(
    planned: Callable[[str], None], orchestrate: Program
) -> None:
    planned(ONE % "")
    ran = orchestrate("run", "--claude", "/nowhere/claude")
    assert ran.code == 3
    assert "/nowhere/claude" in ran.stderr and "doctor" in ran.stderr
    assert task_of(orchestrate)["status"] == "pending"
