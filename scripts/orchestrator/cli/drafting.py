"""The commands that make plans, split tasks and gather for them."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import Ascii, AsJson, ClaudePath, Debug, Dir, OneTask, Template, Values
from orchestrator.cli.table import HELP
from orchestrator.commands.place import Place

app = typer.Typer(add_completion=False)

Auto = Annotated[bool, typer.Option("--auto", help="Pick the template by the words, offline.")]
Ai = Annotated[bool, typer.Option("--ai", help="Let the model make it; its answer is checked.")]
Model = Annotated[str | None, typer.Option("--model", metavar="MODEL", help="The model of --ai.")]
Budget = Annotated[
    float | None, typer.Option("--budget-usd", metavar="USD", min=0.0001, help="What --ai may cost at most.")
]


@app.command("plan", help=HELP["plan"])
def plan(
    request: Annotated[
        str | None,
        typer.Argument(metavar="REQUEST|-|templates", help="What is to be done, `-` for stdin; or list the templates."),
    ] = None,
    file: Annotated[str | None, typer.Option("--file", metavar="FILE", help="A file with the request.")] = None,
    template: Template = None,
    values: Values = None,
    auto: Auto = False,
    ai: Ai = False,
    output: Annotated[
        str | None, typer.Option("--output", metavar="FILE|-", help="Where to write; default a new plan.yaml.")
    ] = None,
    model: Model = None,
    claude: ClaudePath = None,
    budget_usd: Budget = None,
    ascii: Ascii = False,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """``plan``: a plan for a request, or with ``templates`` the list of templates."""
    from orchestrator.commands import draft as commands
    from orchestrator.commands.given_request import plannable_request
    from orchestrator.commands.plan_sources import Wish, values_given

    place = Place.here(dir, as_json)
    wish = Wish(template, values_given(values or []), auto, ai, None, claude, model, budget_usd)
    if request == commands.LIST and file is None and not wish.sources:
        raise typer.Exit(commands.templates(place, is_ascii=ascii))
    wish.require_one(may_be_none=True)
    raise typer.Exit(commands.plan(place, plannable_request(request, file, "plan"), wish, output))


@app.command("decompose", help=HELP["decompose"])
def decompose(
    task: OneTask,
    template: Template = None,
    values: Values = None,
    auto: Auto = False,
    ai: Ai = False,
    file: Annotated[
        str | None, typer.Option("--from", metavar="FILE|-", help="YAML with the subtasks, as in plan.yaml.")
    ] = None,
    model: Model = None,
    claude: ClaudePath = None,
    budget_usd: Budget = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """``decompose``: one task split into subtasks."""
    from orchestrator.commands import decompose as commands
    from orchestrator.commands.plan_sources import Wish, values_given

    wish = Wish(template, values_given(values or []), auto, ai, file, claude, model, budget_usd)
    raise typer.Exit(commands.decompose(Place.here(dir, as_json), task, wish))


@app.command("context", help=HELP["context"])
def context(
    task: OneTask,
    add: Annotated[
        str | None, typer.Option("--add", metavar="FILE|-", help="Keep gathered material for the task.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="TOKENS", min=1, help="About so many tokens; default 50,000.")
    ] = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """``context``: what a worker needs for one task, or what was gathered for it."""
    from orchestrator.commands import context as commands
    from orchestrator.errors import UsageError

    place = Place.here(dir, as_json)
    if add is not None:
        if limit is not None:
            raise UsageError("--add and --limit exclude each other", "add first, then look")
        raise typer.Exit(commands.add(place, task, add))
    raise typer.Exit(commands.show(place, task, limit))
