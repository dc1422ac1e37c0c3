"""The command about specialists."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import AsJson, Debug, Dir
from orchestrator.cli.table import HELP
from orchestrator.commands.place import Place

app = typer.Typer(add_completion=False)


@app.command("roles", help=HELP["roles"])
def roles(
    name: Annotated[
        str | None, typer.Argument(metavar="[ROLE]", help="Show this one with its whole prompt; default: list all.")
    ] = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import roles as commands

    place = Place.here(dir, as_json)
    raise typer.Exit(commands.roles(place) if name is None else commands.role(place, name))
