"""Benchmarks: how the program compares with its peers, as ratios measured in one run.

`python -m bench` runs all of them, `python -m bench NAME...` some. Goals stand beside the figures; nothing is asserted,
because the speed of a shared machine drifts.
"""
