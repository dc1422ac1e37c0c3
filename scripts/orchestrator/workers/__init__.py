"""Attempts: what starts an agent, watches it, ends it, judges what it did and records it."""
