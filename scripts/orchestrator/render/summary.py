"""Amounts as people read them, and the one line that a run ends with for each agent.

On the path of every command that shows the state: imports nothing that costs.
"""

from __future__ import annotations

from orchestrator.durations import duration_text
from orchestrator.model import Status
from orchestrator.render.markdown import one_line

REASON_LIMIT = 200


def agent_line(agent: str, task: str, status: Status, duration_s: float | None = None, reason: str = "") -> str:
    """How a task stands at the end of a run: ``[Agent-01] T-01 Completed 7s``.

    ``duration_s`` is left out where nothing ran; ``reason`` follows after a colon, on the same line.
    """
    duration = "" if duration_s is None else f" {duration_text(duration_s)}"
    why = f": {one_line(reason, REASON_LIMIT)}" if reason.strip() else ""
    return f"[{agent}] {task} {status.capitalize()}{duration}{why}"


def money_text(usd: float) -> str:
    """US dollars: ``$0.0123``, ``$0.50``, ``$1,234.50``; four places below one dollar, since calls cost cents."""
    if 0 < usd < 0.00005:
        return "<$0.0001"
    if round(usd, 4) >= 1:
        return f"${usd:,.2f}"
    text = f"{usd:.4f}"
    return f"${text.removesuffix('00')}"


def spent_text(spent_usd: float, budget_usd: float | None) -> str:
    """What was spent of which budget: ``$0.30``, ``$0.30 of $2.00``, ``$2.10 of $2.00 ($0.10 over)``."""
    if budget_usd is None:
        return money_text(spent_usd)
    over = f" ({money_text(spent_usd - budget_usd)} over)" if spent_usd > budget_usd else ""
    return f"{money_text(spent_usd)} of {money_text(budget_usd)}{over}"


def tokens_text(tokens: int) -> str:
    """A number of tokens in at most six characters: ``950``, ``12.3k``, ``4.5M``."""
    if tokens < 1_000:
        return str(tokens)
    if tokens < 999_950:
        return f"{_short(tokens / 1_000)}k"
    return f"{_short(tokens / 1_000_000)}M"


def times_text(times: float) -> str:
    """How many times something is another, in at most five characters: ``<0.01``, ``0.25``, ``1.5``, ``120``."""
    if times < 0.01:
        return "<0.01"
    return f"{times:.2g}" if times < 99.5 else f"{times:.0f}"


def size_text(size: int) -> str:
    """A number of bytes in at most seven characters: ``812 B``, ``4.2 KB``, ``48 KB``, ``1.3 MB``; 1 KB is 1,000 B."""
    if size < 1_000:
        return f"{size} B"
    if size < 999_500:
        amount, unit = size / 1_000, "KB"
    elif size < 999_500_000:
        amount, unit = size / 1_000_000, "MB"
    else:
        amount, unit = size / 1_000_000_000, "GB"
    return f"{_short(amount) if amount < 9.95 else f'{amount:.0f}'} {unit}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 task``, ``5 tasks``, ``1,200 tasks``; ``plural`` where an ``s`` is not enough."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def _short(amount: float) -> str:
    return f"{amount:.1f}".removesuffix(".0")
