"""The command that judges a request; by itself, because making its siblings costs as much as the judgement."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import AsJson, ClaudePath, Debug, Dir
from orchestrator.cli.table import HELP
from orchestrator.commands.place import Place

app = typer.Typer(add_completion=False)


@app.command("triage", help=HELP["triage"])
def triage(
    request: Annotated[
        str | None, typer.Argument(metavar="REQUEST|-", help="What is to be done, or `-` for stdin.")
    ] = None,
    file: Annotated[str | None, typer.Option("--file", metavar="FILE", help="A file with the request.")] = None,
    ai: Annotated[bool, typer.Option("--ai", help="Ask the model as well, and show where both differ.")] = False,
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help="The model of --ai.")] = None,
    claude: ClaudePath = None,
    budget_usd: Annotated[
        float | None, typer.Option("--budget-usd", metavar="USD", min=0.0001, help="What --ai may cost at most.")
    ] = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """``triage``: whether a request is one task or takes a plan."""
    from orchestrator.commands import triage as commands
    from orchestrator.commands.given_request import given_request

    place, text = Place.here(dir, as_json), given_request(request, file, "triage")
    if not ai:
        raise typer.Exit(commands.judge(place, text))
    raise typer.Exit(commands.judge_with_model(place, text, claude=claude, model=model, budget_usd=budget_usd))
