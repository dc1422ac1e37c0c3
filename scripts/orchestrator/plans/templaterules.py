"""From the bytes of a template's file to a template, or to everything that is wrong with it, each with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from orchestrator import graph
from orchestrator.dataclasses import dataclass, field, replace
from orchestrator.errors import Problem, Severity, UsageError, errors_of
from orchestrator.model import Json
from orchestrator.plans.formproblems import form_problems
from orchestrator.plans.planschema import DefaultsForm, Form
from orchestrator.plans.plantemplates import (
    ITEM,
    RESERVED,
    Parameter,
    PlanTemplate,
    Step,
    as_list,
    dep_name,
    placeholders,
)
from orchestrator.plans.templateexpansion import expanded
from orchestrator.plans.templateform import PARTS, ParameterForm, StepForm, TemplateForm
from orchestrator.plans.yamlfile import Document, Path, read_yaml
from orchestrator.wording import excerpt, found, listed, nearest

_PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_HEAD_KEYS = ("title", "objectives", "constraints", "implicit_requirements", "defaults")
_SAMPLE = "An example of a request."


@dataclass(frozen=True, slots=True)
class TemplateReading:
    """What one file says. ``template`` is None where ``problems`` has an error."""

    template: PlanTemplate | None
    problems: tuple[Problem, ...]


def read_template(name: str, data: bytes) -> TemplateReading:
    """The template ``name``; never raises, all that is wrong is in the problems, in the order of lines."""
    document = read_yaml(data)
    if document.problems:
        return TemplateReading(None, document.problems)
    if not isinstance(document.value, dict):
        message = f"a plan template must be a mapping of `key: value` lines, found {found(document.value)}"
        return TemplateReading(None, (Problem(message, "begin with `description:` and `steps:`", line=1),))
    reader = _Reader(document, document.value)
    template = reader.template(name)
    problems = [*reader.problems]
    if not errors_of(problems):
        problems += errors_of(_trial_problems(template))
    ordered = tuple(sorted(problems, key=lambda problem: problem.line or 0))
    return TemplateReading(None if errors_of(problems) else template, ordered)


def _trial_problems(template: PlanTemplate) -> tuple[Problem, ...]:
    """What is wrong with the plan that ``template`` becomes by its defaults."""
    given = {parameter.name: ["sample"] for parameter in template.parameters if parameter.default is None}
    try:
        return expanded(template, _SAMPLE, given).reading().problems
    except UsageError as error:
        return error.problems


@dataclass
class _Reader:
    document: Document
    written: Mapping[str, Json]
    problems: list[Problem] = field(default_factory=list)

    def template(self, name: str) -> PlanTemplate:
        """The template, as far as it can be read; what is wrong is added to the problems."""
        head = {key: value for key, value in self.written.items() if key not in PARTS}
        self._judge(TemplateForm, head, ())
        self._judge(DefaultsForm, self.written.get("defaults"), ("defaults",))
        parameters = tuple(self._parameters())
        steps = tuple(self._steps())
        if not head.get("description"):
            self._refuse("the template has no `description`", "say in one sentence what plans of it do", ())
        self._check_graph(steps)
        self._check_names(parameters, steps)
        return PlanTemplate(
            name=name,
            description=str(head.get("description") or ""),
            parameters=parameters,
            head={key: value for key in _HEAD_KEYS if (value := self.written.get(key)) is not None},
            steps=steps,
            words=_points(self.written.get("words")),
            document=self.document,
        )

    def _parameters(self) -> Iterator[Parameter]:
        written = self.written.get("parameters")
        if written is not None and not isinstance(written, dict):
            message = f"`parameters` must be a mapping, found {found(written)}"
            self._refuse(message, "write `NAME:` and below it `help: …` and `default: …`", ("parameters",))
        for name, each in (written if isinstance(written, dict) else {}).items():
            path = ("parameters", name)
            if not _PARAMETER.fullmatch(name):
                advice = "use letters, digits, _ and -, beginning with a letter"
                self._refuse(f"{excerpt(name)} cannot be the name of a parameter", advice, path)
            elif name in RESERVED:
                self._refuse(f"`{name}` has a meaning of its own in templates", "take another name", path)
            self._judge(ParameterForm, each, path)
            values = each if isinstance(each, dict) else {}
            is_list = values.get("type") == "list"
            for key in ("default", "when_decomposed"):
                value = values.get(key)
                if value is not None and isinstance(value, list) is not is_list:
                    kind, advice = ("list", "write [FIRST, SECOND]") if is_list else ("text", "add `type: list`")
                    self._refuse(f"`{key}` of the {kind} {name} is {found(value)}", advice, (*path, key))
            yield Parameter(
                name,
                str(values.get("help") or ""),
                is_list,
                _value(values, "default"),
                _value(values, "when_decomposed"),
            )

    def _steps(self) -> Iterator[Step]:
        written = self.written.get("steps")
        if not isinstance(written, list) or not written:
            what = "has no `steps`" if written is None else f"has `steps` that are {found(written)}"
            self._refuse(f"the template {what}", "write one step after each `- `", ("steps",))
        first: dict[str, int] = {}
        for at, each in enumerate(as_list(written)):
            path: Path = ("steps", at)
            if not isinstance(each, dict):
                message = f"a step must be a mapping of `key: value` lines, found {found(each)}"
                self._refuse(message, "write `- step: …` and below it `description: …`", path)
                continue
            self._judge(StepForm, each, path)
            name = str(each.get("step") or "")
            if not name:
                self._refuse("the step has no `step`, its name", "add `step: gather` or another word", path)
            elif (twin := first.setdefault(name.casefold(), at)) != at:
                line = self.document.line(("steps", twin, "step"))
                self._refuse(f"the step {excerpt(name)} stands twice, first in line {line}", "take another name", path)
            if not each.get("description"):
                self._refuse(
                    f"the step {excerpt(name)} has no `description`", "add the instruction for the agent", path
                )
            for_each = each.get("for_each")
            fields = {
                key: value for key, value in each.items() if key not in ("step", "for_each") and value is not None
            }
            yield Step(name, for_each if isinstance(for_each, str) else None, fields)

    def _check_graph(self, steps: tuple[Step, ...]) -> None:
        """Dependencies name other steps, and make no cycle."""
        places = {step.name: at for at, step in enumerate(steps)}
        for at, step in enumerate(steps):
            for j, dep in enumerate(as_list(step.fields.get("deps"))):
                name, path = dep_name(dep), ("steps", at, "deps", j)
                if name == step.name:
                    self._refuse(f"the step {name} depends on itself", "remove this dependency", path)
                elif name not in places:
                    near = nearest(name, places)
                    advice = f"did you mean {near}?" if near else f"name one of {listed(list(places))}"
                    self._refuse(f"there is no step {excerpt(name)} to depend on", advice, path)
        deps = {step.name: tuple(dep for dep in step.deps if dep != step.name) for step in steps}
        for cycle in graph.cycles(deps):
            at = places[cycle[0]]
            path = ("steps", at, "deps", steps[at].deps.index(cycle[1]))
            message = f"{len(cycle)} steps wait for each other: {graph.cycle_text(cycle)}"
            self._refuse(message, "remove one of these dependencies", path)

    def _check_names(self, parameters: tuple[Parameter, ...], steps: tuple[Step, ...]) -> None:
        """Every name in the texts is that of a parameter, and every parameter is named."""
        known = {parameter.name: parameter for parameter in parameters}
        used: set[str] = set()
        for key in _HEAD_KEYS:
            used |= self._used(self.written.get(key), (key,), known, has_item=False)
        for at, step in enumerate(steps):
            path = ("steps", at)
            if step.for_each is not None:
                used.add(step.for_each)
                self._check_list(step.for_each, (*path, "for_each"), known)
            used |= self._used(dict(step.fields), path, known, has_item=step.for_each is not None)
        for parameter in parameters:
            for value in (parameter.default, parameter.when_decomposed):
                given: Json = list(value) if isinstance(value, tuple) else value
                for _, name in placeholders(given):
                    if name != "request":
                        message = (
                            f"the default of {parameter.name} names {{{{{name}}}}}; it may name {{{{request}}}} only"
                        )
                        self._refuse(message, "write the text itself", ("parameters", parameter.name, "default"))
            if parameter.name not in used:
                message = f"the parameter {parameter.name} is named in no text"
                line = self.document.line(("parameters", parameter.name))
                advice = f"write {{{{{parameter.name}}}}} where it belongs, or remove it"
                self.problems.append(Problem(message, advice, line, severity=Severity.WARNING))

    def _check_list(self, name: str, path: Path, known: Mapping[str, Parameter]) -> None:
        lists = [each.name for each in known.values() if each.is_list]
        if name in known and not known[name].is_list:
            self._refuse(f"`for_each` names {name}, which is a text", f"add `type: list` to {name}", path)
        elif name not in known:
            near = nearest(name, lists)
            advice = f"did you mean {near}?" if near else f"declare {name} under `parameters`, with `type: list`"
            self._refuse(f"`for_each` names {excerpt(name)}, which is no parameter", advice, path)

    def _used(self, value: Json, path: Path, known: Mapping[str, Parameter], *, has_item: bool) -> set[str]:
        """The names in the texts of ``value``; those that are unknown become problems."""
        used: set[str] = set()
        for inner, name in placeholders(value):
            used.add(name)
            if name in known or name == "request" or (name == ITEM and has_item):
                continue
            where = (*path, *inner)
            if name == ITEM:
                message = "{{item}} stands in a step without `for_each`"
                self._refuse(message, "add `for_each: LIST` to the step, or name a parameter", where)
                continue
            near = nearest(name, known)
            advice = f"did you mean {{{{{near}}}}}?" if near else f"declare {name} under `parameters`"
            advice += f", or write \\{{{{{name}}}}} for these very characters" if not near else ""
            self._refuse(f"there is no parameter {excerpt(name)}", advice, where)
        return used

    def _judge(self, form: type[Form], written: Json, path: Path) -> None:
        """Add a problem for everything in ``written`` that ``form`` refuses."""
        if written is None:
            return
        if not isinstance(written, dict):
            message = f"`{path[-1]}` must be a mapping of `key: value` lines, found {found(written)}"
            self._refuse(message, "write one `key: value` a line, indented", path)
            return
        try:
            form.model_validate(written)
        except ValidationError as error:
            self.problems += [replace(each, task=None) for each in form_problems(error, self.document, path, form)]

    def _refuse(self, message: str, advice: str, path: Path) -> None:
        self.problems.append(Problem(message, advice, self.document.line(path) or 1))


def _points(words: Json) -> dict[str, int]:
    return {key: each for key, each in words.items() if isinstance(each, int)} if isinstance(words, dict) else {}


def _value(values: Mapping[str, Json], key: str) -> str | tuple[str, ...] | None:
    value = values.get(key)
    if isinstance(value, list):
        return tuple(str(item) for item in value)
    return value if isinstance(value, str) else None
