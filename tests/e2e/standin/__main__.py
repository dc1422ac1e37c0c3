"""A stand-in for trials by hand: `cd tests/e2e && python -m standin`, then paste what it prints into another terminal.

It answers everything with one text, or as SCRIPT in a Python file says, and tells each prompt's first line on stderr.
"""

from __future__ import annotations

import argparse
import runpy
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from standin.asked import Request
from standin.model import answer_to, script_model
from standin.replies import Reply, say
from standin.server import Standin


def main() -> int:
    """Serve until Ctrl-C."""
    arguments = argparse.ArgumentParser(prog="python -m standin", description=__doc__)
    arguments.add_argument("--port", type=int, default=0, help="0 takes a free one")
    arguments.add_argument("--answer", default="This is the stand-in's answer.")
    arguments.add_argument("--script", type=Path, help="a Python file that sets SCRIPT (see `standin`)")
    given = arguments.parse_args()
    script = runpy.run_path(str(given.script))["SCRIPT"] if given.script else say(given.answer)
    behaviour = script_model(script)

    def tell(request: Request) -> Reply:
        first_line, _, _ = request.prompt.partition("\n")
        print(f"turn {request.turn}, {len(request.prompt)} characters: {first_line[:100]}", file=sys.stderr)
        return answer_to(request, behaviour)

    with tempfile.TemporaryDirectory(prefix="standin-home-") as home, Standin(tell, port=given.port) as standin:
        print(f"export HOME={home} ANTHROPIC_API_KEY=sk-dummy ANTHROPIC_BASE_URL={standin.url}")
        print("export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
