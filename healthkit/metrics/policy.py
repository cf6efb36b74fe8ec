"""What a marketplace asks of a seller: dated rules, read from `policies/*.yaml`, judged exactly.

A rule never changes and never goes: a new demand is a new row with a later `since`, an ended one gets a
row that says `rule: null`. So the rule in force on any past day can be asked for, and asking for a day
before the first row is an error, not a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from healthkit.schema import yaml_lines
from healthkit.schema.tables import CHANNELS, METRIC_IDS, SEVERITIES, WHOLE_ACCOUNT

POLICY_FOLDER = Path(__file__).parent / "policies"
MAX_WINDOW_DAYS = 36_500
"""No window is longer than a hundred years. [days]"""
OPEN_END = date(9999, 12, 31)
SIDES = ("below", "at most", "at least", "above")
CLOCKS = ("ordered_on", "ship_by_on", "shipped_on", "deliver_by_on", "received_on", "requested_on", "opened_on")

Side = Literal["below", "at most", "at least", "above"]
SourceConfidence = Literal["A", "R", "T", "I", "user"]
"""How sure a source is: the marketplace's page, a real file, a third party, our inference, the user's standard."""


class PolicyError(ValueError):
    """A policy file, or a question to one, is wrong; the message says where and what there is instead."""


@dataclass(frozen=True)
class Target:
    """The share that is asked for, and on which side of it a rate must stay.

    >>> Target(Fraction(1, 100), "below").met(100, 1)
    False
    >>> Target(Fraction(95, 100), "at least").met(20, 1), Target(Fraction(95, 100), "above").met(20, 1)
    (True, False)

    Where a breach needs a number at fault as well (`and_at_least`), fewer than it are no breach, whatever their share;
    with `while_under`, only as long as fewer than that are counted.

    >>> Target(Fraction(2, 100), "at most", and_at_least=5).limit(50), Target(Fraction(2, 100), "at most").limit(50)
    (4, 1)
    """

    share: Fraction
    side: Side
    and_at_least: int | None = None
    while_under: int | None = None

    @property
    def lower_is_better(self) -> bool:
        """Whether the shown rate is the share at fault (and not the share in order)."""
        return self.side in ("below", "at most")

    @property
    def allowed_share(self) -> Fraction:
        """The share of orders that may be at fault."""
        return self.share if self.lower_is_better else 1 - self.share

    @property
    def strict(self) -> bool:
        """Whether meeting the share exactly is a breach."""
        return self.side in ("below", "above")

    def limit(self, counted: Any) -> Any:
        """The most orders that may be at fault among those counted. [orders]

        Whole numbers throughout: `ceil((1 - 0.95) * n) - 1` is one too many at every multiple of 20.
        """
        share = (self.allowed_share.numerator * counted - int(self.strict)) // self.allowed_share.denominator
        free = self._allowed_whatever_share(counted)
        return share + (free - share) * (share < free)

    def _allowed_whatever_share(self, counted: Any) -> Any:
        """The most that may be at fault whatever their share; -1 where the share alone is asked. [orders]"""
        if self.and_at_least is None:
            return -1
        return self.and_at_least * (1 if self.while_under is None else counted < self.while_under) - 1

    def met(self, counted: Any, at_fault: Any) -> Any:
        """Whether the rate is on target; of no order, nothing is said (False)."""
        return (counted > 0) & (at_fault <= self.limit(counted))

    def headroom(self, counted: Any, at_fault: Any) -> Any:
        """How many more of the counted orders may go wrong before a breach; negative once breached. [orders]

        >>> Target(Fraction("95/100"), "above").headroom(20, 0)
        0
        >>> Target(Fraction("1/100"), "below").headroom(2498, 31)
        -7
        """
        return self.limit(counted) - at_fault

    def share_used(self, counted: int, at_fault: int) -> float | None:
        """The share of what the target allows that is used up: 1 is the limit; None where nothing is counted.

        Where a breach needs a number at fault as well, what is allowed is at least one less than that number.

        >>> Target(Fraction("1/100"), "below").share_used(2000, 10), Target(Fraction("9/10"), "at least").share_used(100, 5)
        (0.5, 0.5)
        >>> Target(Fraction("7/100"), "at most", and_at_least=8).share_used(50, 7)
        1.0
        >>> Target(Fraction(0), "at most").share_used(9, 1), Target(Fraction(0), "at most").share_used(9, 0)
        (inf, 0.0)
        """  # noqa: E501 - the examples
        if not counted:
            return None
        allowed = max(self.allowed_share * int(counted), Fraction(int(self._allowed_whatever_share(counted))))
        if not allowed:
            return float("inf") if at_fault else 0.0
        return float(Fraction(int(at_fault)) / allowed)

    def shares_used(self, counted: np.ndarray, at_fault: np.ndarray) -> np.ndarray:
        """`share_used` of many counts at once; not a number where nothing is counted.

        >>> Target(Fraction("1/100"), "below").shares_used(np.array([2000, 0]), np.array([10, 0])).tolist()
        [0.5, nan]
        """
        allowed = np.maximum(float(self.allowed_share) * counted, self._allowed_whatever_share(counted))
        wrong = np.where(at_fault > 0, np.inf, 0.0)
        used = np.divide(at_fault, allowed, out=wrong, where=allowed > 0)
        return np.where(counted > 0, used, np.nan)

    def min_counted(self, at_fault: int) -> int | None:
        """The smallest count among which so many at fault are on target; None where none is large enough.

        >>> Target(Fraction("1/100"), "below").least_counted(4), Target(Fraction("1/100"), "at most").least_counted(4)
        (401, 400)
        >>> Target(Fraction(0), "at most").least_counted(1) is None
        True
        """
        if not self.allowed_share:
            return None if at_fault else 1
        enough = -(-at_fault * self.allowed_share.denominator // self.allowed_share.numerator)
        return next(n for n in range(max(1, enough), enough + 3) if self.met(n, at_fault))

    def used(self, counted: Any, at_fault: Any, share: Fraction) -> Any:
        """Whether at least that share of what is allowed is used up, compared in whole numbers; by no order, never.

        >>> Target(Fraction("1/100"), "below").used(1000, 8, Fraction("80/100"))
        True
        """
        part = self.allowed_share * share
        used = (at_fault > 0) & (at_fault * part.denominator >= part.numerator * counted)
        return used & (at_fault * share.denominator >= share.numerator * self._allowed_whatever_share(counted))


@dataclass(frozen=True)
class Basis:
    """Which day places an order, and the options by which it is counted; its text names it in tables.

    >>> str(Basis("ordered_on", (("negative_up_to", 2),)))
    'ordered_on negative_up_to=2'
    """

    clock: str
    options: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return " ".join([self.clock, *(f"{name}={value}" for name, value in self.options)])

    def option(self, name: str, default: Any) -> Any:
        """The value of an option, or the default that the metric states."""
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
"""How an order may be counted, by option, with the test of its value; `metrics` says what each does."""
ExactShare = Annotated[Fraction, Field(ge=0, le=1)]
PositiveCount = Annotated[int, Field(ge=1, strict=True)]


class Fallback(BaseModel):
    """The longer window that is judged instead, when fewer than `under` are counted in the rule's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    under: PositiveCount
    window: PositiveCount


