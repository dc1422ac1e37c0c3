"""Who does a task: the programs that workers run, what they take and print, and what their end means."""
