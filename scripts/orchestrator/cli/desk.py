"""The commands of the desk: many requests over time."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import (
    AsJson,
    ByStage,
    ClaudePath,
    CommandLine,
    Debug,
    Dir,
    ExecutorName,
    HealthInterval,
    Jobs,
    Scale,
)
from orchestrator.cli.table import HELP, SUBCOMMANDS
from orchestrator.commands.place import Place

app = typer.Typer(add_completion=False)
queue = typer.Typer(add_completion=False, help=HELP["queue"])
app.add_typer(queue, name="queue")
_SAY = SUBCOMMANDS["queue"]

RequestId = Annotated[str, typer.Argument(metavar="REQUEST", help="Id of a request.", show_default=False)]
Auto = Annotated[bool, typer.Option("--auto", help="Plans from templates, offline; the default without claude.")]
Ai = Annotated[bool, typer.Option("--ai", help="Plans by the model; the default with the executor claude.")]
Model = Annotated[str | None, typer.Option("--model", metavar="MODEL", help="The model that makes plans.")]
Budget = Annotated[
    float | None, typer.Option("--budget-usd", metavar="USD", min=0.0001, help="What one plan by the model may cost.")
]


@queue.command("add", help=_SAY["add"])
def add(
    request: Annotated[
        str | None, typer.Argument(metavar="[TEXT|-]", help="What is to be done, `-` for stdin.", show_default=False)
    ] = None,
    file: Annotated[str | None, typer.Option("--file", metavar="FILE|-", help="Read the words from there.")] = None,
    priority: Annotated[str | None, typer.Option("--priority", metavar="P0-P3", help="P0 first; default P2.")] = None,
    role: Annotated[
        str | None, typer.Option("--role", metavar="ROLE", help="The specialist who does it, as one task.")
    ] = None,
    orchestrate: Annotated[bool, typer.Option("--orchestrate", help="Make a plan, whatever triage says.")] = False,
    direct: Annotated[bool, typer.Option("--direct", help="Make it one task, whatever triage says.")] = False,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import queue as commands
    from orchestrator.errors import UsageError

    if orchestrate and direct:
        raise UsageError("--orchestrate and --direct exclude each other", "give one of them, or let triage decide")
    wanted = True if orchestrate else False if direct else None
    place = Place.here(dir, as_json)
    raise typer.Exit(commands.add(place, request, file=file, priority=priority, role=role, orchestrate=wanted))


@queue.command("list", help=_SAY["list"])
def list_requests(
    status: Annotated[
        str | None, typer.Option("--status", metavar="STATUS", help="Only requests with this status.")
    ] = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import queue as commands

    raise typer.Exit(commands.list_requests(Place.here(dir, as_json), status=status))


@queue.command("show", help=_SAY["show"])
def show(request: RequestId, dir: Dir = None, as_json: AsJson = False, debug: Debug = False) -> None:
    from orchestrator.commands import queue as commands

    raise typer.Exit(commands.show(Place.here(dir, as_json), request))


@queue.command("cancel", help=_SAY["cancel"])
def cancel(
    request: RequestId,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")] = "",
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import queue as commands

    raise typer.Exit(commands.cancel(Place.here(dir, as_json), request, reason=reason))


@queue.command("import", help=_SAY["import"])
def import_requests(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="A JSON list of texts or request objects.", show_default=False)
    ],
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import queue as commands

    raise typer.Exit(commands.import_requests(Place.here(dir, as_json), file))


@queue.command("run", help=_SAY["run"])
def run(
    once: Annotated[bool, typer.Option("--once", help="End when nothing more can be taken; the default.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until stopped, and take what is added.")] = False,
    auto: Auto = False,
    ai: Ai = False,
    jobs: Jobs = None,
    executor: ExecutorName = None,
    command: CommandLine = None,
    claude: ClaudePath = None,
    scale: Scale = None,
    by_stage: ByStage = False,
    health_interval: HealthInterval = None,
    model: Model = None,
    budget_usd: Budget = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import queue_run as commands
    from orchestrator.commands.plan_sources import planning
    from orchestrator.errors import UsageError
    from orchestrator.workers.options import Wishes

    if once and watch:
        raise UsageError("--once and --watch exclude each other", "give one of them")
    wishes = Wishes(jobs, executor, command, claude, scale, by_stage, health_interval)
    wish = planning(wishes, is_auto=auto, is_ai=ai, model=model, budget_usd=budget_usd)
    raise typer.Exit(commands.run_queue(Place.here(dir, as_json), wishes, wish, is_watching=watch))


@queue.command("work", help=_SAY["work"])
def work(
    request: RequestId,
    auto: Auto = False,
    ai: Ai = False,
    jobs: Jobs = None,
    executor: ExecutorName = None,
    command: CommandLine = None,
    claude: ClaudePath = None,
    scale: Scale = None,
    by_stage: ByStage = False,
    health_interval: HealthInterval = None,
    model: Model = None,
    budget_usd: Budget = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import queue_work as commands
    from orchestrator.commands.plan_sources import planning
    from orchestrator.workers.options import Wishes

    wishes = Wishes(jobs, executor, command, claude, scale, by_stage, health_interval)
    wish = planning(wishes, is_auto=auto, is_ai=ai, model=model, budget_usd=budget_usd)
    raise typer.Exit(commands.work(Place.here(dir, as_json), request, wishes, wish))


@app.command("runs", help=HELP["runs"])
def runs(
    all: Annotated[bool, typer.Option("--all", help="Those that were archived as well.")] = False,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import runs as commands

    raise typer.Exit(commands.runs(Place.here(dir, as_json), is_all=all))


@app.command("archive", help=HELP["archive"])
def archive(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID...", help="Runs or requests; none: all that ended long ago.", show_default=False),
    ] = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="7d", help="What ended so long ago; default 7d.")
    ] = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import archive as commands

    raise typer.Exit(commands.archive(Place.here(dir, as_json), ids or [], older_than=older_than))
