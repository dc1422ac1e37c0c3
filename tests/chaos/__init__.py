"""The fault suite: what a run must survive, tried and counted. ``python -m tests.chaos`` or ``make chaos``."""
