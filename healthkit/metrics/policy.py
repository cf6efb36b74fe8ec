"""What a marketplace requires of a seller, and the judgement of a rate: targets, dated rules, policies, statuses.

This is the only module that compares a rate with a target (`sides` defines the comparison). Charts, pages, panels and
commands call it.

A `Rule` has a first and a last day in force and is never edited: a changed requirement is a new rule with a later
`since`, and a row `rule: null` ends one. The rules in force on any past day can therefore be looked up, and a day
before the first row of a metric is an error. `policy_files` reads policies from `policies/*.yaml`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from healthkit.metrics.sides import SIDES, Side, lower_is_better, meets_target
from healthkit.schema.tables import METRIC_IDS, SEVERITIES

MAX_WINDOW_DAYS = 36_500
"""The longest window that a rule may have. [days]"""
OPEN_END = date(9999, 12, 31)
"""The day that stands for the last day in force of a rule that has not ended."""

TARGET_FIELDS: dict[str, Side] = {side.replace(" ", "_"): side for side in SIDES}
"""The side of a target, by the name of the rule field that states the target."""
SourceConfidence = Literal["A", "R", "T", "I", "user"]
"""Code of the kind of source of a rule.

`A`: the marketplace's page. `R`: a real file. `T`: a third party. `I`: our inference. `user`: the user's standard.
"""


class PolicyError(ValueError):
    """Raised if a policy is missing or invalid, or has no rules for a day.

    For an invalid file the message names file, line and field.
    """


# -- judging ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """A target for a rate: an exact share, and the side of it on which the rate must stay.

    Counts are compared with the target in whole numbers. With `and_at_least`, fewer orders at fault than that are no
    breach, whatever their share; with `while_under` this holds only while fewer than that many orders are counted.

    >>> Target(Fraction(1, 100), "below").is_met(100, 1)
    False
    >>> Target(Fraction(95, 100), "at least").is_met(20, 1), Target(Fraction(95, 100), "above").is_met(20, 1)
    (True, False)
    >>> few = Target(Fraction(2, 100), "at most", and_at_least=5)
    >>> few.max_at_fault(50), Target(Fraction(2, 100), "at most").max_at_fault(50)
    (4, 1)
    """

    share: Fraction
    side: Side
    and_at_least: int | None = None
    while_under: int | None = None

    @property
    def lower_is_better(self) -> bool:
        """Whether a lower displayed rate is better, because the rate is the share of orders at fault."""
        return lower_is_better(self.side)

    @property
    def allowed_share(self) -> Fraction:
        """The target, expressed as a share of orders at fault."""
        return self.displayed_rate(self.share)

    @property
    def excludes_limit(self) -> bool:
        """Whether a rate equal to the target is a breach."""
        return self.side in ("below", "above")

    def displayed_rate(self, share_at_fault: Any) -> Any:
        """Return the rate that a marketplace displays for a share of orders at fault.

        The function is its own inverse.

        >>> Target(Fraction("95/100"), "at least").displayed_rate(0.25)
        0.75
        """
        return share_at_fault if self.lower_is_better else 1 - share_at_fault

    def max_at_fault(self, counted: Any) -> Any:
        """Return how many of the counted orders may be at fault without a breach. [orders]

        Integer arithmetic throughout: `ceil((1 - 0.95) * n) - 1` is one too many at every multiple of 20.
        """
        allowed = self.allowed_share
        share = (allowed.numerator * counted - int(self.excludes_limit)) // allowed.denominator
        free = self._allowed_at_any_share(counted)
        return share + (free - share) * (share < free)

    def _allowed_at_any_share(self, counted: Any) -> Any:
        """Return how many may be at fault whatever their share; -1 without `and_at_least`. [orders]"""
        if self.and_at_least is None:
            return -1
        return self.and_at_least * (1 if self.while_under is None else counted < self.while_under) - 1

    def is_met(self, counted: Any, at_fault: Any) -> Any:
        """Return whether the counts meet the target; False if nothing is counted."""
        return (counted > 0) & (at_fault <= self.max_at_fault(counted))

    def headroom(self, counted: Any, at_fault: Any) -> Any:
        """Return how many more counted orders may be at fault without a breach; negative after a breach. [orders]

        >>> Target(Fraction("95/100"), "above").headroom(20, 0)
        0
        >>> Target(Fraction("1/100"), "below").headroom(2498, 31)
        -7
        """
        return self.max_at_fault(counted) - at_fault

    def shares_used(self, counted: np.ndarray, at_fault: np.ndarray) -> np.ndarray:
        """Return the orders at fault as a share of those that the target allows, for arrays of counts.

        The share is 1 at the limit, and NaN if no orders are counted.

        >>> Target(Fraction("1/100"), "below").shares_used(np.array([2000, 0]), np.array([10, 0])).tolist()
        [0.5, nan]
        """
        used = np.where(at_fault > 0, np.inf, 0.0)
        allowed = self._allowed_parts(counted)
        np.divide(at_fault * self.allowed_share.denominator, allowed, out=used, where=allowed > 0)
        return np.where(counted > 0, used, np.nan)

    def share_used(self, counted: int, at_fault: int) -> float | None:
        """Return the orders at fault as a share of those that the target allows.

        The share is 1 at the limit, and None if no orders are counted. With `and_at_least`, at least one order less
        than that number is allowed.

        >>> Target(Fraction("1/100"), "below").share_used(2000, 10), Target(Fraction("9/10"), "at least").share_used(100, 5)
        (0.5, 0.5)
        >>> Target(Fraction("7/100"), "at most", and_at_least=8).share_used(50, 7)
        1.0
        >>> Target(Fraction(0), "at most").share_used(9, 1), Target(Fraction(0), "at most").share_used(9, 0)
        (inf, 0.0)
        """  # noqa: E501 - the examples
        return float(self.shares_used(np.array([counted]), np.array([at_fault]))[0]) if counted else None

    def is_share_used(self, counted: Any, at_fault: Any, share: Fraction) -> Any:
        """Return whether the orders at fault reach the given share of those that the target allows.

        The result is False if nothing is at fault.

        >>> bool(Target(Fraction("1/100"), "below").is_share_used(1000, 8, Fraction("80/100")))
        True
        """
        used = at_fault * self.allowed_share.denominator * share.denominator
        return (at_fault > 0) & (used >= share.numerator * self._allowed_parts(counted))

    def _allowed_parts(self, counted: Any) -> Any:
        """Return how many may be at fault, in parts of an order: times the denominator of the allowed share."""
        allowed = self.allowed_share
        return np.maximum(allowed.numerator * counted, allowed.denominator * self._allowed_at_any_share(counted))

    def min_counted(self, at_fault: int) -> int | None:
        """Return the smallest number of counted orders at which `at_fault` orders at fault meet the target.

        The result is None if no number is large enough.

        >>> Target(Fraction("1/100"), "below").min_counted(4), Target(Fraction("1/100"), "at most").min_counted(4)
        (401, 400)
        >>> Target(Fraction(0), "at most").min_counted(1) is None
        True
        """
        if not self.allowed_share:
            return None if at_fault else 1
        enough = -(-at_fault * self.allowed_share.denominator // self.allowed_share.numerator)
        return next(n for n in range(max(1, enough), enough + 3) if self.is_met(n, at_fault))

    def judge(self, counted: np.ndarray, at_fault: np.ndarray, warn: Fraction | None = None) -> np.ndarray:
        """Return the status of each pair of counts: "on target", "at risk" or "off target".

        Counts on target are at risk if the orders at fault reach the share `warn` of those that the target allows.
        """
        status = np.full(counted.shape, "on target", dtype=object)
        if warn is not None:
            status[self.is_share_used(counted, at_fault, warn)] = "at risk"
        status[~self.is_met(counted, at_fault)] = "off target"
        return status

    def judge_rate(self, rate: float) -> str:
        """Judge a displayed rate whose counts are not known; return "on target" or "off target".

        >>> Target(Fraction("95/100"), "at least").judge_rate(0.95), Target(Fraction("95/100"), "above").judge_rate(0.95)
        ('on target', 'off target')
        """  # noqa: E501 - the examples
        return "on target" if meets_target(Fraction(str(rate)), self.side, self.share) else "off target"


STATUSES_WORST_FIRST = (
    "off target", "at risk", "cannot be judged", "short history", "incomplete", "no data", "on target", "too few",
    "no orders", "no target",
)  # fmt: skip
"""Every status of a measure or an account, worst first.

