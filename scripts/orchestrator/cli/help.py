"""The command about the skill itself."""

from __future__ import annotations

import typer

from orchestrator.cli.options import AsJson, Debug, Dir
from orchestrator.cli.table import HELP
from orchestrator.commands.place import Place

app = typer.Typer(add_completion=False)


@app.command("skill", help=HELP["skill"])
def skill(dir: Dir = None, as_json: AsJson = False, debug: Debug = False) -> None:
    from orchestrator.commands import skill as commands

    raise typer.Exit(commands.skill(Place.here(dir, as_json)))
