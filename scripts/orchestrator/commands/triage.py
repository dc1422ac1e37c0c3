"""``triage``: whether a request is one task for one role or takes a plan, and why. Needs no run."""

from __future__ import annotations

from orchestrator.commands.place import Place, answer
from orchestrator.desk.triage import Decision, Triage, triage
from orchestrator.errors import ExitCode
from orchestrator.executors.claude_argv import claude_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orchestrator.model import Json


def judge(place: Place, request: str) -> ExitCode:
    """Answer with the judgement of the rules, offline."""
    judged = triage(request)
    answer(place, judged.record(), "" if place.as_json else "\n".join([*_lines(judged), _next_step(judged)]))
    return ExitCode.DONE


def judge_with_model(
    place: Place, request: str, *, claude: str | None = None, model: str | None = None, budget_usd: float | None = None
) -> ExitCode:
    """The same with a model's judgement beside it, and where both differ; that of the rules stands."""
    judged = triage(request)
    theirs, cost_usd = _asked(place, request, claude, model, budget_usd)
    from orchestrator.desk.triageopinion import differences

    differing = differences(judged, theirs)
    record: dict[str, Json] = {
        **judged.record(),
        "model": theirs.record(),
        "differences": [*differing],
        "cost_usd": cost_usd,
    }
    lines = ["By the rules:", *_indented(_lines(judged)), "By the model:", *_indented(_lines(theirs))]
    lines += ["They differ:", *_indented(differing)] if differing else ["They agree."]
    answer(place, record, "\n".join([*lines, _next_step(judged)]))
    return ExitCode.DONE


def _asked(
    place: Place, request: str, claude: str | None, model: str | None, budget_usd: float | None
) -> tuple[Triage, float]:
    """A model's judgement, and what it cost in US dollars."""
    from orchestrator.desk.projectroles import find_roles
    from orchestrator.desk.triageopinion import opinion, opinion_question, opinion_schema
    from orchestrator.workers.ask import Question, ask
    from orchestrator.workers.hand_over import exists_in

    paths = place.paths
    roles = {role.name: role.summary for role in find_roles(paths.project, paths.folder).by_name.values()}
    text = opinion_question(request, roles, exists_in(paths.project))
    program = claude_program(claude)
    outcome = ask(program, paths.project, Question(text, "triage", model, budget_usd, opinion_schema(roles)))
    return opinion(outcome.structured), outcome.cost_usd


def _lines(judged: Triage) -> list[str]:
    what = f"one task for {judged.role}" if judged.decision is Decision.SIMPLE else "takes a plan"
    size = f"about {judged.minutes} minutes and {judged.tokens:,} tokens"
    lines = [f"{judged.decision}: {what} (complexity {judged.complexity}, score {judged.score}, {size})"]
    if judged.domains:
        lines.append(f"domains: {', '.join(judged.domains)}")
    return [*lines, *(f"- {reason}" for reason in judged.reasons)]


def _next_step(judged: Triage) -> str:
    if judged.decision is Decision.COMPLEX:
        return "Next: orchestrate plan --auto REQUEST, or --ai, and read the plan"
    return "Next: do it directly, no plan is needed"


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]
