#!/usr/bin/env python3
"""Start the command from a bare copy of this folder: ``python3 scripts/orchestrate.py COMMAND``.

Nothing but Python is needed; the libraries are looked for, and installed once, by ``orchestrator.bootstrap``.
This file is written so that any Python 3 can read it, because an old one must be able to say that it is too old.
"""

import sys

if sys.version_info < (3, 11):
    sys.stderr.write(
        "orchestrate: Python 3.11 or newer is needed, and this one is %d.%d.\n" % sys.version_info[:2]
        + "Try: start this file with a newer one, for example python3.12\n"
    )
    sys.exit(3)

import os

scripts = os.path.dirname(os.path.realpath(__file__))
if scripts not in sys.path:  # Python leaves it out with -P, -I and PYTHONSAFEPATH
    sys.path.insert(0, scripts)

from orchestrator.bootstrap import start

if __name__ == "__main__":
    sys.exit(start())
