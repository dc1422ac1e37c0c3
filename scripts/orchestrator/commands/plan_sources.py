"""Where plans come from: templates on disk, picked by name or by the words of a request, and a model."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.commands.session import tell
from orchestrator.dataclasses import dataclass, field, replace
from orchestrator.errors import InvalidInputError, Problem, UsageError
from orchestrator.model import Executor
from orchestrator.paths import RunPaths
from orchestrator.plans.plantemplates import PlanTemplate
from orchestrator.plans.templatechoice import Choice, choice
from orchestrator.plans.templateexpansion import Expansion, expanded
from orchestrator.plans.templaterules import read_template
from orchestrator.system import files
from orchestrator.wording import listed, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orchestrator.workers.options import Wishes

BUNDLED = Path(__file__).resolve().parent.parent / "plan_templates"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for: one source, and what goes with it."""

    template: str | None = None
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    is_auto: bool = False
    is_ai: bool = False
    file: str | None = None
    claude: str | None = None
    model: str | None = None
    budget_usd: float | None = None

    @property
    def sources(self) -> list[str]:
        """The sources that are asked for, as they are written."""
        asked = {"--template": self.template, "--auto": self.is_auto, "--ai": self.is_ai, "--from": self.file}
        return [name for name, value in asked.items() if value]

    def require_one(self, *, may_be_none: bool) -> None:
        """Raise ``UsageError`` unless one source is asked for, and only what goes with it."""
        if len(self.sources) > 1:
            raise UsageError(f"{listed(self.sources)} exclude each other", "give one of them")
        if not self.sources and not may_be_none:
            raise UsageError("nothing says how to split it", "--template NAME, --auto, --ai or --from FILE")
        if self.values and not (self.template or self.is_auto):
            raise UsageError("--set sets parameters of a template", "add --template NAME, or --auto")
        if not self.is_ai and (self.model or self.budget_usd is not None or self.claude):
            raise UsageError("--model, --claude and --budget-usd are for --ai", "add --ai, or leave them out")


def planning(wishes: Wishes, *, is_auto: bool, is_ai: bool, model: str | None, budget_usd: float | None) -> Wish:
    """How the desk makes plans: as it was asked to, else by the model where ``claude`` does the tasks as well."""
    if not is_auto and not is_ai:
        is_ai = (wishes.executor or (Executor.COMMAND if wishes.command else Executor.CLAUDE)) == Executor.CLAUDE
        is_auto = not is_ai
    wish = Wish(
        is_auto=is_auto, is_ai=is_ai, claude=wishes.claude if is_ai else None, model=model, budget_usd=budget_usd
    )
    wish.require_one(may_be_none=False)
    return wish


@dataclass(frozen=True, slots=True)
class Shelf:
    """The templates that there are, and what is wrong with those that cannot be used, by file."""

    templates: Mapping[str, PlanTemplate]
    problems: Mapping[str, Sequence[Problem]] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)

    def template(self, name: str) -> PlanTemplate:
        """The template ``name``; raises, naming what is wrong with it or which there are."""
        if name in self.templates:
            return self.templates[name]
        if name in self.broken:
            file = self.broken[name]
            problems = [replace(each, message=f"{file}: {each.message}") for each in self.problems[file]]
            raise InvalidInputError(f"the template {name} cannot be used", f"mend {file}", problems)
        near = nearest(name, self.templates)
        advice = f"did you mean {near}?" if near else f"one of {listed(list(self.templates), 20)}"
        raise UsageError(f"there is no template {name!r}", advice)


def shelf(paths: RunPaths) -> Shelf:
    """The bundled templates, and the user's own, which come before bundled ones of the same name."""
    templates: dict[str, PlanTemplate] = {}
    problems: dict[str, Sequence[Problem]] = {}
    broken: dict[str, str] = {}
    for folder, is_own in ((str(BUNDLED), False), (paths.templates, True)):
        for file in _yaml_files(folder):
            name = os.path.splitext(os.path.basename(file))[0]
            shown = os.path.relpath(file, paths.project) if is_own else f"plan_templates/{os.path.basename(file)}"
            reading = read_template(name, files.read_bytes_or_none(file) or b"")
            found = list(reading.problems)
            if not _NAME.fullmatch(name):
                found.append(Problem(f"{name!r} cannot be the name of a template", "rename it: letters, digits, . _ -"))
            if found:
                problems[shown] = found
            templates.pop(name, None)
            if reading.template is None or not _NAME.fullmatch(name):
                broken[name] = shown
            else:
                templates[name] = replace(reading.template, file=shown, is_own=is_own)
    return Shelf(dict(sorted(templates.items())), problems, broken)


def _yaml_files(folder: str) -> list[str]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [os.path.join(folder, name) for name in names if name.endswith((".yaml", ".yml")) and name[0] != "."]


def values_given(sets: Sequence[str]) -> dict[str, list[str]]:
    """The words of ``--set NAME=VALUE`` by name; raises ``UsageError``."""
    values: dict[str, list[str]] = {}
    for text in sets:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set {text!r} is not NAME=VALUE", "--set competitors=FIRST,SECOND")
        values.setdefault(name.strip(), []).append(value)
    return values


def expansion(
    paths: RunPaths, wish: Wish, request: str, *, words: str = "", decomposed: bool = False
) -> tuple[Expansion, Choice | None]:
    """The plan of the template that is wished for, or picked by ``words`` (default ``request``); the choice."""
    there = shelf(paths)
    picked: Choice | None = None
    if wish.template:
        template = there.template(wish.template)
    else:
        for file in there.broken.values():
            tell(f"{file} cannot be used and is left out; `orchestrate plan templates` says why")
        picked = choice(words or request, there.templates)
        template = there.template(picked.template)
    return expanded(template, request, wish.values, decomposed=decomposed), picked
