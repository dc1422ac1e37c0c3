"""The commands about the state of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli import quick
from orchestrator.cli.options import Ascii, AsJson, AttemptNumber, Debug, Dir, OneTask, Tasks
from orchestrator.cli.table import HELP
from orchestrator.commands.place import Place

app = typer.Typer(add_completion=False)


@app.command("status", help=HELP["status"])
def status(
    full: Annotated[bool, typer.Option("--full", help="A line for every task as well.")] = False,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    raise typer.Exit(quick.status(full, dir, as_json))


@app.command("list", help=HELP["list"])
def list_tasks(
    by_state: Annotated[bool, typer.Option("--by-state", help="Group the tasks by status.")] = False,
    status: Annotated[
        str | None, typer.Option("--status", metavar="STATUS", help="Only tasks with this status.")
    ] = None,
    agents: Annotated[bool, typer.Option("--agents", help="A line for each agent, as a run ends with.")] = False,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    if agents:
        from orchestrator.commands import progress

        raise typer.Exit(progress.list_agents(Place.here(dir, as_json)))
    from orchestrator.commands import show

    raise typer.Exit(show.list_tasks(Place.here(dir, as_json), by_state=by_state, only=status))


@app.command("next", help=HELP["next"])
def next_tasks(ascii: Ascii = False, dir: Dir = None, as_json: AsJson = False, debug: Debug = False) -> None:
    raise typer.Exit(quick.next_tasks(ascii, dir, as_json))


@app.command("start", help=HELP["start"])
def start(
    tasks: Tasks,
    renew: Annotated[bool, typer.Option("--renew", help="Begin the lease anew.")] = False,
    ascii: Ascii = False,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    raise typer.Exit(quick.start(tasks, renew, ascii, dir, as_json))


@app.command("complete", help=HELP["complete"])
def complete(
    task: OneTask,
    result: Annotated[
        str | None,
        typer.Option("--result", metavar="FILE|-", help="The result; default: the result file in its place."),
    ] = None,
    step: Annotated[list[str] | None, typer.Option("--step", metavar="TEXT", help="One step that was done.")] = None,
    summary: Annotated[
        list[str] | None, typer.Option("--summary", metavar="TEXT", help="One line of what came out.")
    ] = None,
    attempt: AttemptNumber = None,
    ascii: Ascii = False,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    raise typer.Exit(quick.complete(task, result, step, summary, attempt, ascii, dir, as_json))


@app.command("fail", help=HELP["fail"])
def fail(
    task: OneTask,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it failed.")] = "failed by hand",
    final: Annotated[bool, typer.Option("--final", help="Give up at once, without another attempt.")] = False,
    attempt: AttemptNumber = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    raise typer.Exit(quick.fail(task, reason, final, attempt, dir, as_json))


@app.command("retry", help=HELP["retry"])
def retry(tasks: Tasks, dir: Dir = None, as_json: AsJson = False, debug: Debug = False) -> None:
    from orchestrator.commands import act

    raise typer.Exit(act.retry(Place.here(dir, as_json), tasks))


@app.command("skip", help=HELP["skip"])
def skip(
    tasks: Tasks,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it is left out.")] = "",
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import act

    raise typer.Exit(act.skip(Place.here(dir, as_json), tasks, reason=reason))


@app.command("approve", help=HELP["approve"])
def approve(
    tasks: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="Ids of tasks; none with --all.", show_default=False)
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="Every task that waits for approval, now or later.")] = False,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What the journal keeps with it.")] = "",
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import act

    raise typer.Exit(act.approve(Place.here(dir, as_json), tasks or [], is_all=all, note=note))


@app.command("pause", help=HELP["pause"])
def pause(
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")] = "",
    quiet_hours: Annotated[
        str | None,
        typer.Option("--quiet-hours", metavar="22:00-07:00", help="Quiet hours of each day; none: no more."),
    ] = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import act

    raise typer.Exit(act.pause(Place.here(dir, as_json), reason=reason, quiet_hours=quiet_hours))


@app.command("resume", help=HELP["resume"])
def resume(dir: Dir = None, as_json: AsJson = False, debug: Debug = False) -> None:
    from orchestrator.commands import act

    raise typer.Exit(act.resume(Place.here(dir, as_json)))


@app.command("log", help=HELP["log"])
def log(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as events come, until interrupted.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", metavar="N", help="Only the last N events.")] = None,
    all: Annotated[bool, typer.Option("--all", help="All runs of the project, as one stream.")] = False,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    if all:
        from orchestrator.commands import log_all

        raise typer.Exit(log_all.log_all(Place.here(dir, as_json), is_following=follow, limit=limit))
    from orchestrator.commands import show

    raise typer.Exit(show.log(Place.here(dir, as_json), is_following=follow, limit=limit))


@app.command("repair", help=HELP["repair"])
def repair(dir: Dir = None, as_json: AsJson = False, debug: Debug = False) -> None:
    from orchestrator.commands import act

    raise typer.Exit(act.repair(Place.here(dir, as_json)))
