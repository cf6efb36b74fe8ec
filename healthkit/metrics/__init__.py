"""What is measured and how it is judged.

`definitions` has one function for each metric; `counts` applies them to the raw tables; `policy` holds targets, rules
and the comparison of a rate with its target; `policy_files` reads rules from `policies/*.yaml`; `scores` counts orders
in windows and judges them; `evidence` decides whether the imported files are enough for that.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__, submodules=["counts", "definitions", "evidence", "policy", "policy_files", "scores", "sides"]
)
