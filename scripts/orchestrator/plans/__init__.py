"""Plans as they are written: read, judged by rules, extended, estimated."""