class Points(BaseModel):
    """How a rating in points is estimated and judged: what it starts with, what so many orders earn, and where it ends.

    >>> int(Points(start=200, gain=4, per_orders=200, most=1000, on_from=200, off_under=100).rating(1250, 12))
    212
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: PositiveCount
    gain: PositiveCount
    per_orders: PositiveCount
    most: PositiveCount
    on_from: PositiveCount
    off_under: PositiveCount

    def rating(self, orders: Any, points_lost: Any) -> Any:
        """The points of so many orders, less those that violations take; never fewer than none."""
        earned = np.minimum(self.most, self.start + self.gain * (orders // self.per_orders))
        return np.maximum(0, earned - points_lost)


class Stage(BaseModel):
    """What the rule's own text says of a measure that is off target for so many days in a row, from the first on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: Literal["advice", "at risk", "a month off target", "restricted"]
    days: PositiveCount = 1
    says: Annotated[str, Field(min_length=1)]


class Rule(BaseModel):
    """One dated demand of one policy. Days and windows are whole days; shares are exact fractions.

    `minimum`: fewer counted are not judged. `and_at_least`: a breach needs that many at fault as well, always or
    `while_under` so many are counted. `fallback`: a longer window for small sellers. `judged_on`: the day of the month
    on which the marketplace judges; on other days a rate is a forecast. `points`: how a rating is estimated.
    `stages`: what follows when a measure stays off target, as far as the source says.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    policy: str
    metric: str
    since: date
    channels: Annotated[tuple[Literal["seller", "amazon", "all"], ...], Field(min_length=1)]
    clock: Literal[
        "ordered_on", "ship_by_on", "shipped_on", "deliver_by_on", "received_on", "requested_on", "opened_on"
    ] = "ordered_on"
    windows: tuple[int, ...]
    lag: int = 0
    below: ExactShare | None = None
    at_most: ExactShare | None = None
    at_least: ExactShare | None = None
    above: ExactShare | None = None
    warn: Annotated[Fraction, Field(ge=0, le=1)] = Fraction(4, 5)
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
    note: str = ""
    source: Annotated[str, Field(min_length=1)]
    sure: SourceConfidence
    until: date = OPEN_END

    @field_validator("below", "at_most", "at_least", "above", "warn", mode="before")
    @classmethod
    def _parse_decimal(cls, value: Any) -> Any:
        # 0.01 as a binary fraction is a little more than 1/100, and then one order at fault of 100 would be on target.
        return Fraction(str(value)) if isinstance(value, float) else value

    @field_validator("metric")
    @classmethod
    def _check_metric(cls, value: str) -> str:
        if value not in METRIC_IDS:
            raise ValueError(f"no metric {value!r}; there are {', '.join(METRIC_IDS)}")
        return value

    @field_validator("counting")
    @classmethod
    def _check_options(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name, chosen in value.items():
            if name not in OPTIONS:
                raise ValueError(f"no option {name!r}; there are {', '.join(OPTIONS)}")
            if not OPTIONS[name](chosen):
                raise ValueError(f"option {name} cannot be {chosen!r}")
        return value

    @field_validator("windows", mode="before")
    @classmethod
    def _wrap_single_window(cls, value: Any) -> Any:
        return (value,) if isinstance(value, int) else value

    @field_validator("windows")
    @classmethod
    def _check_windows(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or min(value) < 1:
            raise ValueError("a window is at least 1 day long")
        if max(value) > MAX_WINDOW_DAYS:
            raise ValueError(f"a window is at most {MAX_WINDOW_DAYS:,} days long")
        if len(set(value)) < len(value):
            raise ValueError("a window stands twice")
        return value

    @field_validator("lag")
    @classmethod
    def _check_lag(cls, value: int) -> int:
        if value < 0:
            raise ValueError("a lag is 0 days or more")
        return value

    @model_validator(mode="after")
    def _check_single_target(self) -> Rule:
        given = [side for side in SIDES if getattr(self, side.replace(" ", "_")) is not None]
        if len(given) > 1:
            raise ValueError(f"one target only, not {' and '.join(given)}")
        if self.and_at_least is not None and not given:
            raise ValueError("and_at_least needs a target beside it: below, at_most, at_least or above")
        if self.while_under is not None and self.and_at_least is None:
            raise ValueError("while_under says for how few and_at_least holds; there is none")
        return self

    @model_validator(mode="after")
    def _check_fallback(self) -> Rule:
        if self.fallback is None:
            return self
        if len(self.windows) > 1:
            raise ValueError("a fallback takes the place of one window; write a row for each window")
        if self.fallback.window <= self.windows[0]:
            raise ValueError(f"a fallback of {self.fallback.window} days is no longer than {self.windows[0]} days")
        return self

    @cached_property
    def target(self) -> Target | None:
        """What is asked, exactly; None where the marketplace shows a rate and asks nothing."""
        for side in SIDES:
            share = getattr(self, side.replace(" ", "_"))
            if share is not None:
                # SIDES holds the four literals.
                return Target(share, side, self.and_at_least, self.while_under)  # type: ignore[arg-type]
        return None

    @cached_property
    def basis(self) -> Basis:
        """The clock and the options, under which EXPOSURE and FAULTS keep this rule's orders."""
        return Basis(self.clock, tuple(sorted(self.counting.items())))

    @property
    def is_enforced(self) -> bool:
        """Whether the rule names a consequence of missing its target."""
        return bool(self.consequence)

    @property
    def is_advisory(self) -> bool:
        """Whether the marketplace only advises what the rule asks: none of its stages goes further."""
        return bool(self.stages) and all(stage.stage == "advice" for stage in self.stages)

    @property
    def id(self) -> str:
        """The rule as SCORES names it: policy, metric, and the day since when it is in force."""
        return f"{self.policy}.{self.metric}@{self.since}"


