"""The four sides of a target on which a rate must stay. Imports no library, so that texts load fast."""

from __future__ import annotations

import operator
from fractions import Fraction
from typing import Literal, get_args

Side = Literal["below", "at most", "at least", "above"]
SIDES = get_args(Side)
"""The sides of a target on which a rate can be required to stay."""
_COMPARE = {"below": operator.lt, "at most": operator.le, "at least": operator.ge, "above": operator.gt}


def lower_is_better(side: str) -> bool:
    """Return whether a lower rate is better for a target on this side; the rate is then the share at fault.

    An empty side (no target) returns True.

    >>> lower_is_better("below"), lower_is_better("at least"), lower_is_better("")
    (True, False, True)
    """
    return side not in ("at least", "above")


def meets_target(rate: Fraction, side: str, target: Fraction) -> bool:
    """Return whether a displayed rate is on the required side of a target share.

    >>> meets_target(Fraction(1, 100), "below", Fraction(1, 100))
    False
    """
    return bool(_COMPARE[side](rate, target))
