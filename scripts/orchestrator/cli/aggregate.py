"""The commands that bring results together."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import AsJson, ClaudePath, Debug, Dir
from orchestrator.cli.table import HELP
from orchestrator.commands.place import Place

app = typer.Typer(add_completion=False)


@app.command("check", help=HELP["check"])
def check(
    retry: Annotated[bool, typer.Option("--retry", help="Open the gaps again; runs nothing.")] = False,
    fail: Annotated[bool, typer.Option("--fail", help="Mark the gaps failed.")] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Record result files that nobody recorded, after the checks.")
    ] = False,
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Run the `verify` commands again.")] = True,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import check as commands

    code = commands.check(Place.here(dir, as_json), is_retry=retry, is_fail=fail, is_adopt=adopt, with_verify=verify)
    raise typer.Exit(code)


@app.command("merge", help=HELP["merge"])
def merge(
    strategy: Annotated[
        str | None,
        typer.Option("--strategy", metavar="NAME", help="concat, structured or ai; default: what fits the results."),
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", metavar="FILE", help="Write there instead of final_output.md.")
    ] = None,
    claude: ClaudePath = None,
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help="The model of the strategy ai.")] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="CHARS", help="Characters in one prompt of ai; default 200,000."),
    ] = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import merge as commands

    code = commands.merge(
        Place.here(dir, as_json), strategy=strategy, output=output, claude=claude, model=model, limit_chars=limit
    )
    raise typer.Exit(code)


@app.command("report", help=HELP["report"])
def report(
    ai: Annotated[
        bool, typer.Option("--ai", help="Let the model judge the success criteria that no person has judged.")
    ] = False,
    claude: ClaudePath = None,
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help="The model of --ai.")] = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import report as commands

    raise typer.Exit(commands.report(Place.here(dir, as_json), is_asking=ai, claude=claude, model=model))


@app.command("accept", help=HELP["accept"])
def accept(
    numbers: Annotated[
        list[int] | None,
        typer.Argument(metavar="[N...]", help="Numbers of criteria that are met; default all.", show_default=False),
    ] = None,
    not_met: Annotated[
        list[int] | None, typer.Option("--not-met", metavar="N", help="Criterion N is not met; may be repeated.")
    ] = None,
    shown_by: Annotated[
        list[str] | None, typer.Option("--shown-by", metavar="ID", help="A task that shows it; may be repeated.")
    ] = None,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What the journal keeps with it.")] = "",
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import report as commands

    place = Place.here(dir, as_json)
    raise typer.Exit(commands.accept(place, numbers or (), not_met=not_met or (), shown_by=shown_by or (), note=note))


@app.command("export", help=HELP["export"])
def export(
    form: Annotated[str, typer.Option("--format", metavar="FORM", help="json, csv, mermaid, dot or gantt.")] = "json",
    output: Annotated[
        str | None, typer.Option("--output", metavar="FILE", help="Write there instead of stdout.")
    ] = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import export as commands

    raise typer.Exit(commands.export(Place.here(dir, as_json), form, output=output))
