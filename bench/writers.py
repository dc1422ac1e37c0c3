"""Many writers: 50 processes that change one run for a while, and 50 commands at once beside 50 bare starts."""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bench.plans import Graph, plan_text, write
from bench.timing import BARE, ORCHESTRATE, REPOSITORY, row, run

T = TypeVar("T")

WRITERS = 50
CHANGES = 20
SIZE = 100
TIMES = 3
GOAL_PER_S = 1_000
GOAL_RATIO = 1.2


def main() -> None:
    """Print changes a second beside plain appends with a flush, and the ratio of 50 commands to 50 bare starts."""
    sys.path.insert(0, str(REPOSITORY / "scripts"))
    plain, stored, shown = zip(*((_plainly(), _stored(False), _stored(True)) for _ in range(TIMES)), strict=True)
    row(f"{WRITERS} writers, plain appends with a flush", f"{max(plain):,.0f} a second")
    best = max(stored)
    row(f"{WRITERS} writers, changes of the state", f"{best:,.0f} a second", f"{GOAL_PER_S:,}", best >= GOAL_PER_S)
    row(f"{WRITERS} writers, master_plan.md shown as they go", f"{max(shown):,.0f} a second")
    bare, commands = zip(*((_bare_starts(), _commands()) for _ in range(TIMES)), strict=True)
    found = statistics.median(one / other for one, other in zip(commands, bare, strict=True))
    row(f"{WRITERS} bare starts at once", f"{min(bare) * 1000:.0f} ms")
    row(
        f"{WRITERS} commands at once",
        f"{found:.2f} ({min(commands) * 1000:.0f} ms)",
        f"at most {GOAL_RATIO:g}",
        found <= GOAL_RATIO,
    )


def _plainly() -> float:
    """Lines of the usual length appended and flushed by as many processes, with nothing to agree on."""
    with tempfile.TemporaryDirectory() as temporary:
        line = b"x" * 240 + b"\n"

        def begin() -> int:
            return os.open(Path(temporary, "lines"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)

        def act(number: int, file: int) -> None:
            for _ in range(CHANGES):
                os.write(file, line)
                os.fsync(file)

        return WRITERS * CHANGES / _together(act, begin)


def _stored(is_shown: bool) -> float:
    """Changes a second of writers that open the store once; every one must be there afterwards."""
    from orchestrator.paths import RunPaths
    from orchestrator.store import moves
    from orchestrator.store.change import Spent
    from orchestrator.store.store import Store
    from orchestrator.store.table import Table

    with tempfile.TemporaryDirectory() as temporary:
        folder = _project(Path(temporary))
        paths = RunPaths.of(str(folder))
        before = _lines(folder)

        def begin() -> tuple[Store, Table]:
            store = Store.open(paths)
            return store, Table(store, None)

        def act(number: int, opened: tuple[Store, Table]) -> None:
            store, table = opened
            for part in range(2):
                task = f"T-{2 * number + part + 1:05}"
                for step in range(CHANGES // 2):
                    with store.change() as change:
                        if step == 0:
                            moves.start_by_hand(change, [task])
                        elif step == CHANGES // 2 - 1:
                            moves.complete(change, task, result=f"results/{task}.md", hash="sha256:0", spent=Spent())
                        else:
                            moves.renew(change, task)
                    if is_shown:
                        table.show_soon()

        seconds = _together(act, begin)
        counts = _counts(folder)
        assert counts["completed"] == 2 * WRITERS, counts
        assert _lines(folder) - before >= WRITERS * CHANGES
        return WRITERS * CHANGES / seconds


def _bare_starts() -> float:
    return _all_at_once([BARE] * WRITERS, Path.cwd())


def _commands() -> float:
    with tempfile.TemporaryDirectory() as temporary:
        folder = _project(Path(temporary))
        seconds = _all_at_once([[*ORCHESTRATE, "start", f"T-{number + 1:05}"] for number in range(WRITERS)], folder)
        counts = _counts(folder)
        assert counts["running"] == WRITERS, counts
        return seconds


def _all_at_once(commands: list[list[str]], folder: Path) -> float:
    """Seconds until all of them have ended."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    begun = time.perf_counter()
    started = [
        subprocess.Popen(each, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for each in commands
    ]
    for process in started:
        said = process.communicate()[1]
        if process.returncode:
            raise RuntimeError(f"exit code {process.returncode}: {said.decode()[-500:]}")
    return time.perf_counter() - begun


def _together(act: Callable[[int, T], None], begin: Callable[[], T]) -> float:
    """Seconds that forked writers, which have all begun, take from a common start to the end of the last one."""
    gate, start = os.pipe()
    begun_gate, has_begun = os.pipe()
    gc.freeze()  # a fork does not go through, and so copy, what it shares with this process
    pids = []
    for number in range(WRITERS):
        pid = os.fork()
        if not pid:
            code = 1
            try:
                os.close(start)
                opened = begin()
                os.write(has_begun, b".")
                os.read(gate, 1)  # ends when the parent closes its side
                act(number, opened)
                code = 0
            except BaseException:  # noqa: BLE001 - a fork must never return into the benchmark
                traceback.print_exc()
            finally:
                os._exit(code)
        pids.append(pid)
    os.close(gate)
    for _ in pids:
        os.read(begun_gate, 1)
    os.close(begun_gate)
    os.close(has_begun)
    begun = time.perf_counter()
    os.close(start)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    seconds = time.perf_counter() - begun
    assert not any(codes), f"writers ended with {codes}"
    return seconds


def _project(folder: Path) -> Path:
    ids = [f"T-{number:05}" for number in range(1, SIZE + 1)]
    write(folder, "plan.yaml", plan_text(Graph({name: [] for name in ids}, dict.fromkeys(ids, 0.0))))
    run([*ORCHESTRATE, "init"], folder)
    return folder


def _counts(folder: Path) -> dict[str, int]:
    """How many tasks are in each state; results that were never written are not to be spoken of here."""
    words = [*ORCHESTRATE, "status", "--json"]
    said = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    counts: dict[str, int] = json.loads(said)["run"]["counts"]
    return counts


def _lines(folder: Path) -> int:
    return (folder / ".orchestrator/events.jsonl").read_bytes().count(b"\n")
