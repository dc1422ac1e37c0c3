"""The artefacts of a run as skeletons: what the program writes for a plan whose texts say what stands there.

``documents`` puts them into templates.md. Everything is made by the functions and templates that the program uses, so
that a skeleton cannot differ from the file.
"""

from __future__ import annotations

from orchestrator import ids
from orchestrator.merge.concat import concat
from orchestrator.merge.structured import structured
from orchestrator.model import Constraint, Dependency, Estimate, Objectives, Plan, Status, Task
from orchestrator.render import agent_file, form, master_plan
from orchestrator.render.handed_over import HandedOver
from orchestrator.render.markdown import fenced
from orchestrator.render.prompt import Audience, prompt
from orchestrator.render.templates import rendered
from orchestrator.store.state import State, TaskRecord
from orchestrator.texts.results import Result, read_result

PLAN = Plan(
    title="Short name of the whole",
    request="What the user asked for, in the user's words.",
    objectives=Objectives("The one thing that must be reached", ("What else is wanted",), ("How one knows",)),
    constraints=(Constraint("A limit on the work", "scope"),),
    implicit_requirements=("What is expected without having been said",),
    budget_usd=2.0,
    tasks=(
        Task("T-01", "A first task", "What the agent is to do."),
        Task(
            "T-02",
            "A second task",
            "What the agent is to do.",
            deps=(Dependency("T-01"),),
            inputs=("What it gets",),
            success_criteria=("How one knows that it is done",),
            estimate=Estimate(600, 600),
        ),
    ),
)
FIRST, SECOND = PLAN.tasks
AGENTS = {FIRST.id: "Agent-01", SECOND.id: "Agent-02"}
RESULTS = {task: f".orchestrator/results/{ids.result_file(agent, task, False)}" for task, agent in AGENTS.items()}
RESULT = """\
---
summary: What was found or done.
findings:
  - category: Security
    severity: high
    title: A finding
    detail: What is wrong and what to do.
    file: src/login.py
---
# Title of the result

Its text.
"""
HANDED_OVER = HandedOver(FIRST.id, FIRST.name, AGENTS[FIRST.id], Status.COMPLETED, RESULTS[FIRST.id], text=RESULT)


def master_plan_page() -> str:
    """A new ``master_plan.md``."""
    tasks = {task.id: task for task in PLAN.tasks}
    state = State(plan=PLAN, tasks=tasks, agents=AGENTS, records={id: TaskRecord() for id in tasks}, rev=2)
    log = "### [2026-01-31 09:00:00] Initialization\n- Created 2 tasks\n- Assigned 2 agents"
    return fenced(master_plan.new_document(state, [log]), "markdown")


def agent_page() -> str:
    """One agent's assignment."""
    page = agent_file.agent_file(
        PLAN, SECOND, agent=AGENTS[SECOND.id], result_file=RESULTS[SECOND.id], dependencies=[HANDED_OVER]
    )
    return fenced(page, "markdown")


def worker_prompt() -> str:
    """The prompt of a worker, whole."""
    return fenced(_prompt(Audience.WORKER), "text")


def subagent_ending() -> str:
    """The last section of a subagent's prompt, in which alone it differs from a worker's."""
    return fenced(_prompt(Audience.SUBAGENT).rpartition("\n## How to end\n")[2].strip("\n"), "text")


def _prompt(audience: Audience) -> str:
    return prompt(
        PLAN,
        SECOND,
        agent=AGENTS[SECOND.id],
        audience=audience,
        result_file=RESULTS[SECOND.id],
        dependencies=[HANDED_OVER],
    ).text


def front_matter() -> str:
    """What a result may begin with."""
    return fenced(rendered("front_matter.md.j2"), "yaml")


def session_form() -> str:
    """The simulated execution form: the banner of a batch, and the box of a task that is done."""
    done = form.AgentForm(
        AGENTS[SECOND.id],
        SECOND.id,
        SECOND.name,
        SECOND.description,
        steps=["What was done first", "What was done then"],
        output=["What came out"],
        saved_to=RESULTS[SECOND.id],
        duration_s=2.1,
        status=Status.COMPLETED,
    )
    return fenced("\n".join([form.batch_banner(2, [FIRST.id]), form.agent_box([done])]), "text")


def merged_concat() -> str:
    """``final_output.md`` of the strategy concat."""
    return fenced(concat(PLAN.title, [_first_result()]), "markdown")


def merged_structured() -> str:
    """``final_output.md`` of the strategy structured."""
    return fenced(structured(PLAN.title, [_first_result()]), "markdown")


def _first_result() -> Result:
    return read_result(FIRST.id, FIRST.name, AGENTS[FIRST.id], RESULT.encode())
