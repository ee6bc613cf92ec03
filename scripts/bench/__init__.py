"""Paired benchmarks: scripts that measure, and `results/` with what they measured."""