The statuses that result from missing files rank before "on target".
"""
JUDGED_STATUSES = ("off target", "at risk", "on target")
"""The statuses that result from comparing counts with a target, worst first."""
UNJUDGED_STATUSES = ("cannot be judged", "short history", "incomplete", "no data")
"""The statuses of a measure that has a target and cannot be judged because files are missing."""
UNKNOWN_STATUSES = ("cannot be judged", "short history", "incomplete")
"""The statuses of a measure with orders of which the imported files do not say enough to judge it."""


def worst_first_key(status: str, is_advisory: bool = False, share_used: float | None = None) -> tuple[int, bool, float]:
    """Return a sort key that orders measures from worst to best.

    The order is: status, enforced before advisory, larger `share_used` first.

    >>> worst_first_key("off target", False, 1.2) < worst_first_key("off target", False, 1.1)
    True
    >>> worst_first_key("off target", False, 1.1) < worst_first_key("on target", False, 0.9)
    True
    """
    return STATUSES_WORST_FIRST.index(status), is_advisory, -(share_used or 0.0)


def worse_status(first: str, second: str) -> str:
    """Return the worse of two statuses; a status judged against a target takes precedence over others.

    The result is `first` if neither is judged.

    >>> worse_status("on target", "off target"), worse_status("no data", "at risk"), worse_status("no data", "too few")
    ('off target', 'at risk', 'no data')
    """
    return next((status for status in JUDGED_STATUSES if status in (first, second)), first)


# -- rules ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Basis:
    """How a metric counts orders: the clock (the day that dates an order) and the counting options of a rule.

    `str()` returns its name in tables.

    >>> str(Basis("ordered_on", (("negative_up_to", 2),)))
    'ordered_on negative_up_to=2'
    """

    clock: str
    options: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return " ".join([self.clock, *(f"{name}={value}" for name, value in self.options)])

    def option(self, name: str, default: Any) -> Any:
        """Return the value of an option, or `default` if the option is not set."""
        return dict(self.options).get(name, default)


def _is_fault_choice(value: Any) -> bool:
    return value in ("at_fault", "ignore")


def _is_positive_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


OPTIONS: dict[str, Callable[[Any], bool]] = {
    "negative_up_to": _is_positive_integer,
    "include_cancelled": lambda value: isinstance(value, bool),
    "unknown_canceller": _is_fault_choice,
    "amazon_cancelled": _is_fault_choice,
    "part_cancelled": _is_fault_choice,
    "counts": lambda value: value in ("confirmed", "due"),
    "within_hours": lambda value: value in (24, 48),
    "orders": lambda value: value in ("any", "premium"),
    **{f"points_{severity}": _is_positive_integer for severity in (*SEVERITIES, "unknown")},
}
"""The options allowed in a rule's `counting`, each with the function that checks its value.