class EndedRule(NamedTuple):
    """From one day on nothing is asked of a metric: a row `rule: null`, with its reason."""

    metric: str
    channels: tuple[str, ...]
    since: date
    source: str


@dataclass(frozen=True, eq=False)
class Policy:
    """All of one marketplace's rules, past and present."""

    name: str
    title: str
    marketplaces: tuple[str, ...]
    zone: str
    read: date
    rules: tuple[Rule, ...]
    begins: tuple[tuple[str, date], ...]
    note: str = ""
    files: tuple[str, ...] = ()
    ended_rules: tuple[EndedRule, ...] = ()

    def metrics(self) -> list[str]:
        """The metrics that were ever asked for, in the order of the file."""
        return list(dict.fromkeys(rule.metric for rule in self.rules))

    def between(self, first: date, last: date) -> list[Rule]:
        """The rules in force on any day from first to last.

        Raises PolicyError where a metric's rows begin only later than first: nobody has looked up
        what was asked before.
        """
        for metric, begins in self.begins:
            if first < begins:
                raise PolicyError(
                    f"{self.name} does not say what was asked of {metric} on {first}: its first row begins on "
                    f"{begins}. Choose a later day, or add the older rule to policies/{self.name}.yaml "
                    "with its source."
                )
        return [rule for rule in self.rules if rule.since <= last and rule.until >= first]

    def on(self, day: date) -> list[Rule]:
        """The rules in force on one day."""
        return self.between(day, day)


