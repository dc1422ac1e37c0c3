"""What starts the tasks of a plan: the built-in runner, and the feeder of the generated scripts."""
