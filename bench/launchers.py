"""`run.sh` beside the lower bound, stage-by-stage GNU parallel and bare `exec`; what waiting and starting cost."""

from __future__ import annotations

import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.makespan import SLOTS, lower_bound, makespan_of, rehearsed_text
from bench.plans import Graph, graph, plan_text, write
from bench.timing import ORCHESTRATE, REPOSITORY, Run, in_turn, median_ms, ratio, row, run

GRAPHS = 3
MEAN_S = 8.0
"""Agents take minutes; these tasks take seconds, so that the start of each `exec` weighs more than it ever will."""
AT_ONCE = 2
"""Graphs measured side by side: their tasks only sleep."""
PEER_SCALE = 0.1
"""GNU parallel alone starts a job in milliseconds, so that its ratio can be taken from shorter tasks."""
SIZE = 1_000
IDLE_S = 10.0

EXEC_IMPORTS = (
    "orchestrator.bootstrap, orchestrator.cli, orchestrator.cli.quick, orchestrator.commands.execute, "
    "orchestrator.executors.command, orchestrator.store.trust, jinja2"
)


def main() -> None:
    """Print every figure of the launch scripts beside its peer."""
    if shutil.which("parallel") is None:
        row("run.sh", "skipped", "GNU parallel is missing")
        return
    graphs = int(os.environ.get("BENCH_GRAPHS", GRAPHS))
    _imports()
    _idle()
    _throughput()
    for size in (50, 200):
        _makespan(size, graphs)


def _imports() -> None:
    """What `exec` imports, beside the libraries of every other command that runs tasks, and beside those of its own."""
    python = [sys.executable, "-c"]
    ours = [*python, f"import sys; sys.path.insert(0, {str(REPOSITORY / 'scripts')!r}); import {EXEC_IMPORTS}"]
    for libraries, goal in (("typer, jinja2, subprocess", 1.5), ("jinja2, subprocess", None)):
        commands = [[*python, f"import {libraries}"], ours]
        bare, found = in_turn([lambda words=words: run(words, REPOSITORY) for words in commands], 11)  # type: ignore[misc]
        times = ratio(found, bare)
        row(
            f"imports of exec beside {libraries}",
            f"{times:.2f} ({median_ms(found):.0f} ms)",
            "" if goal is None else str(goal),
            None if goal is None else times <= goal,
        )


def _idle() -> None:
    """The share of a core that a feed takes while nothing happens."""
    for size in (100, 1_000):
        with _project(plan_text(graph(size, seed=1))) as folder:
            feed = subprocess.Popen(
                [*ORCHESTRATE, "feed", "--jobs", "1", "--executor", "rehearse"],
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                time.sleep(4)
                before = _cpu_s(feed.pid)
                time.sleep(IDLE_S)
                share = (_cpu_s(feed.pid) - before) / IDLE_S
            finally:
                feed.terminate()
                feed.wait()
        row(f"waiting feed of {size:,} tasks, share of a core", f"{share:.2%}", "under 1 %", share < 0.01)


def _throughput() -> None:
    """Tasks that do nothing through `run.sh`, beside the same `exec`s with nothing to schedule."""
    ids = list(graph(SIZE, seed=7).deps)
    plan = plan_text(Graph({name: [] for name in ids}, dict.fromkeys(ids, 0.0)))
    words = ["exec", "--executor", "command", "--command", "echo ok", "--fed"]

    def peer() -> Run:
        with _project(plan) as folder, _fed_by_nobody(folder):
            job = shlex.join([*ORCHESTRATE, *words]) + " {}"
            command = ["parallel", "--plain", "--will-cite", f"-j{SLOTS}", "-u", job]
            return run(command, folder, "".join(f"{name}\n" for name in ids))

    def ours() -> Run:
        with _project(plan) as folder:
            run([*ORCHESTRATE, "launch", "--jobs", str(SLOTS), *words[1:-1]], folder)
            return run(["bash", ".orchestrator/launch/run.sh", "--no-merge"], folder)

    peers, runs = [peer()], [ours()]
    found = ratio(runs, peers)
    row(f"{SIZE:,} execs by GNU parallel alone", f"{median_ms(peers):.0f} ms")
    row(
        f"{SIZE:,} tasks that do nothing through run.sh", f"{found:.2f} ({median_ms(runs):.0f} ms)", "1.5", found <= 1.5
    )
    times = runs[0].cpu_s / peers[0].cpu_s  # what a busy machine does not distort
    row("  the same in processor time", f"{times:.2f} ({runs[0].cpu_s / SIZE * 1000:.0f} ms a task)")


def _makespan(size: int, graphs: int) -> None:
    made = [graph(size, seed=1000 * size + seed, mean_s=MEAN_S) for seed in range(graphs)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ours = list(pool.map(_by_run_sh, made))
    stages = [_stage_by_stage(each) / (lower_bound(each) * PEER_SCALE) for each in made]
    median, worst = statistics.median(ours), max(ours)
    is_met = median <= 1.08 and worst <= 1.2
    row(f"{size} tasks  run.sh", f"{median:.3f}, worst {worst:.3f}", "median 1.08, worst 1.2", is_met)
    row(f"{size} tasks  GNU parallel stage by stage", f"{statistics.median(stages):.3f}, worst {max(stages):.3f}")


def _by_run_sh(made: Graph) -> float:
    """The makespan of `run.sh` over the lower bound."""
    with _project(rehearsed_text(made)) as folder:
        run([*ORCHESTRATE, "launch", "--jobs", str(SLOTS), "--executor", "rehearse"], folder)
        run(["bash", ".orchestrator/launch/run.sh", "--no-merge"], folder)
        return makespan_of(folder) / lower_bound(made)


def _stage_by_stage(made: Graph) -> float:
    """Seconds that GNU parallel takes for one stage after the other."""
    level: dict[str, int] = {}
    for name, deps in made.deps.items():
        level[name] = 1 + max((level[dep] for dep in deps), default=0)
    begun = time.perf_counter()
    for stage in range(1, max(level.values()) + 1):
        times = "".join(f"{made.seconds[name] * PEER_SCALE:.4f}\n" for name in level if level[name] == stage)
        command = ["parallel", "--plain", "--will-cite", f"-j{SLOTS}", "-u", "sleep", "{}"]
        subprocess.run(command, input=times.encode(), check=True)
    return time.perf_counter() - begun


@contextmanager
def _project(plan: str) -> Iterator[Path]:
    """A run of `plan` in a folder of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        write(Path(temporary), "plan.yaml", plan)
        run([*ORCHESTRATE, "init"], Path(temporary))
        yield Path(temporary)


@contextmanager
def _fed_by_nobody(folder: Path) -> Iterator[None]:
    """Hold the lock of the run as a feed does, so that `exec --fed` may start."""
    import fcntl

    with open(folder / ".orchestrator" / "run.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _cpu_s(pid: int) -> float:
    """Processor seconds of a process so far; 0 where the system has no /proc."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0
