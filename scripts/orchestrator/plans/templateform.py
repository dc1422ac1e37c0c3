"""The form of a plan template: the keys of its file, their types, and what they are for.

A template is data. Its texts may name parameters as ``{{parameter}}``; they are filled in by plain replacement and
never evaluated. What takes several keys to judge is in ``plantemplates``.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PlainValidator

from orchestrator.plans.fieldtypes import Limit, Line, Listed, Name, Prose, Word, refusal
from orchestrator.plans.planschema import NOT_GIVEN, DefaultsForm, Form, ObjectivesForm
from orchestrator.wording import found

MOST_POINTS = 5
"""What one word of a request can say for a template at most."""


def _value(value: object) -> object:
    """A text, or a list of texts that are not blank."""
    items = value if isinstance(value, list) else [value]
    if not items:
        raise refusal("is an empty list", "give it one item at least, or leave it out")
    for item in items:
        if not isinstance(item, str) or not item.strip():
            raise refusal(f"must be text or a list of texts, found {found(item)}", "put it in quotes")
    return value


Points = Annotated[int, Field(ge=1, le=MOST_POINTS)]
Value = Annotated[object, PlainValidator(_value)]


class ParameterForm(Form):
    """What a person may set: a text, or a list that multiplies tasks."""

    place: ClassVar[str] = "in a parameter"

    type: Literal["text", "list"] = Field(default="text", description="text, or list.")
    help: Line = Field(default=NOT_GIVEN, description="What it is, for people.")
    default: Value = Field(
        default=NOT_GIVEN, description="Its value when none is given; without a default it must be given."
    )
    when_decomposed: Value = Field(
        default=NOT_GIVEN, description="The default where one task of a plan is split, instead of a request."
    )


class StepForm(DefaultsForm):
    """One task of the plan, or one for each item of a list. It takes the keys of a task, without ids.

    `deps` name steps. Between two steps for each item of the same list a dependency means the same item.
    """

    place: ClassVar[str] = "in a step"

    step: Word = Field(default=NOT_GIVEN, description="The name of the step, for `deps` and for subtasks.")
    for_each: Line = Field(default=NOT_GIVEN, description="The list parameter for each item of which there is a task.")
    name: Name = Field(default=NOT_GIVEN, description="A few words for tables and logs.")
    description: Prose = Field(default=NOT_GIVEN, description="The instruction that the agent gets.")


class TemplateForm(Form):
    """Everything in a template but its parameters, defaults and steps."""

    place: ClassVar[str] = "in a plan template"

    description: Line = Field(default=NOT_GIVEN, description="What plans of it do, in one sentence.")
    words: dict[str, Points] = Field(
        default=NOT_GIVEN, description="Words of requests that it is for, each with points from 1 to 5."
    )
    title: Name = Field(default=NOT_GIVEN, description="The title of the plan.")
    objectives: ObjectivesForm = Field(default=NOT_GIVEN, description="What the plan is for.")
    constraints: Listed[Limit] = Field(default=(), description="Limits on the work.")
    implicit_requirements: Listed[Prose] = Field(default=(), description="What is expected without having been said.")


PARTS = ("parameters", "defaults", "steps")
"""The keys of a template that are judged one entry at a time."""
