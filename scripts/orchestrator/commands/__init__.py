"""One function per command: what it does and the exit code it ends with. None sees the argument parser."""
