"""Copy the skill into the user's folder of skills: ``make install``.

Only what the skill needs goes there, by a list, so that nothing that happens to lie in the checkout is copied.
The new copy is made beside the old one and takes its place by a rename; when that fails, the old one is put back.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

NAME = "distributed-task-orchestrator"
SHIPPED = (
    "SKILL.md",
    "workflow.md",
    "templates.md",
    "cli-integration.md",
    "examples.md",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "pyproject.toml",
    ".claude-plugin",
    "docs",
    "scripts",
)
LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", "*.pyc", "*.egg-info", ".*", Path(__file__).name, "documents.py", "skeletons.py"
)


def main() -> int:
    """Install into ``SKILLS_DIR``, by default ``~/.claude/skills``; exit code 3 when it cannot be done."""
    checkout = Path(__file__).resolve().parents[1]
    skills = Path(os.environ.get("SKILLS_DIR") or Path.home() / ".claude" / "skills").absolute()
    try:
        print(f"installed {install(checkout, skills)}")
    except OSError as error:
        sys.stderr.write(f"install: {error}\n")
        return 3
    return 0


def install(checkout: Path, skills: Path) -> Path:
    """Put a copy of the skill into a folder of skills, in place of an older one, and return where it is.

    Raises OSError when something that is shipped is missing, when a file or somebody else's folder is in the way, or
    when the disk refuses; the older copy is then as it was.
    """
    target = skills / NAME
    if target.is_symlink() or (target.exists() and not (target / "SKILL.md").is_file()):
        raise FileExistsError(f"{target} is not a copy of this skill: move it away first")
    skills.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{NAME}-", dir=skills, ignore_cleanup_errors=True) as folder:
        new, old = Path(folder, "new"), Path(folder, "old")
        copy(checkout, new)
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        finally:
            if old.exists() and not target.exists():
                old.rename(target)
    return target


def copy(checkout: Path, folder: Path) -> None:
    """Copy what is shipped into a new folder."""
    folder.mkdir()
    for name in SHIPPED:
        source = checkout / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=LEFT_OUT)
        else:
            shutil.copy2(source, folder / name)


if __name__ == "__main__":
    sys.exit(main())
