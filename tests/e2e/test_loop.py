"""The stateless loop with the real `claude`, whose model is a stand-in that really calls our commands."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from standin import Message, Request, Standin, say, use

from document_pieces import pieces
from manual import TEXTS
from programs import Program

Start = Callable[..., Standin]

WORKFLOW = {"workflow.md": TEXTS["workflow.md"].partition("### A whole example")[2]}
BLOCKS = [piece.text for piece in pieces(WORKFLOW, "fence") if piece.info == "bash"]
FIRST, INVOCATIONS = BLOCKS[0].strip(), BLOCKS[1:]
FOUND = re.findall(r"^Invocation \d finds `(.+?)`", WORKFLOW["workflow.md"], re.MULTILINE)


def commands_of(block: str) -> list[str]:
    """The commands of a block, each with its here-document."""
    return re.findall(r"^orchestrate [^\n]*<<'END'\n.*?^END$|^orchestrate [^\n]*$", block, re.MULTILINE | re.DOTALL)


def bash(command: str) -> Message:
    return use("Bash", command=command, description="do it")


def test_the_example_of_the_document_runs_from_a_sentence_to_a_merged_result(
    standin: Start, orchestrate: Program, project: Path, no_processes_left: Callable[..., None]
) -> None:
    sessions: list[str] = []

    def model(request: Request) -> Message:
        if request.session not in sessions:
            sessions.append(request.session)
        commands = commands_of(INVOCATIONS[sessions.index(request.session)])
        return bash(commands[request.turn]) if request.turn < len(commands) else say("Done.")

    api = standin(model)
    done = orchestrate("loop", *shell_words(FIRST)[2:], "--json", timeout_s=240)
    results = [result.text for request in api.requests for result in request.tool_results]
    assert done.code == 0, (done.stderr, results)
    assert len(sessions) == len(INVOCATIONS) == 5
    prompts = [next(r.prompt for r in api.requests if r.session == session) for session in sessions]
    actions = [re.findall(r"^## Your one action: (.*)$", prompt, re.MULTILINE) for prompt in prompts]
    assert actions == [["decompose T-01"], ["execute T-01.1"], ["execute T-01.2"], ["execute T-01.3"], ["synthesize"]]
    for number, sentence in zip((1, 2, 4, 5), FOUND, strict=True):
        assert f"NEXT: {sentence}" in prompts[number - 1]
    assert "NEXT: Compare both caches by what their callers need" in prompts[2]
    assert "💡 FOCUS: Billing needs entries that expire." in prompts[2]
    focused = next(text for text in results if "Focus on this now: Billing needs entries that expire." in text)
    assert "Both caches are used in src/" in focused, "with the result of the task before"
    assert not [result for request in api.requests for result in request.tool_results if result.is_error]
    assert (done.json["status"], done.json["iterations"], done.json["task"]) == ("completed", 5, None)
    status = orchestrate("status", "--json").json
    assert status["run"]["merged"] and status["run"]["progress_percent"] == 100
    assert {task["id"]: task["status"] for task in status["tasks"]}["T-01"] == "completed"
    assert "Keep the new cache" in (project / ".orchestrator/final_output.md").read_text()
    assert (project / ".orchestrator/MAIN_TASK").read_text().startswith("STATUS: completed\n")
    no_processes_left()


def shell_words(line: str) -> list[str]:
    import shlex

    return shlex.split(line)


def test_an_invocation_may_run_our_commands_and_nothing_that_is_a_persons(
    standin: Start, orchestrate: Program, project: Path
) -> None:
    (project / "plan.yaml").write_text(
        json.dumps(
            {
                "title": "Barred",
                "tasks": [
                    {
                        "id": "T-01",
                        "description": "Do it.",
                        "success_criteria": ["x"],
                        "allowed_tools": ["Bash(touch allowed.txt)"],
                    }
                ],
            }
        )
    )
    assert orchestrate("init").code == 0
    tried = [
        "orchestrate status",
        "touch allowed.txt",
        "touch added.txt",
        "touch pwned",
        "orchestrate trust",
        "orchestrate run --executor rehearse",
        "orchestrate init --trust",
        'orchestrate init --tr"us"t',
        "orchestrate plan x --ai --cl'aud'e ./pwn",
        "orchestrate status && touch pwned",
        "cd / && orchestrate status",
    ]

    def model(request: Request) -> Message:
        return bash(tried[request.turn]) if request.turn < len(tried) else say("Done.")

    api = standin(model)
    done = orchestrate("loop", "--once", "--json", "--allowed-tools", "Bash(touch added.txt)", timeout_s=90)
    assert done.code == 4, done.stderr
    by_command = dict(zip(tried, api.requests[-1].tool_results, strict=True))
    assert [command for command, result in by_command.items() if not result.is_error] == tried[:3]
    assert "is not for an invocation of the loop" in by_command['orchestrate init --tr"us"t'].text
    assert "is not for an invocation of the loop" in by_command["orchestrate plan x --ai --cl'aud'e ./pwn"].text
    assert "Permission" in by_command["orchestrate trust"].text
    assert "denied" in done.stderr and "touch pwned" in done.stderr
    assert (project / "allowed.txt").exists() and not (project / "pwned").exists()
    assert done.json["changed"] == []