def find_policy_files(folder: Path = POLICY_FOLDER) -> dict[str, Path]:
    """The policy files there are, by name."""
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load(name: str, folder: Path = POLICY_FOLDER) -> Policy:
    """Read one policy by its name, or by the path of a YAML file.

    Raises PolicyError naming file, line and field.

    >>> load("amazon_us").title
    'Amazon US'
    """
    if folder == POLICY_FOLDER and not name.endswith((".yaml", ".yml")):
        return _load_shipped(name)
    return _load(name, folder)


@cache
def _load_shipped(name: str) -> Policy:
    """A policy of the kit's own, read once: its files do not change while a process runs."""
    return _load(name, POLICY_FOLDER)


def _load(name: str, folder: Path) -> Policy:
    path = Path(name) if name.endswith((".yaml", ".yml")) else find_policy_files(folder).get(name)
    if path is None or not path.is_file():
        raise PolicyError(
            f"No policy {name!r}. There are: {', '.join(find_policy_files(folder))}; or give the path of a YAML file."
        )
    try:
        held = yaml_lines.read_yaml(path)
    except yaml_lines.YamlError as error:
        raise PolicyError(str(error)) from None
    return _build_policy(path, held, folder)


def _build_policy(path: Path, document: Any, folder: Path) -> Policy:
    """Build the policy of one file, on top of the one it is based on."""
    if not isinstance(document, dict):
        raise PolicyError(f"{path.name} holds no mapping; see the other files in policies/ for its shape.")
    if document.get("based_on") in (path.stem, document.get("policy")):
        raise PolicyError(f"{path.name}: a policy cannot be based on itself.")
    based = load(document["based_on"], folder) if document.get("based_on") else None
    known = {"policy", "title", "marketplaces", "new_marketplace", "zone", "read", "note", "based_on", "rules", "line"}
    for field_name in document:
        if field_name not in known:
            raise PolicyError(
                f"{path.name}: no field {field_name!r}. There are: {', '.join(sorted(known - {'line'}))}."
            )
    missing = [name for name in ("policy", "title", "zone", "read", "rules") if name not in document]
    if missing:
        raise PolicyError(f"{path.name} lacks {', '.join(missing)}.")
    _check_new_marketplace(path, document)
    if not isinstance(document["rules"], dict):
        raise PolicyError(f"{path.name}: rules must be a mapping of metrics to rows.")
    own = {metric: rows for metric, rows in document["rules"].items() if metric != "line"}
    rules = [rule for metric, rows in own.items() for rule in _build_rules(path, document["policy"], metric, rows)]
    silences = [silence for metric, rows in own.items() for silence in _build_ended_rules(metric, rows)]
    begins = {metric: min(row["since"] for row in rows) for metric, rows in own.items()}
    if based is not None:
        rules += [_copy_rule(rule, document["policy"]) for rule in based.rules if rule.metric not in own]
        silences += [silence for silence in based.ended_rules if silence.metric not in own]
        begins = {**dict(based.begins), **begins}
    # A metric of its own stands where the other policy has it, so that stores are read in one order.
    place = {metric: number for number, metric in enumerate(begins)}
    return Policy(
        document["policy"], document["title"], tuple(document.get("marketplaces") or ()), document["zone"],
        document["read"],
        tuple(sorted(rules, key=lambda rule: place[rule.metric])), tuple(begins.items()), document.get("note", ""),
        (str(path), *(based.files if based else ())), tuple(silences),
    )  # fmt: skip


