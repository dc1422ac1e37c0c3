"""The command line: the one place that knows the argument parser, and that turns errors into exit codes."""

from orchestrator.cli.main import main

__all__ = ["main"]
