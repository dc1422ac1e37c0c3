"""The commands that run tasks."""

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
    OneTask,
    Scale,
)
from orchestrator.cli.table import HELP
from orchestrator.commands.place import Place

app = typer.Typer(add_completion=False)


@app.command("prompt", help=HELP["prompt"])
def prompt(
    task: OneTask,
    audience: Annotated[str, typer.Option("--for", metavar="worker|subagent", help="Who reads it.")] = "subagent",
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import run as commands
    from orchestrator.errors import UsageError

    if audience not in ("worker", "subagent"):
        raise UsageError(f"--for is {audience!r}, expected worker or subagent", "`--for worker`")
    raise typer.Exit(commands.prompt(Place.here(dir, as_json), task, audience=audience))


@app.command("run", help=HELP["run"])
def run(
    jobs: Jobs = None,
    executor: ExecutorName = None,
    command: CommandLine = None,
    claude: ClaudePath = None,
    scale: Scale = None,
    by_stage: ByStage = False,
    health_interval: HealthInterval = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="End with 4 instead of waiting out a pause or a usage limit.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return at once; the run goes on without this session.")
    ] = False,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import run as commands
    from orchestrator.workers.options import Wishes

    wishes = Wishes(jobs, executor, command, claude, scale, by_stage, health_interval, is_waiting=not no_wait)
    raise typer.Exit(commands.run(Place.here(dir, as_json), wishes, is_detached=detach))


@app.command("feed", help=HELP["feed"])
def feed(
    jobs: Jobs = None,
    executor: ExecutorName = None,
    command: CommandLine = None,
    claude: ClaudePath = None,
    scale: Scale = None,
    by_stage: ByStage = False,
    health_interval: HealthInterval = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the expected order at once; start nothing.")
    ] = False,
    tied: Annotated[bool, typer.Option("--tied", help="End the run and its workers when standard input ends.")] = False,
    hosts: Annotated[
        str | None, typer.Option("--hosts", metavar="FILE", help="Several machines: print task and attempt.")
    ] = None,
    workdir: Annotated[
        str | None, typer.Option("--workdir", metavar="FOLDER", help="The project on the hosts; default: as here.")
    ] = None,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="With --hosts: ask the hosts what they have, print their slots, end.")
    ] = False,
    lines_before: Annotated[
        int, typer.Option("--lines-before", metavar="N", help="With --hosts: lines that went before those of the feed.")
    ] = 0,
    dir: Dir = None,
    debug: Debug = False,
) -> None:
    from orchestrator.workers.options import Wishes

    place, wishes = Place.here(dir), Wishes(jobs, executor, command, claude, scale, by_stage, health_interval)
    if hosts is not None:
        from orchestrator.commands import feed_hosts as remote

        if prepare:
            raise typer.Exit(remote.prepare_hosts(place, wishes, hosts, workdir))
        code = remote.feed_hosts(place, wishes, hosts, workdir, is_tied=tied, lines_before=lines_before)
        raise typer.Exit(code)
    from orchestrator.commands import feed as commands

    raise typer.Exit(commands.feed_order(place, wishes) if dry_run else commands.feed(place, wishes, is_tied=tied))


@app.command("exec", help=HELP["exec"])
def exec_task(
    task: OneTask,
    jobs: Jobs = None,
    executor: ExecutorName = None,
    command: CommandLine = None,
    claude: ClaudePath = None,
    scale: Scale = None,
    fed: Annotated[
        bool, typer.Option("--fed", help="`feed` gave the task out: start nothing once it has ended.")
    ] = False,
    tied: Annotated[bool, typer.Option("--tied", help="Put the task back when the feed has ended.")] = False,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import execute as commands
    from orchestrator.workers.options import Wishes

    wishes = Wishes(jobs, executor, command, claude, scale)
    raise typer.Exit(commands.exec_task(Place.here(dir, as_json), task, wishes, is_fed=fed, is_tied=tied))


@app.command("launch", help=HELP["launch"])
def launch(
    jobs: Jobs = None,
    executor: ExecutorName = None,
    command: CommandLine = None,
    claude: ClaudePath = None,
    scale: Scale = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import launch as commands
    from orchestrator.workers.options import Wishes

    raise typer.Exit(commands.launch(Place.here(dir, as_json), Wishes(jobs, executor, command, claude, scale)))


@app.command("health", help=HELP["health"])
def health(dir: Dir = None, as_json: AsJson = False, debug: Debug = False) -> None:
    from orchestrator.commands import health as commands

    raise typer.Exit(commands.health(Place.here(dir, as_json)))


@app.command("watch", help=HELP["watch"])
def watch(
    once: Annotated[bool, typer.Option("--once", help="Show how it is now, and end.")] = False,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import watch as commands

    raise typer.Exit(commands.watch(Place.here(dir, as_json), is_once=once))


@app.command("doctor", help=HELP["doctor"])
def doctor(
    claude: ClaudePath = None,
    login: Annotated[
        bool, typer.Option("--login", help="Ask the model for one word, to see whether the login works.")
    ] = False,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import doctor as commands

    raise typer.Exit(commands.doctor(Place.here(dir, as_json), claude=claude, with_login=login))


@app.command("demo", help=HELP["demo"])
def demo(
    folder: Annotated[
        str | None, typer.Argument(metavar="[FOLDER]", help="An empty folder; default a temporary one.")
    ] = None,
    jobs: Jobs = None,
    executor: ExecutorName = None,
    command: CommandLine = None,
    claude: ClaudePath = None,
    scale: Scale = None,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import demo as commands
    from orchestrator.workers.options import Wishes

    chosen = executor or ("command" if command else "rehearse")
    raise typer.Exit(commands.demo(folder, Wishes(jobs, chosen, command, claude, scale)))
