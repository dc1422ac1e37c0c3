"""The command about tasks that are handed to a role."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import AsJson, Debug, Dir
from orchestrator.cli.table import HELP
from orchestrator.commands.place import Place

app = typer.Typer(add_completion=False)


@app.command("handoff", help=HELP["handoff"])
def handoff(
    task: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Id of a task; none with --to.", show_default=False)
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="ROLE", help="List what is ready for a role.")] = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import handoff as commands
    from orchestrator.errors import UsageError

    place = Place.here(dir, as_json)
    if task is not None and to is None:
        raise typer.Exit(commands.handoff(place, task))
    if to is not None and task is None:
        raise typer.Exit(commands.inbox(place, to))
    raise UsageError("handoff takes a task or --to, one of them", "`orchestrate handoff T-01`, or `--to docs`")
