"""The libraries of a bare copy: found, or installed once."""
