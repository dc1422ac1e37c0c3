"""Options that many commands share, declared once."""

from __future__ import annotations

from typing import Annotated

import typer

Dir = Annotated[
    str | None, typer.Option("--dir", metavar="FOLDER", help="Where the run is kept; default .orchestrator.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer with one JSON document on stdout.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Ascii = Annotated[bool, typer.Option("--ascii", help="Draw with plain characters.")]
Tasks = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of tasks.", show_default=False)]
OneTask = Annotated[str, typer.Argument(metavar="ID", help="Id of a task.", show_default=False)]
AttemptNumber = Annotated[
    int | None, typer.Option("--attempt", metavar="N", help="Refuse unless attempt N is under way.")
]

Jobs = Annotated[int | None, typer.Option("--jobs", "-j", metavar="N", help="Tasks at a time; default 4.")]
ExecutorName = Annotated[str | None, typer.Option("--executor", metavar="NAME", help="claude, rehearse or command.")]
CommandLine = Annotated[
    str | None, typer.Option("--command", metavar="'CMD ARGS'", help="The command of the executor `command`.")
]
ClaudePath = Annotated[str | None, typer.Option("--claude", metavar="PATH", help="The claude program.")]
Scale = Annotated[float | None, typer.Option("--scale", metavar="X", help="What a rehearsal multiplies times by.")]
HealthInterval = Annotated[
    str | None, typer.Option("--health-interval", metavar="2m", help="How often to look after the workers' health.")
]
ByStage = Annotated[
    bool, typer.Option("--by-stage", help="Start nothing of a stage before all of the one before has ended.")
]
Template = Annotated[
    str | None, typer.Option("--template", metavar="NAME", help="A template; `plan templates` lists them.")
]
Values = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the template; lists with commas or repeated."),
]
