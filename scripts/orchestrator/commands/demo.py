"""``demo``: a bundled plan of a code review, through all four phases."""

from __future__ import annotations

import os
import tempfile
from importlib.resources import files as package_files

from orchestrator.commands import check, estimate, init, merge, plan, run
from orchestrator.commands.session import Place, tell
from orchestrator.errors import CannotGoOnError, ExitCode
from orchestrator.model import Executor, Plan
from orchestrator.paths import RunPaths
from orchestrator.system import files
from orchestrator.workers.options import Wishes

SOURCES = {
    "api.py": "def handle(rq):\n    cfg2 = rq.get('q')\n    return store.find(cfg2)\n",
    "store.py": 'def find(q):\n    return run("SELECT * FROM item WHERE name = \'" + q + "\'")\n',
    "report.py": "def page(rows):\n    return [find(row) for row in rows]\n",
}
"""A service that is small enough to be reviewed for a few cents when the demo runs with ``claude``."""


def demo(folder: str | None, wishes: Wishes) -> ExitCode:
    """Plan, assign, execute and merge in ``folder`` (a new one in the temporary folder unless named)."""
    project = os.path.abspath(folder) if folder else tempfile.mkdtemp(prefix="orchestrate-demo-")
    os.makedirs(project, exist_ok=True)
    place = Place(RunPaths.of(project))
    if os.path.exists(place.paths.journal):
        raise CannotGoOnError(f"there is a run in {place.paths.folder} already", "name an empty folder")
    for name, text in SOURCES.items():
        target = os.path.join(project, name)
        if not os.path.exists(target):
            files.write_whole(target, text, flush=False)
    source = os.path.join(project, "plan.yaml")
    files.write_whole(source, (package_files("orchestrator") / "demo" / "plan.yaml").read_text("utf-8"))
    os.chdir(project)
    _phase("1  Analyse and decompose: the plan and its estimate")
    plan.validate(place, source)
    estimate.estimate_plan(place, source)
    _phase("2  Assign: a table for people, a file for each agent")
    init.init(place, source)
    plan.graph(place, None)
    options = wishes.options(Plan(title=""))
    _phase(f"3  Execute: {options.jobs} at a time, executor {options.executor}")
    code = run.run(place, wishes)
    _phase("4  Aggregate: check and merge")
    check.check(place)
    merged = merge.merge(place)
    print()
    print(f"The plan and its log:  {place.paths.table}")
    print(f"The merged result:     {place.paths.final_output}")
    if options.executor is Executor.REHEARSE:
        tell("This was a rehearsal: no model was asked. `make demo EXECUTOR=claude` does it for real.")
    return code if code is not ExitCode.DONE else merged


def _phase(title: str) -> None:
    print(f"\n── Phase {title} ──", flush=True)
