"""What comes before a plan: judging requests and choosing roles."""
