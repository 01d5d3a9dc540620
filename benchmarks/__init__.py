"""Benchmarks for asv; `python -m benchmarks` prints the comparisons with peers."""
