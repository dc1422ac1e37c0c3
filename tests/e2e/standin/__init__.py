"""A stand-in for the Messages API: the real `claude` talks to it, a script says what the model answers.

    from standin import Rule, Standin, by_request, by_turn, fail, say, use

    script = [
        Rule("T-01", say("The answer.")),
        Rule("T-02", by_turn(use("Bash", command="ls", description="List"), say("Two files."))),
        Rule("T-03", by_request(fail(529), say("At the second try."))),
        Rule("", say("Everything else.")),
    ]
    with Standin(script) as standin:
        ...  # ANTHROPIC_BASE_URL=standin.url
    assert "The answer." in standin.asked("T-02")[0].prompt

`python -m standin` starts one for trials by hand.
"""

from standin.asked import Request, ToolResult
from standin.model import Behaviour, Model, Rule, Script, ScriptError, by_request, by_session, by_turn
from standin.replies import (
    CutPoint,
    Message,
    Reply,
    Usage,
    answer,
    costing,
    cut,
    fail,
    hang,
    held,
    limit,
    say,
    say_nothing,
    together,
    use,
)
from standin.server import Exchange, Standin

__all__ = [
    "Behaviour",
    "CutPoint",
    "Exchange",
    "Message",
    "Model",
    "Reply",
    "Request",
    "Rule",
    "Script",
    "ScriptError",
    "Standin",
    "ToolResult",
    "Usage",
    "answer",
    "by_request",
    "by_session",
    "by_turn",
    "costing",
    "cut",
    "fail",
    "hang",
    "held",
    "limit",
    "say",
    "say_nothing",
    "together",
    "use",
]
