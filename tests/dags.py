"""Random graphs and plans for property tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import strategies as st

from orchestrator.model import Dependency, Estimate, Task

Deps = dict[str, list[str]]


def names(count: int) -> list[str]:
    """Ids whose natural order is not their alphabetical one."""
    return [f"T-{n}" for n in range(1, count + 1)]


@st.composite
def digraphs(draw: st.DrawFn, most: int = 8) -> Deps:
    """Any graph: cycles, self dependencies, repeated and unknown ids included."""
    ids = names(draw(st.integers(0, most)))
    choices = st.lists(st.sampled_from([*ids, "unknown"]), max_size=4)
    return {id: draw(choices) for id in ids}


@st.composite
def dags(draw: st.DrawFn, most: int = 10) -> Deps:
    """A graph without cycles, written in an order that need not be one to work in."""
    ids = names(draw(st.integers(0, most)))
    deps: Deps = {}
    for at, id in enumerate(draw(st.permutations(ids))):
        earlier = [*deps][:at]
        deps[id] = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3)) if earlier else []
    return {id: deps[id] for id in draw(st.permutations(ids))}


def whole_durations(deps: Mapping[str, Sequence[str]]) -> st.SearchStrategy[dict[str, float]]:
    """Durations whose sums are exact."""
    return st.fixed_dictionaries({id: st.integers(1, 20).map(float) for id in deps})


def task(
    id: str,
    deps: Sequence[str | Dependency] = (),
    s: float | tuple[float, float] | None = None,
    name: str = "",
    **fields: object,
) -> Task:
    """A task with what a test is about; ``s`` is its estimate in seconds."""
    low, high = s if isinstance(s, tuple) else (s, s)
    return Task(
        id,
        name or f"Do {id}",
        "…",
        deps=tuple(dep if isinstance(dep, Dependency) else Dependency(dep) for dep in deps),
        estimate=None if low is None or high is None else Estimate(low, high),
        **fields,  # type: ignore[arg-type]
    )
