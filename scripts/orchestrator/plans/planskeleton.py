"""A plan to fill in: everything that is known of a request, and the places where the rest belongs."""

from __future__ import annotations

from orchestrator.plans.planfile import plan_text
from orchestrator.plans.spec import derived_name

_REST = """\

objectives:
  primary:  # the one thing that must be reached
  secondary: []
  success_criteria: []  # how somebody who was not here sees that it succeeded

constraints: []  # `- time: one hour`, or resources, technical, scope; what must not be touched
implicit_requirements: []  # what is expected without having been said

# 3 to 10 tasks, each for one agent: one responsibility, at most 20 minutes, 20,000 tokens and 3 changed files.
# The description is all that the agent is told to do. deps only where a task needs another one's result.
# Agents read the project; to change files a task needs `writes` and `allowed_tools`, as in
#   writes: ["src/**"]
#   allowed_tools: ["Edit(./src/**)", "Bash(npm test:*)"]
tasks:
  - id: T-01
    name: Prepare what the others need
    description:  # what to do, where to look, what the result must contain
    estimate: 10m
    success_criteria: []  # two or three that somebody else can check

  - id: T-02
    name: First part
    description:
    deps: [T-01]
    estimate: 15m
    success_criteria: []

  - id: T-03
    name: Second part, at the same time
    description:
    deps: [T-01]
    estimate: 15m
    success_criteria: []

  - id: T-04
    name: Bring the parts together
    description:
    deps: [T-02, T-03]
    estimate: 10m
    success_criteria: []
"""


def skeleton(request: str) -> str:
    """plan.yaml for ``request`` with tasks that have no descriptions yet; ``validate`` names each of them."""
    return plan_text({"title": derived_name(request) or "Plan", "request": request}) + _REST
