"""Benchmarks: ratios within one run, printed as a table; nothing is asserted about absolute time."""
