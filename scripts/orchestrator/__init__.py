"""Distributed Task Orchestrator: a graph of tasks, run by agents, kept in plain files."""

__version__ = "0.1.0"
