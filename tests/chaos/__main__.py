"""``python -m tests.chaos [NAME...]``: cause the faults, print what survived; 1 when something did not."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
for folder in (TESTS.parent / "scripts", TESTS / "e2e", TESTS):
    sys.path.insert(0, str(folder))

from chaos import suite  # noqa: E402 - it is found by the path that was just set

if __name__ == "__main__":
    sys.exit(suite.main(sys.argv[1:]))
