"""What became of a run, for people and other programs: its attempts, its criteria, its report and its export. Pure."""
