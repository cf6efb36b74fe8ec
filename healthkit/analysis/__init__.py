"""Questions to counts and scores: verdicts, why a rate moved, what comes, what if."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__, submodules=["explain", "outlook", "reported_scores", "scenarios", "verdicts"]
)
