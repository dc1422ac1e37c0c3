"""What one invocation of the stateless loop is told: where the loop stands, its one action, and how to hand over."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.dataclasses import dataclass
from orchestrator.render.prompt import unused_nonce
from orchestrator.render.templates import rendered
from orchestrator.store.nextaction import Action
from orchestrator.store.records import LoopRecord, MainTask
from orchestrator.texts.attachments import NOTE, as_prompt, without_attachments
from orchestrator.texts.maintask import MOST_WORDS, shown_main_task


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the loop: what ``MAIN_TASK`` says, the action it comes down to, and what is known of its task.

    ``status`` is the state in a few lines; ``missing`` are inputs that are not there; ``is_begun`` says that an earlier
    invocation has started the task; ``last`` is what the journal says of the one before.
    """

    main: MainTask
    action: Action
    status: str
    last: LoopRecord
    missing: Sequence[str] = ()
    is_begun: bool = False


def loop_prompt(turn: Turn, exists: Callable[[str], bool] = lambda path: False) -> str:
    """The prompt for ``turn``; texts of the plan stand in a frame, and attach nothing. ``exists``: as in ``prompt``."""
    values: dict[str, object] = {
        "turn": turn,
        "main": shown_main_task(turn.main),
        "task": turn.main.task,
        "most_words": MOST_WORDS,
    }
    first = rendered("loop_prompt.md.j2", nonce="", note="", **values)
    note = NOTE if without_attachments(first, exists)[1] else ""
    text = rendered("loop_prompt.md.j2", nonce=unused_nonce(first), note=note, **values)
    return as_prompt(without_attachments(text, exists)[0])
