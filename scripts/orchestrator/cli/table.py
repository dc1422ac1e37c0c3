"""Every command by name: the group it belongs to, the module that declares it, and one sentence about it."""

from __future__ import annotations

_TABLE: dict[str, dict[str, tuple[str, str]]] = {
    "plan": {
        "triage": ("triage", "Whether a request is one task for one role or takes a plan, and why."),
        "plan": ("drafting", "Make a plan for a request: from a template, by its words, by the model, or to fill in."),
        "validate": ("plan", "Check a plan: every problem at once, with line and advice."),
        "init": ("plan", "Make a run of a plan: master_plan.md and a file for each agent."),
        "add": ("plan", "Put a task into a plan that is already running."),
        "decompose": ("drafting", "Split one task of a running plan into subtasks, whose join it becomes."),
        "estimate": ("plan", "What a plan or a request takes: critical path, stages, duration, tokens, cost."),
        "graph": ("plan", "Draw the dependency graph: levels for a terminal, Mermaid or DOT."),
        "schema": ("plan", "Print the JSON Schema of plan.yaml."),
        "trust": ("plan", "Accept what the plan may start: verify, commands, hooks, roles."),
    },
    "state": {
        "status": ("state", "Where the run stands, in a few lines."),
        "list": ("state", "A line for each task."),
        "next": ("state", "What may start now, as a numbered batch."),
        "start": ("state", "Begin tasks by hand."),
        "complete": ("state", "Record the result of a running task."),
        "fail": ("state", "Record that a running task failed."),
        "retry": ("state", "Open failed or skipped tasks again."),
        "skip": ("state", "Leave tasks out on purpose."),
        "approve": ("state", "Let tasks start that wait for a person."),
        "log": ("state", "The execution log, or the events as JSON lines."),
        "repair": ("state", "Rebuild master_plan.md from the journal."),
    },
    "run": {
        "prompt": ("run", "Print the whole prompt of a task."),
        "context": ("drafting", "What a worker needs for one task, in few tokens; or add what was gathered."),
        "run": ("run", "Run the plan with worker processes."),
        "feed": ("run", "Print the id of each task the moment it may start; launch scripts run them."),
        "exec": ("run", "Run one attempt of one task to its end."),
        "launch": (
            "run",
            "Write scripts for a terminal: run.sh (GNU parallel), run.ps1 (PowerShell), loop.sh, loop.ps1.",
        ),
        "pause": ("state", "Start nothing new for now."),
        "resume": ("state", "End a pause."),
        "health": ("run", "Which workers are gone, silent, without progress or slow, and what was done."),
        "watch": ("run", "A run as it goes on, for anybody who does not run it; ends when it ends."),
        "doctor": ("run", "Check what is installed and what is missing for what."),
    },
    "aggregate": {
        "check": ("aggregate", "The result checklist, with advice for each gap."),
        "merge": ("aggregate", "Merge the results into final_output.md."),
        "report": ("aggregate", "What was asked and delivered, by success criterion: report.html and report.md."),
        "accept": ("aggregate", "Say as a person that success criteria are met, or that one is not."),
        "export": ("aggregate", "The whole run as JSON, CSV, a drawing of the graph or a Gantt chart."),
    },
    "desk": {
        "handoff": ("handoff", "A task as it is handed to its role, or all that is ready for a role."),
        "roles": ("roles", "The specialists there are, where they come from, and what is wrong with their files."),
        "queue": ("desk", "Requests over time: add them, and work through them one after the other."),
        "runs": ("desk", "Every orchestration of the project and where it stands."),
        "archive": ("desk", "Put orchestrations aside that have ended."),
    },
    "loop": {
        "main-task": ("loop", "The four-line state of the loop: read it, set it, or derive the next single action."),
        "loop": ("loop", "Call claude afresh for every step, until the plan is done or cannot go on."),
    },
    "help": {
        "demo": ("run", "Run a bundled plan through all four phases."),
        "skill": ("help", "Where the skill's documents are."),
    },
}

GROUPS: dict[str, list[str]] = {group: list(commands) for group, commands in _TABLE.items()}
COMMANDS: dict[str, str] = {name: entry[0] for commands in _TABLE.values() for name, entry in commands.items()}
HELP: dict[str, str] = {name: entry[1] for commands in _TABLE.values() for name, entry in commands.items()}

SUBCOMMANDS: dict[str, dict[str, str]] = {
    "queue": {
        "add": "Put a request into the queue.",
        "list": "A line for each request, the one to take first in front.",
        "show": "One request, and where its run stands.",
        "cancel": "Take a request off the queue, and end its workers.",
        "import": "Put every request of a JSON list into the queue.",
        "run": "Take the next request, judge it, plan it, run it, merge and report, and so on.",
        "work": "Do all of that for one request in this process; `queue run` starts one for each.",
    },
}
"""The commands that have commands of their own, with one sentence about each of those."""
