"""The options of ``run``, ``feed``, ``exec`` and ``launch``, completed by what the plan says."""

from __future__ import annotations

from orchestrator.commands.session import Place
from orchestrator.store import Store
from orchestrator.workers.options import RunOptions, run_options


def options_for(
    place: Place,
    *,
    jobs: int | None = None,
    executor: str | None = None,
    command: str | None = None,
    claude: str | None = None,
    scale: float | None = None,
    by_stage: bool = False,
) -> RunOptions:
    """What the command line says, else what the plan of the run says, else the defaults."""
    plan = Store.open(place.paths).state.plan
    return run_options(
        plan, jobs=jobs, executor=executor, command=command, claude=claude, scale=scale, by_stage=by_stage
    )
