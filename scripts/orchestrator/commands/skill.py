"""``skill``: where the documents of this skill are, for a session that did not open them as one."""

from __future__ import annotations

from pathlib import Path

from orchestrator.commands.session import Place, answer
from orchestrator.errors import CannotGoOnError, ExitCode
from orchestrator.model import Json

DOCUMENTS = ("SKILL.md", "workflow.md", "templates.md", "cli-integration.md", "examples.md")


def skill(place: Place) -> ExitCode:
    """The folder of the skill and its documents; 3 where only the package was installed."""
    folder = Path(__file__).resolve().parents[3]
    found = [name for name in DOCUMENTS if (folder / name).is_file()]
    if "SKILL.md" not in found:
        raise CannotGoOnError(
            "the documents of the skill are not beside this program: only the package is installed",
            "install the skill's folder: `make install` in a checkout",
        )
    record: Json = {"folder": str(folder), "documents": list(found)}
    answer(place, record, "\n".join(str(folder / name) for name in found))
    return ExitCode.DONE
