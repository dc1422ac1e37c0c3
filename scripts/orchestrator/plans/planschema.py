"""The form of plan.yaml: each key, its type and limits, and what it is for.

These models are the one source of what is accepted and of the published JSON Schema. They judge one value at a time;
what takes several fields or tasks to judge is in ``rules``.
A key without a value (``deps:``) counts as not given, except the description of a task.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from orchestrator.model import DependencyType, Executor, Json, OnFailure, Priority, WritesPolicy
from orchestrator.plans.fieldtypes import (
    TASK_ID_SCHEMA,
    Agent,
    Argument,
    Chosen,
    Dollars,
    Duration,
    EstimateRange,
    Limit,
    Line,
    Listed,
    Name,
    PermissionMode,
    Prose,
    QuietHours,
    Role,
    Schema,
    TaskId,
    Text,
    TextOr,
    Timeout,
    Version,
    Word,
    refusal,
)

MOST_RETRIES = 100
MOST_JOBS = 1_000
NOT_GIVEN: Any = None  # fits every type, and is never read
"""The default of fields whose default is decided elsewhere; only ``model_fields_set`` tells what is given."""


class Form(BaseModel):
    """A mapping of plan.yaml: no other keys than its fields, no conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    place: ClassVar[str] = "in a task"
    """Where a key of this form stands, for a message about one that does not exist."""

    @model_validator(mode="before")
    @classmethod
    def _without_empty_keys(cls, value: object) -> object:
        if isinstance(value, dict) and None in value.values():
            return {key: each for key, each in value.items() if each is not None or key == "description"}
        return value


class ObjectivesForm(Form):
    """What the request is for."""

    primary: Text = Field(default="", description="The one thing that must be reached.")
    secondary: Listed[Prose] = Field(default=(), description="What else is wanted.")
    success_criteria: Listed[Prose] = Field(default=(), description="How one knows that the request is fulfilled.")


class HooksForm(Form):
    """Commands that are called on events of the run, each with its event on stdin."""

    on_blocked: Line = Field(
        default=NOT_GIVEN, description="Called when the run cannot go on without a person, because a task has failed."
    )
    on_completed: Line = Field(default=NOT_GIVEN, description="Called when every task is completed or skipped.")
    on_failed: Line = Field(default=NOT_GIVEN, description="Called when a task has failed for good.")


class RunForm(Form):
    """How to run the plan; the command line overrides it."""

    jobs: int = Field(
        default=NOT_GIVEN, ge=1, le=MOST_JOBS, description="How many tasks run at once; 4 when not given."
    )
    executor: Chosen[Executor] = Field(default=NOT_GIVEN, description="What runs a task; claude when not given.")
    command: Line = Field(
        default=NOT_GIVEN,
        description="The program for the executor `command`: prompt on stdin, result on stdout, run without a shell.",
        examples=["my-agent --quiet"],
    )
    scale: float = Field(
        default=NOT_GIVEN, ge=0, le=1_000, description="Factor on durations in a rehearsal; 0.01 by default."
    )
    quiet_hours: QuietHours = Field(default=NOT_GIVEN, description="Local time in which nothing new is started.")
    hooks: HooksForm = Field(default=NOT_GIVEN, description="Commands called on events of the run.")


class DependencyForm(Form):
    """A task that must be complete first."""

    task: TaskId = Field(description="The id of that task.")
    type: Chosen[DependencyType] = Field(
        default=DependencyType.DATA, description="data: its result is handed over; sequential: only the order counts."
    )


class FallbackForm(Form):
    """What one more series of attempts uses instead; what is not given stays as it was."""

    description: Prose = Field(default=NOT_GIVEN, description="Another instruction.")
    model: Argument = Field(default=NOT_GIVEN, description="Another model.")
    role: Role = Field(default=NOT_GIVEN, description="Another role.")

    @model_validator(mode="after")
    def _says_something(self) -> FallbackForm:
        if not self.model_fields_set:
            raise refusal("says nothing", "give another description, model or role")
        return self


