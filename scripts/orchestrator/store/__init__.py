"""The state of a run: what the journal adds up to, how it changes, and the table that people see."""
