"""The commands about plans."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import Ascii, AsJson, Debug, Dir, Template, Values
from orchestrator.cli.table import HELP
from orchestrator.commands.place import Place

app = typer.Typer(add_completion=False)

PlanFile = Annotated[
    str | None, typer.Argument(metavar="[PLAN]", help="A plan file; default plan.yaml, else that of the run.")
]


@app.command("validate", help=HELP["validate"])
def validate(plan: PlanFile = None, dir: Dir = None, as_json: AsJson = False, debug: Debug = False) -> None:
    from orchestrator.commands import plan as commands

    raise typer.Exit(commands.validate(Place.here(dir, as_json), plan))


@app.command("schema", help=HELP["schema"])
def schema(as_json: AsJson = False, dir: Dir = None, debug: Debug = False) -> None:
    from orchestrator.commands import plan as commands

    raise typer.Exit(commands.schema())


@app.command("estimate", help=HELP["estimate"])
def estimate(
    plan: PlanFile = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", metavar="N", min=1, help="Slots to estimate for.")] = None,
    slack: Annotated[bool, typer.Option("--slack", help="Show how much each task may be late.")] = False,
    request: Annotated[
        str | None,
        typer.Option("--request", metavar="TEXT|-", help="Estimate a request that has no plan yet, offline."),
    ] = None,
    template: Template = None,
    values: Values = None,
    ascii: Ascii = False,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import estimate as commands
    from orchestrator.errors import UsageError

    place = Place.here(dir, as_json)
    if request is None:
        if template or values:
            raise UsageError("--template and --set are for --request", "a plan has its tasks already")
        raise typer.Exit(commands.estimate_plan(place, plan, jobs=jobs, with_slack=slack, is_ascii=ascii))
    if plan is not None:
        raise UsageError("a plan and --request were both given", "give one of them")
    from orchestrator.commands.given_request import plannable_request
    from orchestrator.commands.plan_sources import Wish, values_given

    text = plannable_request(request, None, "estimate --request")
    wish = Wish(template, values_given(values or []), is_auto=template is None)
    raise typer.Exit(commands.estimate_request(place, text, wish, jobs=jobs, with_slack=slack, is_ascii=ascii))


@app.command("graph", help=HELP["graph"])
def graph(
    plan: PlanFile = None,
    form: Annotated[str, typer.Option("--format", metavar="FORM", help="levels, mermaid or dot.")] = "levels",
    mermaid: Annotated[bool, typer.Option("--mermaid", help="The same as --format mermaid.")] = False,
    ascii: Ascii = False,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import plan as commands

    chosen = "mermaid" if mermaid else form
    raise typer.Exit(commands.graph(Place.here(dir, as_json), plan, form=chosen, is_ascii=ascii))


@app.command("init", help=HELP["init"])
def init(
    plan: PlanFile = None,
    force: Annotated[bool, typer.Option("--force", help="Keep an old run aside and begin anew.")] = False,
    trust: Annotated[bool, typer.Option("--trust", help="Accept the programs that the plan starts.")] = False,
    roles: Annotated[
        bool, typer.Option("--roles", help="Give each task that names no role the one that is proposed.")
    ] = False,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import init as commands

    place = Place.here(dir, as_json)
    raise typer.Exit(commands.init(place, plan, is_forced=force, is_trusted=trust, takes_roles=roles))


@app.command("add", help=HELP["add"])
def add(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The task's name.")] = None,
    description: Annotated[str | None, typer.Option("--description", metavar="TEXT", help="The instruction.")] = None,
    id: Annotated[str | None, typer.Option("--id", metavar="ID", help="Its id; default the next free one.")] = None,
    deps: Annotated[
        list[str] | None, typer.Option("--deps", metavar="IDS", help="What it waits for; commas or repeated.")
    ] = None,
    priority: Annotated[str | None, typer.Option("--priority", metavar="P0-P3", help="Default: derived.")] = None,
    estimate: Annotated[str | None, typer.Option("--estimate", metavar="20m", help="Expected duration.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", metavar="Agent-NN", help="Default: a new agent.")] = None,
    role: Annotated[str | None, typer.Option("--role", metavar="ROLE", help="The specialist who does it.")] = None,
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE|-", help="YAML with one task, or a list of tasks.")
    ] = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import add as commands

    given = {
        "id": id,
        "name": name,
        "description": description,
        "priority": priority,
        "estimate": estimate,
        "agent": agent,
        "role": role,
    }
    wanted = [part.strip() for item in deps or [] for part in item.split(",") if part.strip()]
    tasks = commands.tasks_from(given, wanted, file)
    raise typer.Exit(commands.add(Place.here(dir, as_json), tasks))


@app.command("trust", help=HELP["trust"])
def trust(dir: Dir = None, as_json: AsJson = False, debug: Debug = False) -> None:
    from orchestrator.commands import init as commands

    raise typer.Exit(commands.trust(Place.here(dir, as_json)))
