"""``orchestrate COMMAND``: finds the command, runs it, and ends with its exit code.

Only the module of the command that was asked for is imported, so that a list costs what it prints.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from orchestrator import __version__
from orchestrator.cli.table import COMMANDS, GROUPS
from orchestrator.errors import ExitCode, OrchestrateError, UsageError


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
        made = typer.main.get_command(import_module(f"orchestrator.cli.{module}").app)
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (without the program's name); the exit code is the answer."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")
    try:
        ended = app(words, prog_name="orchestrate", standalone_mode=False)
        return ended if isinstance(ended, int) else ExitCode.DONE
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except OrchestrateError as error:
        if "--debug" in words:
            raise
        tell_error(error)
        return int(error.code)
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone, as `| head` does; nothing is left to be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except OSError as error:
        if "--debug" in words:
            raise
        from orchestrator.system.file_steps import failure

        tell_error(failure("use", str(error.filename or "the disk"), error))
        return ExitCode.CANNOT_GO_ON
    except Exception as error:
        if hasattr(error, "format_message"):  # of the parser, whose own class typer does not name
            tell_error(_usage_error(words, error.format_message()))
            return ExitCode.USAGE
        if "--debug" in words:
            raise
        print(f"orchestrate: this is a defect of the program: {type(error).__name__}: {error}", file=sys.stderr)
        print("  try: the same command with --debug, and report what it prints", file=sys.stderr)
        return ExitCode.CANNOT_GO_ON
    return ExitCode.DONE


def _usage_error(words: Sequence[str], message: str) -> UsageError:
    """What the parser did not understand, with the command that explains it or the one that was probably meant."""
    from difflib import get_close_matches

    name = next((word for word in words if not word.startswith("-")), "")
    said = message.strip().rstrip(".").split("\n")[0]
    if name in COMMANDS:
        return UsageError(f"{name}: {said[:1].lower()}{said[1:]}", f"orchestrate {name} --help")
    meant = get_close_matches(name, COMMANDS, 1)
    return UsageError(f"{said[:1].lower()}{said[1:]}", f"orchestrate {meant[0]}" if meant else "orchestrate --help")


def tell_error(error: OrchestrateError) -> None:
    """Say on stderr what was wrong, each problem with its line, and what to try."""
    print(f"orchestrate: {error.message}", file=sys.stderr)
    for problem in error.problems:
        print(f"  {problem.text()}", file=sys.stderr)
    if error.advice:
        print(f"  try: {error.advice}", file=sys.stderr)
