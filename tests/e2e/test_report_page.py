"""`report.html` in a real Chromium: it shows everything, asks for nothing, and runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from browser import Browser
from programs import Program
from runfolders import RunFolder, task
from specimens import HOSTILE_LINE, HOSTILE_TEXT

ATTACKS = (
    "<script>document.title = 'pwned'</script>",
    '"><img src=x onerror="document.title=\'pwned\'">',
    "</style><script src='https://evil.example/x.js'></script>",
    "</title><svg onload=\"document.title='pwned'\">",
    "javascript:document.title='pwned'",
    "{{ ''.__class__ }} ]]> <!-- &lt;script&gt; <base href='https://evil.example/'>",
)


@pytest.fixture
def run(project: Path, orchestrate: Program) -> RunFolder:
    return RunFolder(project, orchestrate)


@pytest.fixture
def browser(require: Callable[[str], Path], environment: dict[str, str]) -> Iterator[Browser]:
    with Browser(require("chromium"), environment) as made:
        yield made


def reported(run: RunFolder) -> Path:
    """The page of a run in which every text attacks, and tasks stand in many states."""
    tasks = [
        task(f"T-{n:02d}", [f"T-{n - 3:02d}"] if n > 3 else [], name=f"{attack} {n}", description=HOSTILE_TEXT)
        for n, attack in enumerate((*ATTACKS, HOSTILE_LINE), 1)
    ]
    run.init(
        *tasks,
        task("T-08", ["T-05"], approval=True),
        title=ATTACKS[0],
        request="\n".join(ATTACKS),
        objectives={"primary": ATTACKS[1], "success_criteria": [ATTACKS[2], HOSTILE_TEXT, "It is fast"]},
        constraints=[ATTACKS[3]],
    )
    for number, attack in ((1, ATTACKS[0]), (2, HOSTILE_TEXT)):
        run.prepare("start", f"T-{number:02d}")
        result = f"---\nsummary: {attack.splitlines()[0]!r}\n---\n{attack}\n"
        run.prepare("complete", f"T-{number:02d}", "--result", "-", stdin=result)
    run.give_up("T-03", ATTACKS[1])
    run.prepare("start", "T-04")
    run.prepare("skip", "T-05", "--reason", ATTACKS[2])
    run.prepare("approve", "T-08", "--note", ATTACKS[0])
    run.prepare("accept", "1", "--note", ATTACKS[3])
    run.prepare("accept", "--not-met", "2", "--note", HOSTILE_TEXT)
    run.prepare("report", code=1)
    return run.folder / "report.html"


def test_it_asks_for_nothing_runs_nothing_and_shows_everything(
    run: RunFolder, browser: Browser, tmp_path: Path
) -> None:
    page = reported(run)
    for scripts in ("on", "off"):
        browser("Emulation.setScriptExecutionDisabled", value=scripts == "off")
        browser.open(page)
        asked = [each["request"]["url"] for each in browser.events("Network.requestWillBeSent")]
        assert asked == [page.as_uri()], "the page itself and nothing else"
        complaints = browser.events("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        assert complaints == []
        assert browser.value("document.title") == f"{ATTACKS[0]}: report"
        assert browser.value("document.scripts.length + document.images.length + document.links.length * 0") == 0
        text = browser.value("document.body.innerText")
        for number, attack in enumerate(ATTACKS, 1):
            assert f"{' '.join(attack.split())} {number}" in " ".join(text.split()), "shown as it was written"
        drawn = browser.value("[...document.querySelectorAll('svg a.node .id')].map(each => each.textContent)")
        listed = browser.value("[...document.querySelectorAll('tr[id^=task-]')].map(each => each.id)")
        assert drawn == [f"T-{n:02d}" for n in range(1, 9)]
        assert listed == [f"task-T-{n:02d}" for n in range(1, 9)]
        assert browser.value("getComputedStyle(document.querySelector('section')).borderRadius") == "12px", "its style"
    light, dark = (browser.picture(tmp_path / f"{scheme}.png", scheme=scheme) for scheme in ("light", "dark"))
    assert light != dark


def test_it_reads_well_on_a_phone_and_for_those_who_listen(run: RunFolder, browser: Browser, tmp_path: Path) -> None:
    browser.open(reported(run))
    browser.picture(tmp_path / "phone.png", width=390)
    assert browser.value("document.documentElement.scrollWidth") <= 390, "only tables and drawings scroll"
    browser("Accessibility.enable")
    nodes = browser("Accessibility.getFullAXTree")["nodes"]
    roles = {node["role"]["value"] for node in nodes if not node.get("ignored")}
    assert {"main", "banner", "contentinfo", "heading", "table", "columnheader", "rowheader", "list"} <= roles
    levels = browser.value("[...document.querySelectorAll('h1,h2,h3')].map(each => +each.tagName[1])")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels)), "no level is skipped"
    unnamed = [
        node
        for node in nodes
        if not node.get("ignored")
        and node["role"]["value"] in ("link", "region", "group")
        and not node.get("name", {}).get("value")
    ]
    assert unnamed == [], "links and drawings have names"
