"""The commands of the stateless loop."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import AsJson, ClaudePath, Debug, Dir
from orchestrator.cli.table import COMMANDS, HELP
from orchestrator.commands.place import Place

app = typer.Typer(add_completion=False)


@app.command("main-task", help=HELP["main-task"])
def main_task(
    act: Annotated[
        str,
        typer.Argument(
            metavar="read|set|advance|history", help="Print it, write it, derive it from the plan, or list all it was."
        ),
    ] = "read",
    status: Annotated[
        str | None,
        typer.Argument(metavar="[STATUS]", help="With `set`: continue, blocked or completed.", show_default=False),
    ] = None,
    sentence: Annotated[
        str | None,
        typer.Argument(metavar="[NEXT]", help="With `set`: the next step, one sentence.", show_default=False),
    ] = None,
    task: Annotated[str | None, typer.Option("--task", metavar="ID", help="The task of the next step.")] = None,
    focus: Annotated[
        str | None, typer.Option("--focus", metavar="TEXT", help="What to mind in it, one sentence.")
    ] = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """``main-task``: the state of the loop."""
    from orchestrator.commands import main_task as commands

    raise typer.Exit(commands.main_task(Place.here(dir, as_json), act, status, sentence, task=task, focus=focus))


@app.command("loop", help=HELP["loop"])
def loop(
    request: Annotated[
        str | None, typer.Argument(metavar="[REQUEST|-]", help="Begin with this request, `-` for stdin.")
    ] = None,
    template: Annotated[
        str | None, typer.Option("--template", metavar="NAME", help="Make the plan for the request from a template.")
    ] = None,
    interval: Annotated[
        str | None, typer.Option("--interval", metavar="SECONDS", help="Wait between two invocations; default not.")
    ] = None,
    max_iterations: Annotated[
        int | None, typer.Option("--max-iterations", metavar="N", help="Stop after N invocations.")
    ] = None,
    max_minutes: Annotated[
        float | None, typer.Option("--max-minutes", metavar="N", help="Begin no invocation after N minutes.")
    ] = None,
    budget_usd: Annotated[
        float | None, typer.Option("--budget-usd", metavar="USD", min=0.0001, help="What all invocations may cost.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="One invocation; never wait.")] = False,
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help="Of every invocation.")] = None,
    allowed_tools: Annotated[
        list[str] | None,
        typer.Option("--allowed-tools", metavar="RULE", help="Grant one more tool to every invocation; repeatable."),
    ] = None,
    claude: ClaudePath = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """``loop``: claude again and again."""
    from orchestrator.commands import loop as commands

    wish = commands.LoopWish(
        tuple(COMMANDS),
        request,
        template,
        interval,
        max_iterations,
        max_minutes,
        budget_usd,
        model,
        claude,
        tuple(allowed_tools or ()),
        once,
    )
    raise typer.Exit(commands.loop(Place.here(dir, as_json), wish))
