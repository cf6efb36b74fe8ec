"""What is measured and how it is judged: a function for each metric, dated rules, counts, scores."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__, submodules=["counts", "definitions", "evidence", "policy", "policy_files", "scores", "sides"]
)
