"""The drawings of the graph, read back by checkers stricter than the programs that draw them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dags import Deps, dags, task
from orchestrator.model import Dependency, DependencyType, Task
from orchestrator.plans.simulation import schedule
from orchestrator.render.graph import DRAWN_TASKS, dot, flowchart, gantt, levels, mermaid
from orchestrator.render.markdown import one_line

REVIEW = [
    task("T-01", s=300, name="Read the service"),
    task("T-02", ["T-01"], 600, "Style review"),
    task("T-03", ["T-01"], 1500, "Security review"),
    task("T-04", ["T-02", Dependency("T-03", DependencyType.SEQUENTIAL)], 300, "Report"),
]
HOSTILE = [
    'a "quoted" name',
    "'single'",
    "[square] (round) {curly} <angle>",
    '"] --> t9["',
    "`tick` and ```mermaid",
    "a | pipe || two",
    "# hash, #35; entity, #quot; &amp; &#35;",
    "line\nbreak\r\nand\ttab\x0b\x0c\x85\u2028\u2029",
    "end",
    "subgraph x",
    "style t1 fill:#f00;",
    "code style:#35; classDef a:#fff;",
    "%% comment %%{init: {'theme': 'dark'}}%%",
    "a;b; click t1 call f()",
    "back\\slash \\n \\",
    "עברית \u061c مرحبا \u202egnp.exe\u202c \u2066x\u2069",
    "🚀 ✅ 👩\u200d💻",
    "1. list",
    "$$x^2$$ $(id) ${HOME} `id`",
    "{{ x }} {% raw %}",
    "fa:fa-car",
    "<script>alert(1)</script>",
    "section x : crit, done, a1, 2000-01-01, 5s",
    "---\ntitle: x\n---",
    "\x1b[31mred\x1b[0m \x00 \x7f",
    "\ud800 lone surrogate",
    "x" * 500,
    " ",
]
FOREIGN = st.one_of(st.text(max_size=80), st.sampled_from(HOSTILE), st.text(st.sampled_from('"#;[]{}|`%:\\\n')))
TASK_IDS = [
    "T-01",
    "end",
    "section",
    "title",
    "2024-01-01",
    "click",
    "gantt",
    "1.",
    "style",
    "href-x",
    "Weekday",
    "graph",
]

NODE = re.compile(
    r'    ([a-z]+[0-9]*)\["((?:[^"`#&<>\[\]{}|\\%$;\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|#[0-9]+;)*)"\]'
)
EDGE = re.compile(r"    ([a-z]+[0-9]*) (-->|-\.->) ([a-z]+[0-9]*)")
CLASS = re.compile(r"    class ([a-z0-9,]+) critical")
RESERVED = {"end", "graph", "subgraph", "style", "class", "click", "default", "flowchart"}

Edge = tuple[str, str, str]


def read_flowchart(text: str) -> tuple[dict[str, str], list[Edge], set[str]]:
    """The labels by node, the edges and the critical nodes; only what is surely right in Mermaid 9 to 11 passes."""
    head, *lines = text.removesuffix("\n").split("\n")
    if head != "flowchart TD" or not text.endswith("\n"):
        raise ValueError("not a flowchart")
    labels: dict[str, str] = {}
    edges: list[Edge] = []
    critical: set[str] = set()
    for line in lines:
        if node := NODE.fullmatch(line):
            if node[1] in labels or node[1] in RESERVED or not node[2].strip():
                raise ValueError(f"a node that is declared twice, reserved or blank: {line}")
            # The bug in encodeEntities that eats a semicolon, and icons.
            if re.search(r"(style|classDef).*:\S*#|fa[bklrs]?:fa-", line):
                raise ValueError(f"a label that Mermaid changes: {line}")
            labels[node[1]] = decoded(node[2])
        elif edge := EDGE.fullmatch(line):
            if not {edge[1], edge[3]} <= labels.keys():
                raise ValueError(f"an edge of an unknown node: {line}")
            edges.append((edge[1], edge[2], edge[3]))
        elif named := CLASS.fullmatch(line):
            critical |= set(named[1].split(","))
        elif line != "    classDef critical stroke-width:3px":
            raise ValueError(f"not a statement: {line!r}")
    if not labels or not critical <= labels.keys():
        raise ValueError("nothing is drawn, or a class has unknown nodes")
    return labels, edges, critical


def decoded(label: str) -> str:
    return re.sub("#([0-9]+);", lambda match: chr(int(match[1])), label)


BAR = re.compile(
    r"    (?!(?i:accdescr|acctitle|axisformat|call|click|dateformat|excludes|gantt|href|includes|inclusiveenddates"
    r"|section|tickinterval|title|todaymarker|topaxis|weekday|weekend)|[0-9])"
    r"((?:[^:;%#\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|#[0-9]+;)+)"
    r" :(crit, )?(t[0-9]+), ([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}), ([0-9]+)s"
)


def read_gantt(text: str) -> dict[str, tuple[str, str, int]]:
    """Label, start and seconds of each bar by its node."""
    lines = text.removesuffix("\n").split("\n")
    if lines[0] != "gantt" or "    dateFormat YYYY-MM-DD HH:mm:ss" not in lines[1:3]:
        raise ValueError("not a Gantt chart")
    bars: dict[str, tuple[str, str, int]] = {}
    for line in lines[1:]:
        if bar := BAR.fullmatch(line):
            bars[bar[3]] = (decoded(bar[1]), bar[4], int(bar[5]))
        elif not re.fullmatch(r"    (section Stage [0-9]+|(date|axis)Format [^#;]+|title [^:;\n]+(;[^:;\n]*)*)", line):
            raise ValueError(f"not a statement: {line!r}")
    return bars


def read_dot(text: str) -> tuple[dict[str, str], list[Edge]]:
    """The labels by id and the edges of a Graphviz graph."""
    labels: dict[str, str] = {}
    edges: list[Edge] = []
    quoted = r'"((?:[^"\\\x00-\x1f]|\\.)*)"'
    for line in text.removesuffix("}\n").split("\n")[3:-1]:
        if node := re.fullmatch(rf"    {quoted} \[label={quoted}(?:, penwidth=3)?\];", line):
            labels[node[1]] = re.sub(r"\\(.)", r"\1", node[2]).replace("&amp;", "&")
        elif edge := re.fullmatch(rf"    {quoted} -> {quoted}( \[style=dotted\])?;", line):
            edges.append((edge[1], "dotted" if edge[3] else "solid", edge[2]))
        else:
            raise ValueError(f"not a statement: {line!r}")
    return labels, edges


def shown(each: Task) -> str:
    return one_line(f"{each.id} {each.name}", 60)


class TestTheCheckers:
    """A checker that lets a broken specimen pass checks nothing."""

    @pytest.mark.parametrize(
        "broken",
        [
            "",
            "flowchart TD\n",
            'graph TD\n    t1["x"]\n',
            'flowchart TD\n    t1["a "quoted" name"]\n',
            'flowchart TD\n    t1["two\nlines"]\n',
            'flowchart TD\n    t1["a # hash"]\n',
            'flowchart TD\n    t1["a `tick`"]\n',
            'flowchart TD\n    t1["right \u202e to left"]\n',
            'flowchart TD\n    end["x"]\n',
            'flowchart TD\n    t1["x"]\n    t1["y"]\n',
            'flowchart TD\n    t1["x"]\n    t1 --> t2\n',
            'flowchart TD\n    t1["x"]\n    t1 -> t1\n',
            'flowchart TD\n    t1["x"]\n    class t2 critical\n',
            'flowchart TD\n    t1["style:#34;x#34;"]\n',
            'flowchart TD\n    t1["x"]\n    click t1 call f()\n',
            'flowchart TD\n    t1["x"]',
        ],
    )
    def test_broken_flowcharts_are_refused(self, broken: str) -> None:
        with pytest.raises(ValueError):
            read_flowchart(broken)

    @pytest.mark.parametrize(
        "line",
        [
            "a: b :t1, 2000-01-01 00:00:00, 5s",
            "title x :t1, 2000-01-01 00:00:00, 5s",
            "a # b :t1, 2000-01-01 00:00:00, 5s",
        ],
    )
    def test_broken_gantt_charts_are_refused(self, line: str) -> None:
        with pytest.raises(ValueError):
            read_gantt(f"gantt\n    dateFormat YYYY-MM-DD HH:mm:ss\n    {line}\n")

    def test_broken_graphviz_is_refused(self) -> None:
        with pytest.raises(ValueError):
            read_dot('digraph plan {\n    rankdir=TB;\n    node [shape=box];\n    "a" [label="b"c"];\n}\n')


class TestFlowchart:
    def test_a_small_plan_reads_well(self) -> None:
        assert flowchart(REVIEW) == (
            "flowchart TD\n"
            '    t1["T-01 Read the service"]\n'
            '    t2["T-02 Style review"]\n'
            '    t3["T-03 Security review"]\n'
            '    t4["T-04 Report"]\n'
            "    t1 --> t2\n"
            "    t1 --> t3\n"
            "    t2 --> t4\n"
            "    t3 -.-> t4\n"
            "    classDef critical stroke-width:3px\n"
            "    class t1,t3,t4 critical\n"
        )

    def test_in_markdown_it_stands_in_a_fence(self) -> None:
        assert mermaid(REVIEW) == f"```mermaid\n{flowchart(REVIEW)}```"

    @pytest.mark.parametrize("name", HOSTILE)
    @pytest.mark.parametrize("id", TASK_IDS)
    def test_no_name_and_no_id_breaks_it(self, id: str, name: str) -> None:
        plan = [task("first"), task(id, ["first"], name=name)]
        labels, edges, _ = read_flowchart(flowchart(plan))
        assert labels["t2"] == shown(plan[1])
        assert edges == [("t1", "-->", "t2")]
        assert mermaid(plan).count("```") == 2

    @given(FOREIGN)
    def test_any_text_is_shown_as_it_is(self, name: str) -> None:
        plan = [task("T-01", name=name)]
        assert read_flowchart(flowchart(plan))[0] == {"t1": shown(plan[0])}

    @given(dags())
    def test_it_has_every_task_and_every_dependency(self, deps: Deps) -> None:
        plan = [task(id, [*needed, "unknown"]) for id, needed in deps.items()]
        labels, edges, _ = read_flowchart(flowchart(plan))
        if not plan:
            assert labels == {"t0": "no tasks yet"}
            return
        id_of = {node: label.split(" ")[0] for node, label in labels.items()}
        assert [*id_of.values()] == [*deps]
        assert sorted((id_of[b], id_of[a]) for a, _, b in edges) == sorted((id, dep) for id in deps for dep in deps[id])

    def test_a_large_plan_becomes_its_stages(self) -> None:
        wide = [task("T-0"), *(task(f"T-{n}", ["T-0"]) for n in range(1, DRAWN_TASKS + 1))]
        labels, edges, _ = read_flowchart(flowchart(wide))
        assert labels == {
            "note": "151 tasks, drawn as stages: orchestrate graph lists each of them",
            "s1": "Stage 1, 1 task, T-0",
            "s2": "Stage 2, 150 tasks, T-1 to T-150",
        }
        assert edges == [("s1", "-->", "s2")]
        assert len(read_flowchart(flowchart(wide[:-1]))[0]) == DRAWN_TASKS


class TestDot:
    def test_a_small_plan_reads_well(self) -> None:
        assert dot(REVIEW).split("\n") == [
            "digraph plan {",
            "    rankdir=TB;",
            "    node [shape=box];",
            '    "T-01" [label="T-01 Read the service", penwidth=3];',
            '    "T-02" [label="T-02 Style review"];',
            '    "T-03" [label="T-03 Security review", penwidth=3];',
            '    "T-04" [label="T-04 Report", penwidth=3];',
            '    "T-01" -> "T-02";',
            '    "T-01" -> "T-03";',
            '    "T-02" -> "T-04";',
            '    "T-03" -> "T-04" [style=dotted];',
            "}",
            "",
        ]

    @given(FOREIGN)
    def test_any_text_is_shown_as_it_is(self, name: str) -> None:
        plan = [task("T-01", name=name)]
        assert read_dot(dot(plan)) == ({"T-01": shown(plan[0])}, [])

    def test_a_large_plan_is_drawn_whole(self) -> None:
        assert len(read_dot(dot([task(f"T-{n}") for n in range(DRAWN_TASKS + 50)]))[0]) == DRAWN_TASKS + 50


class TestLevels:
    def test_a_small_plan_reads_well(self) -> None:
        assert levels(REVIEW).split("\n") == [
            "── Stage 1",
            "   T-01  Read the service",
            "",
            "── Stage 2 (2 in parallel)",
            "   T-02  Style review  ← T-01",
            "   T-03  Security review  ← T-01",
            "",
            "── Stage 3",
            "   T-04  Report  ← T-02, T-03 (order only)",
            "",
        ]

    def test_plain_characters_are_plain(self) -> None:
        assert levels(REVIEW, ascii=True).isascii()
        assert "-- Stage 3\n   T-04  Report  <- T-02, T-03 (order only)\n" in levels(REVIEW, ascii=True)

    @pytest.mark.parametrize("name", HOSTILE)
    def test_no_name_steers_the_terminal_or_makes_a_line(self, name: str) -> None:
        text = levels([task("T-01", name=name)])
        assert len(text.split("\n")) == 3
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)

    def test_an_empty_plan_is_said_to_be_empty(self) -> None:
        assert levels([]) == "The plan has no tasks.\n"


class TestGantt:
    def test_a_schedule_reads_well(self) -> None:
        assert gantt(REVIEW, schedule(REVIEW, 2).spans, "Review: plan").split("\n") == [
            "gantt",
            "    title Review#58; plan",
            "    dateFormat YYYY-MM-DD HH:mm:ss",
            "    axisFormat %H:%M",
            "    section Stage 1",
            "    T-01 Read the service :crit, t1, 2000-01-01 00:00:00, 300s",
            "    section Stage 2",
            "    T-02 Style review :t2, 2000-01-01 00:05:00, 600s",
            "    T-03 Security review :crit, t3, 2000-01-01 00:05:00, 1500s",
            "    section Stage 3",
            "    T-04 Report :crit, t4, 2000-01-01 00:30:00, 300s",
            "",
        ]

    def test_real_times_are_shown_as_they_were_and_unstarted_tasks_left_out(self) -> None:
        chart = gantt(REVIEW, {"T-02": (0.4, 0.9)}, start=datetime(2026, 3, 1, 23, 59, 59))  # noqa: DTZ001
        assert read_gantt(chart) == {"t2": ("T-02 Style review", "2026-03-01 23:59:59", 1)}

    @pytest.mark.parametrize("name", HOSTILE)
    @pytest.mark.parametrize("id", TASK_IDS)
    def test_no_name_and_no_id_breaks_it(self, id: str, name: str) -> None:
        plan: Sequence[Task] = [task(id, name=name)]
        assert read_gantt(gantt(plan, {id: (0, 60)}, name)) == {"t1": (shown(plan[0]), "2000-01-01 00:00:00", 60)}

    @given(FOREIGN)
    def test_any_text_is_shown_as_it_is(self, name: str) -> None:
        plan = [task("T-01", name=name)]
        assert read_gantt(gantt(plan, {"T-01": (0, 60)}, name))["t1"][0] == shown(plan[0])
