"""Plans to measure with: random graphs, the same for every peer of one run."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Graph:
    """Ids, what each depends on, and how long each takes in seconds."""

    deps: dict[str, list[str]]
    seconds: dict[str, float]


def graph(size: int, seed: int, mean_s: float = 0.0) -> Graph:
    """A random graph: each task waits for up to three of the twenty before it; durations are lognormal (sigma 1)."""
    chance = random.Random(seed)
    ids = [f"T-{number:05}" for number in range(1, size + 1)]
    deps = {
        name: sorted(chance.sample(ids[max(0, place - 20) : place], min(place, chance.randint(0, 3))))
        for place, name in enumerate(ids)
    }
    seconds = {name: mean_s * chance.lognormvariate(0, 1) / 1.6487 for name in ids}
    return Graph(deps, seconds)


def plan_text(made: Graph) -> str:
    """The graph as plan.yaml, with the durations as estimates."""
    lines = ["version: 1", "title: Benchmark", "request: Measure", "tasks:"]
    for name, deps in made.deps.items():
        lines += [f"  - id: {name}", f"    name: Task {name}", "    description: Say ok.", "    success_criteria: [ok]"]
        lines += [f"    deps: [{', '.join(deps)}]"] * bool(deps)
        lines += [f"    estimate: {max(made.seconds[name], 0.001):.3f}s"] * bool(made.seconds[name])
    return "\n".join(lines) + "\n"


def make_text(made: Graph, command: str = "@echo ok") -> str:
    """The same graph as a Makefile; `{seconds}` and `{id}` in the command are filled in."""
    lines = [f".PHONY: all {' '.join(made.deps)}", f"all: {' '.join(made.deps)}"]
    for name, deps in made.deps.items():
        lines += [f"{name}: {' '.join(deps)}", "\t" + command.format(seconds=made.seconds[name], id=name)]
    return "\n".join(lines) + "\n"


def write(folder: Path, name: str, text: str) -> Path:
    """A file of a benchmark."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / name
    target.write_text(text)
    return target
