"""`python -m bench [NAME...]`: run the benchmarks that are named, or all."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SUPPORT = {"__init__", "__main__", "plans", "timing"}


def names() -> list[str]:
    """Every benchmark of this folder."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in SUPPORT)


def main(wanted: list[str]) -> int:
    """Run the benchmarks; 2 when one that is named does not exist."""
    unknown = [name for name in wanted if name not in names()]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()}")
    for name in wanted or names():
        module = importlib.import_module(f"bench.{name}")
        print(f"\n{name}: {(module.__doc__ or '').splitlines()[0]}", flush=True)
        module.main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
