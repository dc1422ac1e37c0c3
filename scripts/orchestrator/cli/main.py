"""``orchestrate COMMAND``: runs it, and turns what went wrong into words and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from orchestrator.cli.quick import understood
from orchestrator.errors import CannotGoOnError, ExitCode, OrchestrateError
from orchestrator.loopguard import barred_word


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (without the program's name); the exit code is the answer."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")
    try:
        refuse_barred(words)
        quick = understood(words)
        if quick is not None:
            return quick()
        from orchestrator.cli.program import perform

        return perform(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except OrchestrateError as error:
        if "--debug" in words:
            raise
        tell_error(error)
        return int(error.code)
    except KeyboardInterrupt:
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
        if "--debug" in words:
            raise
        print(f"orchestrate: this is a defect of the program: {type(error).__name__}: {error}", file=sys.stderr)
        print("  try: the same command with --debug, and report what it prints", file=sys.stderr)
        return ExitCode.CANNOT_GO_ON


def refuse_barred(words: Sequence[str]) -> None:
    """Raise where an invocation of the loop asks for what only a person may."""
    barred = barred_word(words, os.environ)
    if barred is not None:
        raise CannotGoOnError(
            f"{barred} is not for an invocation of the loop",
            '`orchestrate main-task set blocked "Ask a person to …"`, and a person sees to it',
        )


def tell_error(error: OrchestrateError) -> None:
    """Say on stderr what was wrong, each problem with its line, and what to try."""
    print(f"orchestrate: {error.message}", file=sys.stderr)
    for problem in error.problems:
        print(f"  {problem.text()}", file=sys.stderr)
    if error.advice:
        print(f"  try: {error.advice}", file=sys.stderr)
