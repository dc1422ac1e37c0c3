"""What the command line says to words that it does not understand."""

from __future__ import annotations

import pytest

from orchestrator.cli import main
from orchestrator.errors import ExitCode


@pytest.mark.parametrize(
    ("words", "said", "advice"),
    [
        ("lst", "no such command 'lst'", "orchestrate list"),
        ("xyzzy", "no such command 'xyzzy'", "orchestrate --help"),
        ("list --by-sate", "list: no such option: --by-sate", "orchestrate list --help"),
        ("start", "start: missing argument 'ID...'", "orchestrate start --help"),
        ("run --jobs many", "run: invalid value for '--jobs'", "orchestrate run --help"),
        ("status --dir", "status: option '--dir' requires an argument", "orchestrate status --help"),
    ],
)
def test_wrong_usage_is_told_with_the_command_that_helps(
    words: str, said: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == ExitCode.USAGE
    out, told = capsys.readouterr()
    assert out == ""
    assert told.startswith(f"orchestrate: {said}") and told.endswith(f"\n  try: {advice}\n")


def test_no_command_is_wrong_usage_and_shows_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == ExitCode.USAGE
    assert "status      Where the run stands" in capsys.readouterr().out


def test_asking_for_help_or_the_version_is_right_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert [main(["--help"]), main(["--version"]), main(["status", "--help"])] == [0, 0, 0]
