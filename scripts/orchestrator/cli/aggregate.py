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
