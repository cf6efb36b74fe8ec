"""Measurements of the kit: each prints what it measured, its last line one JSON object."""
