"""Text that people and agents read, made from values: Markdown, diagrams, lines for a terminal. No disk, no clock."""
