"""Markdown and other text of agents and people: where its parts are, what it says, what it may do."""
