"""Every command as the library that reads command lines knows it: options, help, and what was not understood.

Only the module of the command that was asked for is imported, so that a list costs what it prints.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from orchestrator import __version__
from orchestrator.cli.table import COMMANDS, GROUPS
from orchestrator.errors import ExitCode, UsageError


class CommandGroup(TyperGroup):
    """All commands by name; each is made when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the help."""
        return [name for names in GROUPS.values() for name in names]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command ``cmd_name``, made from its function; None when there is none."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        declared = copy(import_module(f"orchestrator.cli.{module}").app)
        declared.registered_commands = [each for each in declared.registered_commands if each.name == cmd_name]
        made = typer.main.get_command(declared)
        return made.commands[cmd_name] if hasattr(made, "commands") else made

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The overview: what it is for, and a line for each command."""
        print(overview())


def overview() -> str:
    """The help of the program as a whole."""
    from orchestrator.cli.table import HELP

    lines = [
        "Usage: orchestrate COMMAND [OPTIONS] [ARGUMENTS]",
        "",
        "Runs a plan of tasks with agents, in plain files.",
        "",
    ]
    for group, names in GROUPS.items():
        lines.append(f"{group}:")
        lines += [f"  {name:<11} {HELP[name]}" for name in names]
        lines.append("")
    lines.append("`orchestrate COMMAND --help` explains one command. Every command takes --dir, --json and --debug.")
    return "\n".join(lines)


app = typer.Typer(cls=CommandGroup, add_completion=False, no_args_is_help=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def _root(ctx: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    if version:
        print(f"orchestrate {__version__}")
        raise typer.Exit()
    if ctx.invoked_subcommand is None:
        print(overview())
        raise typer.Exit(ExitCode.USAGE)


def perform(words: Sequence[str]) -> int:
    """Run the command line ``words``; the exit code is the answer. Raises ``UsageError`` for what is not understood."""
    try:
        ended = app(list(words), prog_name="orchestrate", standalone_mode=False)
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    except Exception as error:
        if not hasattr(error, "format_message"):  # of the parser, whose own class typer does not name
            raise
        raise _usage_error(words, error.format_message()) from None
    return ended if isinstance(ended, int) else ExitCode.DONE


def _usage_error(words: Sequence[str], message: str) -> UsageError:
    """What the parser did not understand, with the command that explains it or the one that was probably meant."""
    from difflib import get_close_matches

    name = next((word for word in words if not word.startswith("-")), "")
    said = message.strip().rstrip(".").split("\n")[0]
    if name in COMMANDS:
        return UsageError(f"{name}: {said[:1].lower()}{said[1:]}", f"orchestrate {name} --help")
    meant = get_close_matches(name, COMMANDS, 1)
    return UsageError(f"{said[:1].lower()}{said[1:]}", f"orchestrate {meant[0]}" if meant else "orchestrate --help")
