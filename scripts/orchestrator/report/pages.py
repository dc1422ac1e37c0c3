"""A report as a page of its own for a browser, and as Markdown.

The page asks for nothing: no script, no font, no picture from elsewhere, and its policy forbids the browser all of it.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from orchestrator import clock
from orchestrator.model import Status, Verdict
from orchestrator.render.graph import flowchart
from orchestrator.render.markdown import fenced
from orchestrator.render.templates import rendered
from orchestrator.report.export import gantt_text
from orchestrator.report.facts import ReportFacts
from orchestrator.report.pictures import graph_picture, timeline
from orchestrator.store.statustable import STATUS_CELLS

SYMBOLS: dict[str, str] = {
    Status.WAITING: "◌",
    Status.PENDING: "○",
    Status.BLOCKED: "⊘",
    Status.RUNNING: "▸",
    Status.RETRYING: "↻",
    Status.COMPLETED: "✓",
    Status.FAILED: "✕",
    Status.SKIPPED: "»",
    Verdict.MET: "✓",
    Verdict.NOT_MET: "✕",
    Verdict.NOT_JUDGED: "○",
}
"""What stands beside a colour for those who do not see it; letters, not pictures, so that they take the colour."""


def report_page(facts: ReportFacts) -> str:
    """The report as one HTML document, whose links lead to files of the run beside it."""
    style = rendered("report.css.j2")
    policy = f"default-src 'none'; style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'"
    return rendered(
        "report.html.j2",
        facts=facts,
        graph=graph_picture(facts),
        timeline=timeline(facts),
        symbols=SYMBOLS,
        style=style,
        policy=policy,
        zone=_zone(facts.now),
        at=clock.local_datetime,
        time_of=clock.local_time,
    )


def report_markdown(facts: ReportFacts) -> str:
    """The report as Markdown; its drawings are Mermaid."""
    tasks = [task.spec for task in facts.tasks]
    return rendered(
        "report.md.j2",
        facts=facts,
        graph=fenced(flowchart(tasks), "mermaid"),
        gantt=fenced(gantt_text(facts.state, facts.history, facts.now), "mermaid") if facts.history.attempts else "",
        cells=STATUS_CELLS,
        zone=_zone(facts.now),
        at=clock.local_datetime,
        time_of=clock.local_time,
    )


def _zone(now: float) -> str:
    """``UTC+01:00``: where the times of the page stand."""
    return f"UTC{clock.iso_offset(now)[-6:]}"