def _check_new_marketplace(path: Path, document: dict[str, Any]) -> None:
    """Refuse a new marketplace that the policy does not judge, or of another zone; `marketplaces` checks the rest."""
    if "new_marketplace" not in document:
        return
    new = document["new_marketplace"]
    if not isinstance(new, dict):
        raise PolicyError(f"{path.name}, new_marketplace: it must be a mapping of fields, such as code: NZ.")
    where = f"{path.name}, line {new['line']}, new_marketplace, field"
    if not isinstance(new.get("code"), str):
        # YAML reads NO as false.
        raise PolicyError(f"{where} code: write it in quotes, here and in marketplaces, such as 'NO'.")
    if new["code"] not in (document.get("marketplaces") or ()):
        raise PolicyError(f"{where} code: {new['code']} does not stand in marketplaces; add it there.")
    if new.get("zone") != document["zone"]:
        raise PolicyError(f"{where} zone: {new.get('zone')} is not the policy's zone, {document['zone']}.")


def _copy_rule(rule: Rule, policy: str) -> Rule:
    """The same rule under the name of the policy that takes it over."""
    return rule.model_copy(update={"policy": policy})


def _build_rules(path: Path, policy: str, metric: str, rows: Any) -> list[Rule]:
    """The rules of one metric, each ended by the next row that serves the same channels."""
    _check_rows(path, metric, rows)
    rows = sorted(rows, key=lambda row: row["since"])
    rules = []
    for place, row in enumerate(rows):
        if not _ends_rule(row):
            later = [other for other in rows[place + 1 :] if _channels_of_row(other) & _channels_of_row(row)]
            if later and not _channels_of_row(later[0]) >= _channels_of_row(row):
                raise PolicyError(
                    f"{path.name}, line {later[0]['line']}, {metric}: this row ends the one of line {row['line']} "
                    f"for some of its channels only; write that one as a row for each channel."
                )
            end = later[0]["since"] - timedelta(days=1) if later else OPEN_END
            rules.append(_build_rule(path, policy, metric, row, end))
    return rules


def _build_ended_rules(metric: str, rows: list[dict[str, Any]]) -> list[EndedRule]:
    """The rows of one metric that ask nothing, each with the day and the reason."""
    ended = sorted((row for row in rows if _ends_rule(row)), key=lambda row: row["since"])
    return [EndedRule(metric, _ended_channels(row), row["since"], row["source"]) for row in ended]


def _ended_channels(row: dict[str, Any]) -> tuple[str, ...]:
    """The channels that a row which ends a rule names, else those of orders."""
    return tuple(sorted(row.get("channels", CHANNELS), reverse=True))


def _check_rows(path: Path, metric: str, rows: Any) -> None:
    """Refuse what is no list of dated rows, naming the line where there is one."""
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise PolicyError(f"{path.name}: {metric} must be a list of rows, each with a day `since`.")
    for place, row in enumerate(rows):
        where = f"{path.name}, line {row['line']}, {metric}, field"
        if type(row.get("since")) is not date:
            raise PolicyError(f"{where} since: a row needs the day from which it is in force, such as 2026-02-01.")
        if type(row.get("until", OPEN_END)) is not date:
            raise PolicyError(f"{where} until: {row['until']!r} is not a day such as 2026-02-01.")
        if not isinstance(row.get("counting") or {}, dict):
            raise PolicyError(f"{where} counting: it must be a mapping of options to values.")
        if row.get("until", OPEN_END) < row["since"]:
            raise PolicyError(f"{where} until: {row['until']} is before {row['since']}.")
        if _ends_rule(row) and not row.get("source"):
            raise PolicyError(f"{where} source: a row that ends a rule says where that stands.")
        if any(
            other["since"] == row["since"] and _channels_of_row(other) & _channels_of_row(row) for other in rows[:place]
        ):
            raise PolicyError(f"{where} since: another row of the same channel begins on {row['since']}.")


def _ends_rule(row: dict[str, Any]) -> bool:
    """Whether a row says that from its day on nothing is asked."""
    return "rule" in row and row["rule"] is None


def _channels_of_row(row: dict[str, Any]) -> set[str]:
    """The channels that a row speaks of; a row that ends a rule ends it for all, unless it says."""
    return set(row.get("channels", (*CHANNELS, WHOLE_ACCOUNT) if _ends_rule(row) else ("seller",)))