class RehearsalForm(Form):
    """How the task behaves in a rehearsal; times are wall seconds and are not scaled."""

    duration: Duration = Field(default=NOT_GIVEN, description="How long an attempt takes.")
    fails: int = Field(default=0, ge=0, description="How many attempts fail first.")
    hangs: bool = Field(default=False, description="Whether it never ends.")
    limits: int = Field(default=0, ge=0, description="How many attempts meet a usage limit first.")
    limit_s: Duration = Field(default=1.0, description="How long each of these limits lasts.")
    result: Text = Field(default=NOT_GIVEN, description="The text of its result.")


class DefaultsForm(Form):
    """The fields that tasks may share: those which a task does not give itself it takes from `defaults`."""

    deps: Listed[Annotated[DependencyForm, TextOr("task", TASK_ID_SCHEMA)]] = Field(
        default=(),
        description="The tasks that must be complete first. A bare id is a data dependency.",
        examples=[["T-01", {"task": "T-02", "type": "sequential"}]],
    )
    resources: Listed[Line] = Field(default=(), description="Names of things that only one task may hold at a time.")
    writes: Listed[Line] = Field(
        default=(),
        description="Globs of the paths it may change. Two tasks whose globs overlap never run at once.",
        examples=[["src/**", "docs/api.md"]],
    )
    writes_policy: Chosen[WritesPolicy] = Field(
        default=WritesPolicy.REPORT,
        description="What a change outside `writes` does: it is reported, or fails the task.",
    )
    inputs: Listed[Prose] = Field(default=(), description="What it gets: paths in the project, or prose.")
    outputs: Listed[Line] = Field(
        default=(), description="The files that must exist afterwards.", examples=[["docs/api.md"]]
    )
    success_criteria: Listed[Prose] = Field(default=(), description="How one knows that it is done.")
    verify: Listed[Line] = Field(
        default=(),
        description="Commands that must exit 0 afterwards, split into words and run without a shell.",
        examples=[["pytest -q tests/unit"]],
    )
    result_schema: Schema = Field(default=NOT_GIVEN, description="JSON Schema of a structured result.")
    agent: Agent = Field(default=NOT_GIVEN, description="Who does it, Agent-01 …; assigned when not given.")
    role: Role = Field(default=NOT_GIVEN, description="The specialist whose prompt, tools and model it uses.")
    worker_type: Word = Field(
        default=NOT_GIVEN,
        description="The kind of work inside the role: planner, implementation, test, audit, documentation or another.",
    )
    priority: Chosen[Priority] = Field(
        default=NOT_GIVEN, description="P0 first. Derived when not given; P3 is skipped when it fails."
    )
    approval: bool = Field(default=False, description="true: starts only after `orchestrate approve ID`.")
    estimate: EstimateRange = Field(default=NOT_GIVEN, description="Expected duration; the end of a range schedules.")
    estimate_tokens: int = Field(default=NOT_GIVEN, ge=1, description="Expected tokens, at best under 20,000.")
    timeout: Timeout = Field(default=NOT_GIVEN, description="The longest an attempt may take; 30m when not given.")
    idle_timeout: Timeout = Field(default=NOT_GIVEN, description="The longest it may be silent; 20m when not given.")
    max_retries: int = Field(
        default=2, ge=0, le=MOST_RETRIES, description="How often a failure that may pass is tried again."
    )
    on_failure: Chosen[OnFailure] = Field(default=NOT_GIVEN, description="What follows when all attempts have failed.")
    fallback: Annotated[FallbackForm, TextOr("description", {"type": "string", "minLength": 1})] = Field(
        default=NOT_GIVEN, description="The alternative for `on_failure: fallback`."
    )
    retry_safe: bool = Field(
        default=True, description="false: never started a second time by itself, also not after a crash."
    )
    model: Argument = Field(default=NOT_GIVEN, description="Passed to the CLI.", examples=["sonnet"])
    allowed_tools: Listed[Argument] = Field(
        default=(),
        description="Passed to the CLI; reading only when not given.",
        examples=[["Read", "Edit", "Bash(git diff:*)"]],
    )
    permission_mode: PermissionMode = Field(default=NOT_GIVEN, description="Passed to the CLI; dontAsk when not given.")
    max_turns: int = Field(default=NOT_GIVEN, ge=1, description="Passed to the CLI.")
    budget_usd: Dollars = Field(default=NOT_GIVEN, description="The most this task may cost, in US dollars.")
    rehearse: RehearsalForm = Field(default=NOT_GIVEN, description="How it behaves in a rehearsal.")


