"""The commands that run tasks."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from orchestrator.cli.options import (
    AsJson,
    ByStage,
    ClaudePath,
    CommandLine,
    Debug,
    Dir,
    ExecutorName,
    Jobs,
    OneTask,
    Scale,
)
from orchestrator.cli.table import HELP
from orchestrator.commands.session import Place

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
    detach: Annotated[
        bool, typer.Option("--detach", help="Return at once; the run goes on without this session.")
    ] = False,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import run as commands
    from orchestrator.commands.options import options_for

    place = Place.here(dir, as_json)
    options = options_for(
        place, jobs=jobs, executor=executor, command=command, claude=claude, scale=scale, by_stage=by_stage
    )
    raise typer.Exit(commands.run(place, options, is_detached=detach))


@app.command("exec", help=HELP["exec"])
def exec_task(
    task: OneTask,
    jobs: Jobs = None,
    executor: ExecutorName = None,
    command: CommandLine = None,
    claude: ClaudePath = None,
    scale: Scale = None,
    dir: Dir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import run as commands
    from orchestrator.commands.options import options_for

    place = Place.here(dir, as_json)
    options = options_for(place, jobs=jobs, executor=executor, command=command, claude=claude, scale=scale)
    raise typer.Exit(commands.exec_task(place, task, options))


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
        Optional[str], typer.Argument(metavar="[FOLDER]", help="An empty folder; default a temporary one.")
    ] = None,
    jobs: Jobs = None,
    executor: ExecutorName = None,
    command: CommandLine = None,
    claude: ClaudePath = None,
    scale: Scale = None,
    debug: Debug = False,
) -> None:
    from orchestrator.commands import demo as commands
    from orchestrator.model import Plan
    from orchestrator.workers.options import run_options

    chosen = executor or ("command" if command else "rehearse")
    options = run_options(Plan(title=""), jobs=jobs, executor=chosen, command=command, claude=claude, scale=scale)
    raise typer.Exit(commands.demo(folder, options))