def _build_rule(path: Path, policy: str, metric: str, row: dict[str, Any], end: date) -> Rule:
    """One row as a Rule, or an error that names its line and field."""
    fields = {name: value for name, value in row.items() if name != "line"}
    fields["until"] = min(fields.get("until", OPEN_END), end)
    fields["counting"] = fields.get("counting") or {}
    for inner in ("counting", "fallback", "points"):
        if isinstance(fields.get(inner), dict):
            fields[inner] = _without_line(fields[inner])
    if isinstance(fields.get("stages"), list):
        fields["stages"] = [_without_line(one) if isinstance(one, dict) else one for one in fields["stages"]]
    try:
        return Rule(policy=policy, metric=metric, **{"channels": ["seller"], **fields})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "rule"
        raise PolicyError(f"{path.name}, line {row['line']}, {metric}, field {where}: {first['msg']}.") from None


def _without_line(mapping: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != "line"}


def load_for_marketplaces(codes: Iterable[str], folder: Path = POLICY_FOLDER) -> dict[str, Policy]:
    """The policy of each marketplace, reading only the files that name one of them.

    Raises PolicyError for a marketplace that no file names.

    >>> for_marketplaces(["US"])["US"].name
    'amazon_us'
    """
    owners = dict(_marketplaces_and_policies(folder))
    wanted = list(dict.fromkeys(codes))
    unknown = [code for code in wanted if code not in owners]
    if unknown:
        raise PolicyError(
            f"No policy for marketplace {', '.join(map(repr, unknown))}. There are: {', '.join(sorted(owners))}. "
            f"Add policies/NAME.yaml, or choose one with --policy."
        )
    loaded = {name: load(name, folder) for name in {owners[code] for code in wanted}}
    return {code: loaded[owners[code]] for code in wanted}


def marketplaces_with_policy(folder: Path = POLICY_FOLDER) -> set[str]:
    """The marketplaces that a policy judges.

    >>> "US" in judged_marketplaces()
    True
    """
    return {code for code, _ in _marketplaces_and_policies(folder)}


def _marketplaces_and_policies(folder: Path) -> Iterator[tuple[str, str]]:
    """Marketplace and the policy that judges it, from one list of each file, without reading all of it as YAML."""
    for name, path in find_policy_files(folder).items():
        held = re.search(r"^marketplaces:\s*(\[[^\]]*\]|(?:\n\s*- .*)+)", path.read_text(encoding="utf-8"), re.M)
        for code in re.findall(r"\w+", re.sub("#.*", "", held.group(1))) if held else ():
            yield code, name


def judge(rule: Rule, counted: np.ndarray, at_fault: np.ndarray, target: Target | None = None) -> np.ndarray:
    """Status words of counts held against a rule; whether the files reach far enough is judged in `scores`.

    `target` takes the place of the rule's own (the target that the marketplace gave with a figure).
    """
    status = np.full(counted.shape, "on target", dtype=object)
    target = target or rule.target
    if target is None:
        status[:] = "no target"
    else:
        status[target.used(counted, at_fault, rule.warn)] = "at risk"
        status[~target.met(counted, at_fault)] = "off target"
    if rule.minimum is not None:
        status[counted < rule.minimum] = "too few"
    status[counted == 0] = "no data"
    return status


STATUSES_WORST_FIRST = (
    "off target", "at risk", "cannot be judged", "short history", "incomplete", "no data", "on target", "too few",
    "no orders", "no target",
)  # fmt: skip
"""Every status that a measure or an account may have, the worst first: what cannot be judged is no all-clear."""
JUDGED_STATUSES = ("off target", "at risk", "on target")
"""The statuses of what is judged against a target."""
UNJUDGED_STATUSES = ("cannot be judged", "short history", "incomplete", "no data")
"""The statuses of what a target is asked of and cannot be judged, for want of files."""


def status_sort_key(status: str, is_advisory: bool = False, share_used: float | None = None) -> tuple[int, bool, float]:
    """The sort key of "worst first": by status, what is only advised last, then by the share of what is allowed.

    >>> severity("off target", used=1.2) < severity("off target", used=1.1) < severity("on target", used=0.9)
    True
    """
    return STATUSES_WORST_FIRST.index(status), is_advisory, -(share_used or 0.0)


def judge_points(points: Points, value: np.ndarray) -> np.ndarray:
    """Status words of ratings in points."""
    status = np.full(value.shape, "on target", dtype=object)
    status[value < points.on_from] = "at risk"
    status[value < points.off_under] = "off target"
    status[np.isnan(value)] = "no data"
    return status