class TaskForm(DefaultsForm):
    """One atomic piece of work. It needs a description, or a name that says it all."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["description"]}, {"required": ["name"]}]})

    id: TaskId = Field(
        default=NOT_GIVEN,
        description="Unique, T-01 …; when not given, assigned and written down by `init`.",
        examples=["T-01"],
    )
    name: Name = Field(default=NOT_GIVEN, description="A few words for tables and logs.")
    description: Prose = Field(default=NOT_GIVEN, description="The instruction that the agent gets.")
    parent: TaskId = Field(
        default=NOT_GIVEN, description="The task that this one is a part of, and which waits for it."
    )


class HeadForm(Form):
    """Everything in plan.yaml but `defaults` and `tasks`."""

    place: ClassVar[str] = "in a plan"

    version: Version = Field(default=1, description="The version of this format.")
    title: Name = Field(default=NOT_GIVEN, description="A short name of the whole.")
    request: Text = Field(default="", description="What the user asked for, in the user's words.")
    objectives: ObjectivesForm = Field(default=NOT_GIVEN, description="What the request is for.")
    constraints: Listed[Limit] = Field(default=(), description="Limits on the work.")
    implicit_requirements: Listed[Prose] = Field(default=(), description="What is expected without having been said.")
    budget_usd: Dollars = Field(default=NOT_GIVEN, description="Hard cap on the cost of the whole run, in US dollars.")
    run: RunForm = Field(default=NOT_GIVEN, description="How to run the plan; the command line overrides it.")


class PlanForm(HeadForm):
    """A request split into tasks that agents do in parallel as their dependencies allow."""

    defaults: DefaultsForm = Field(
        default=NOT_GIVEN, description="Values for all tasks that do not give them themselves."
    )
    tasks: Listed[TaskForm] = Field(default=(), description="The tasks, 3 to 10 at best.")


INNER_FORMS: dict[str | int, type[Form]] = {
    "deps": DependencyForm,
    "fallback": FallbackForm,
    "hooks": HooksForm,
    "objectives": ObjectivesForm,
    "rehearse": RehearsalForm,
    "run": RunForm,
}
"""The form of what stands under each key that has one."""


def json_schema() -> dict[str, Json]:
    """The JSON Schema of plan.yaml, for editors and for ``claude --json-schema``; the same in draft 7 and 2020-12.

    It does not name its draft and has no keyword that draft 7 lacks, nor ``format``: with any of these the CLI
    (2.1.197) leaves the schema out without a word.
    """
    written = PlanForm.model_json_schema()
    definitions = written.pop("$defs")
    choices = {f"#/$defs/{name}": each["enum"] for name, each in definitions.items() if "enum" in each}
    task = definitions["TaskForm"]["properties"]
    definitions["TaskForm"]["properties"] = {key: task[key] for key in ("id", "name", "description")} | task
    forms: dict[str, Json] = {name: _tidied(each, choices) for name, each in definitions.items() if "enum" not in each}
    return {**_tidied(written, choices), "$defs": forms}


def _tidied(schema: dict[str, Any], choices: dict[str, list[Json]]) -> dict[str, Json]:
    """``schema`` without what only repeats names and absent defaults, and with enums where they are used."""
    result: dict[str, Json] = {}
    for key, value in schema.items():
        if key == "properties":
            untitled = {name: {k: v for k, v in each.items() if k != "title"} for name, each in value.items()}
            result[key] = {name: _tidied(each, choices) for name, each in untitled.items()}
        elif key == "$ref" and value in choices:
            result |= {"type": "string", "enum": choices[value]}
        elif key == "anyOf":
            result[key] = [_tidied(each, choices) for each in value]
        elif key == "items":
            result[key] = _tidied(value, choices)
        elif key != "default" or value is not None:
            result[key] = value.removesuffix("Form") if key == "title" else value
    return result
