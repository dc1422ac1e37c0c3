"""GNU parallel as it was before 20211022: it starts nothing until it has read a line for each slot.

That version brought `dummy_jobs`, which stands for lines that are not read yet when the limits of the system are tried
out. Without this one statement, a newer GNU parallel waits as all before it did.
"""

from __future__ import annotations

import re
from pathlib import Path

OLD = 20190922
UNBLOCKED = 20211022
_READS_AHEAD = re.compile(r"(processes_available_by_system_limit\(\$\) \{.*?)\$Global::dummy_jobs = 1;", re.DOTALL)
_VERSION = re.compile(r"(\$Global::version = )(\d{8});")


def old_parallel(installed: Path, folder: Path) -> Path:
    """A folder for the search path whose `parallel` is the installed one made old; an old one is taken as it is."""
    folder.mkdir(exist_ok=True)
    script = installed.read_text(encoding="utf-8")
    version = _VERSION.search(script)
    assert version is not None, f"{installed} is no GNU parallel whose source says its version"
    if int(version[2]) >= UNBLOCKED:
        script, count = _READS_AHEAD.subn(r"\1", script, count=1)
        assert count == 1, f"{installed} reads ahead in another way"
        script = _VERSION.sub(rf"\g<1>{OLD};", script)
    made = folder / "parallel"
    made.write_text(script, encoding="utf-8")
    made.chmod(0o755)
    return folder