`definitions` says what each option does.
"""
ExactShare = Annotated[Fraction, Field(ge=0, le=1)]
PositiveCount = Annotated[int, Field(ge=1, strict=True)]


class _RuleModel(BaseModel):
    """Base of what a policy file holds: immutable, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Fallback(_RuleModel):
    """A longer window [days] that is judged if fewer than `under` orders count in the window of the rule."""

    under: PositiveCount
    window: PositiveCount


class Points(_RuleModel):
    """How a rating in points is estimated (start value, gain per orders, maximum) and judged (limits).

    A rating is on target from `on_from` points and off target under `off_under`.

    >>> int(Points(start=200, gain=4, per_orders=200, most=1000, on_from=200, off_under=100).rating(1250, 12))
    212
    """

    start: PositiveCount
    gain: PositiveCount
    per_orders: PositiveCount
    most: PositiveCount
    on_from: PositiveCount
    off_under: PositiveCount

    def rating(self, orders: Any, points_lost: Any) -> Any:
        """Return the rating for the number of orders and of points lost to violations; at least 0. [points]"""
        earned = np.minimum(self.most, self.start + self.gain * (orders // self.per_orders))
        return np.maximum(0, earned - points_lost)


class Stage(_RuleModel):
    """A consequence that the source of a rule states for a measure that is off target `days` days in a row."""

    stage: Literal["advice", "at risk", "a month off target", "restricted"]
    days: PositiveCount = 1
    says: Annotated[str, Field(min_length=1)]


class Rule(_RuleModel):
    """One requirement of a policy for one metric, in force from `since` until `until`.

    Windows and lags are in days. `minimum`: with fewer orders counted, the rate is not judged. `warn`: the share of
    what the target allows from which a rate is at risk. `and_at_least`, `while_under`: see `Target`. `fallback`: a
    longer window for small sellers. `judged_on`: the day of the month on which the marketplace judges; on other days
    the rate is a forecast. `points`: how a rating is estimated. `stages`: what follows when a measure stays off target,
    as far as the source says. `at_stake`: what its consequence takes from sale; empty where it is another consequence,
    or names nothing that files distinguish. `note`: what a seller should know beside the rule; it is shown with it.
    """

    policy: str
    metric: str
    since: date
    channels: Annotated[tuple[Literal["seller", "amazon", "all"], ...], Field(min_length=1)]
    clock: Literal[
        "ordered_on", "ship_by_on", "shipped_on", "deliver_by_on", "received_on", "requested_on", "opened_on"
    ] = "ordered_on"
    windows: Annotated[tuple[Annotated[int, Field(ge=1, le=MAX_WINDOW_DAYS, strict=True)], ...], Field(min_length=1)]
    lag: Annotated[int, Field(ge=0)] = 0
    below: ExactShare | None = None
    at_most: ExactShare | None = None
    at_least: ExactShare | None = None
    above: ExactShare | None = None
    warn: ExactShare = Fraction(4, 5)
    minimum: Annotated[int, Field(ge=1)] | None = None
    and_at_least: PositiveCount | None = None
    while_under: PositiveCount | None = None
    fallback: Fallback | None = None
    judged_on: Annotated[int, Field(ge=1, le=28, strict=True)] | None = None
    points: Points | None = None
    stages: tuple[Stage, ...] = ()
    counting: dict[str, bool | int | str] = {}
    part_of: str | None = None
    consequence: str = ""
    at_stake: Literal["", "account", "seller-fulfilled offers", "offers at fault"] = ""
    note: str = ""
    source: Annotated[str, Field(min_length=1)]
    sure: SourceConfidence
    until: date = OPEN_END

    @field_validator(*TARGET_FIELDS, "warn", mode="before")
    @classmethod
    def _parse_decimal(cls, value: Any) -> Any:
        # 0.01 as a binary fraction is a little more than 1/100: 1 order at fault of 100 would be on target.
        return Fraction(str(value)) if isinstance(value, float) else value

    @field_validator("metric")
    @classmethod
    def _check_metric(cls, value: str) -> str:
        if value not in METRIC_IDS:
            raise ValueError(f"no metric {value!r}; the metrics are {', '.join(METRIC_IDS)}")
        return value

    @field_validator("counting")
    @classmethod
    def _check_options(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name, chosen in value.items():
            if name not in OPTIONS:
                raise ValueError(f"no option {name!r}; the options are {', '.join(OPTIONS)}")
            if not OPTIONS[name](chosen):
                raise ValueError(f"option {name} cannot be {chosen!r}")
        return value

    @field_validator("windows", mode="before")
    @classmethod
    def _wrap_single_window(cls, value: Any) -> Any:
        return (value,) if isinstance(value, int) else value

    @model_validator(mode="after")
    def _check_target_and_windows(self) -> Rule:
        targets = [name for name in TARGET_FIELDS if getattr(self, name) is not None]
        if len(targets) > 1:
            raise ValueError(f"only one target is allowed, not {' and '.join(targets)}")
        if self.and_at_least is not None and not targets:
            raise ValueError(f"and_at_least needs a target: {', '.join(TARGET_FIELDS)}")
        if self.while_under is not None and self.and_at_least is None:
            raise ValueError("while_under limits and_at_least, which is missing")
        if len(set(self.windows)) < len(self.windows):
            raise ValueError("duplicate window")
        if self.fallback is not None and len(self.windows) > 1:
            raise ValueError("a fallback replaces a single window; write one row for each window")
        if self.fallback is not None and self.fallback.window <= self.windows[0]:
            raise ValueError(f"the fallback of {self.fallback.window} days is no longer than {self.windows[0]} days")
        return self

    @cached_property
    def target(self) -> Target | None:
        """The exact target; None if the marketplace displays the rate but requires nothing."""
        for name, side in TARGET_FIELDS.items():
            if getattr(self, name) is not None:
                return Target(getattr(self, name), side, self.and_at_least, self.while_under)
        return None

    @cached_property
    def basis(self) -> Basis:
        """The clock and the counting options of the rule.

        With the metric, they identify its rows in EXPOSURE and FAULTS.
        """
        return Basis(self.clock, tuple(sorted(self.counting.items())))

    @property
    def is_inferred(self) -> bool:
        """Whether the rule rests on our inference; where it is shown, it is marked as such."""
        return self.sure == "I"

    @property
    def is_enforced(self) -> bool:
        """Whether the rule names a consequence of missing its target."""
        return bool(self.consequence)

    @property
    def is_advisory(self) -> bool:
        """Whether the only consequence of missing the target is advice from the marketplace."""
        return bool(self.stages) and all(stage.stage == "advice" for stage in self.stages)

    @property
    def id(self) -> str:
        """The name of the rule in SCORES: policy, metric, and the first day in force."""
        return f"{self.policy}.{self.metric}@{self.since}"


class EndedRule(NamedTuple):
    """The end of a metric's rules (row `rule: null`): from `since` on, nothing is required in these channels.

    `source` is the source that says so. With `not_computed` (row `rule: not computed`) something is required, but no
    file contains what it takes to compute it.
    """

    metric: str
    channels: tuple[str, ...]
    since: date
    source: str
    not_computed: bool = False


@dataclass(frozen=True, eq=False)
class Policy:
    """All rules, past and present, of one marketplace or of several with the same rules.

    `read_on` is the day on which the sources were read; `first_days` the first day of each metric's rows; `files` the
    YAML files that the policy was read from.
    """

    name: str
    title: str
    marketplaces: tuple[str, ...]
    zone: str
    read_on: date
    rules: tuple[Rule, ...]
    first_days: Mapping[str, date]
    note: str = ""
    files: tuple[str, ...] = ()
    ended_rules: tuple[EndedRule, ...] = ()

    @property
    def complete_from(self) -> date:
        """The first day on which the policy covers all of its metrics."""
        return max(self.first_days.values(), default=date.min)

    def metrics(self) -> list[str]:
        """Return the ids of all metrics that ever had a rule, in the order of the file."""
        return list(dict.fromkeys(rule.metric for rule in self.rules))

    def rules_in_force_between(self, first: date, last: date) -> list[Rule]:
        """Return the rules in force on any day from `first` to `last`.

        Raises PolicyError if `first` is before the first row of a metric: the older rule has not been looked up.
        """
        for metric, begins in self.first_days.items():
            if first < begins:
                raise PolicyError(
                    f"{self.name} has no rule for {metric} on {first}: its first row begins on {begins}. Choose a "
                    f"later day, or add the older rule to policies/{self.name}.yaml with its source."
                )
        return [rule for rule in self.rules if rule.since <= last and rule.until >= first]

    def without_rule(self, day: date) -> list[EndedRule]:
        """Return the metrics that never had a rule, as of a day: no requirement was found, or it cannot be computed.

        >>> from healthkit.metrics.policy_files import load_policy
        >>> [one.metric for one in load_policy("amazon_jp").without_rule(date(2026, 10, 31))]
        ['unit_on_time_delivery_rate']
        """
        known = {rule.metric for rule in self.rules}
        newest = {one.metric: one for one in self.ended_rules if one.metric not in known and one.since <= day}
        return sorted(newest.values(), key=lambda one: list(self.first_days).index(one.metric))

    def rules_in_force(self, day: date) -> list[Rule]:
        """Return the rules in force on a day.

        Raises PolicyError as `rules_in_force_between` does.
        """
        return self.rules_in_force_between(day, day)


def judge(rule: Rule, counted: np.ndarray, at_fault: np.ndarray, target: Target | None = None) -> np.ndarray:
    """Return the status of each pair of counts under a rule.

    A given `target` replaces the rule's own. `scores` decides afterwards where files are missing ("short history",
    "incomplete").
    """
    target = target or rule.target
    if target is None:
        status = np.full(counted.shape, "no target", dtype=object)
    else:
        status = target.judge(counted, at_fault, rule.warn)
    if rule.minimum is not None:
        status[counted < rule.minimum] = "too few"
    status[counted == 0] = "no data"
    return status


def judge_points(points: Points, rating: np.ndarray) -> np.ndarray:
    """Return the status of each rating in points."""
    status = np.full(rating.shape, "on target", dtype=object)
    status[rating < points.on_from] = "at risk"
    status[rating < points.off_under] = "off target"
    status[np.isnan(rating)] = "no data"
    return status
