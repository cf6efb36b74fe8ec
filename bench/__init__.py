"""Benchmarks of healthkit; each prints its results, and as the last line one JSON object."""
