"""Score a measure again under edits of the past or the future: fewer faults, claims won, other volume, other rules.

A scenario is a list of steps (see `SCENARIO_STEPS`), from a YAML file or Python. A step changes rows of EXPOSURE and
FAULTS, or the rule, and the usual scoring runs again; there is no second set of formulas. An order with two defects is
saved only when both are removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd

from healthkit.analysis.arrivals import PACE_WEEKS, VolumeChange, days_between
from healthkit.analysis.fitted_rates import HALF_LIFE_DAYS, HISTORY_DAYS
from healthkit.analysis.rolloff import (
    RollOffCalendar,
    RuleChange,
    counts_known_on,
    counts_of_measure,
    roll_off_calendar,
    rules_by_day,
)
from healthkit.metrics import scores
from healthkit.metrics.counts import Counts, count_orders
from healthkit.metrics.policy import Policy, Rule, judge
from healthkit.metrics.scores import day_numbers
from healthkit.metrics.sides import SIDES
from healthkit.schema import yaml_lines
from healthkit.schema.object_cache import cache_on_first_argument
from healthkit.schema.tables import CHANNELS, Ledger, collect_to_pandas

SCENARIO_STEPS = {
    "fewer": "cause, by [percent], since, until [days, optional]: this share fewer orders at fault for a cause",
    "cleared": "orders [ids], cause, since [day, both optional]: claims won, feedback removed, from this day on",
    "volume": "by [percent, + or -], since, until [days, optional]: more or fewer orders, as good as the others",
    "stop_selling": "sku, since, until [days, optional]: orders of one product go, with what went wrong with them",
    "target": "the share that is asked for instead [percent], or share, since, until [days, optional]",
    "window": "a window of another length [days], on every day",
    "lag": "a window that ends this long before the day shown [days], on every day",
}
"""The kinds of steps of a scenario, each with a description of its fields."""


class ScenarioError(ValueError):
    """Raised if a scenario cannot be applied; the message names the step, the reason and what is possible."""


class ScenarioStep(NamedTuple):
    """One parsed step of a scenario.

    `position` counts from 1. `since` and `until` bound the clock days of the orders that it changes, both included;
    None leaves an end open. For a target they bound the days that it judges, and orders are cleared from `since` on.
    """

    kind: str
    position: int
    cause: str = ""
    by: Fraction = Fraction(0)
    since: date | None = None
    until: date | None = None
    orders: tuple[str, ...] = ()
    sku: str = ""
    days: int = 0


@dataclass(frozen=True)
class ScenarioResult:
    """The result of a scenario: row of SCORES and calendar before and after, and the orders no longer at fault.

    `edits` is what its steps change, from which `scenario_futures` simulates.
    """

    before: pd.Series
    after: pd.Series
    calendar_before: RollOffCalendar
    calendar_after: RollOffCalendar
    orders_saved: pd.DataFrame
    edits: ScenarioEdits


class StoppedProduct(NamedTuple):
    """A product that is no longer sold to orders of some days, and its shares of the orders and of those at fault."""

    sku: str
    share_of_orders: float
    share_at_fault: float
    since: date | None
    until: date | None


@dataclass(frozen=True)
class ScenarioEdits:
    """What the steps of a scenario change: the known counts, the rule, and what is to come.

    `counts_before` are the known counts before the first step, `counts` after the last: with what is cleared on a later
    day. `rule` judges the day of the row, and every other on which none of `rule_changes` holds. `volume_changes`,
    `fewer` (the steps of this kind) and `stopped` change new orders and faults to come. `step` is the last step and
    `previous` what those before it change; None without a step.
    """

    counts_before: Counts
    counts: Counts
    rule: Rule
    window: int
    lag: int
    row: pd.Series
    volume_changes: tuple[VolumeChange, ...] = ()
    fewer: tuple[ScenarioStep, ...] = ()
    stopped: tuple[StoppedProduct, ...] = ()
    rule_changes: tuple[RuleChange, ...] = ()
    step: ScenarioStep | None = None
    previous: ScenarioEdits | None = None


# -- reading a scenario -----------------------------------------------------------------------------------------


def parse_scenario(data: Any) -> list[ScenarioStep]:
    """Parse a scenario from a list of steps, or from a mapping that holds this list under `steps`.

    Raises ScenarioError, naming the step, for an unknown step or an impossible value.

    >>> parse_scenario([{"fewer": {"cause": "a_to_z_claim", "by": "30%"}}])[0].by
    Fraction(3, 10)
    >>> parse_scenario([{"fewer": {"cause": "a_to_z_claim", "by": "140%"}}])
    Traceback (most recent call last):
    healthkit.analysis.what_if.ScenarioError: Step 1, fewer: 140% fewer cannot be; give 0% to 100%.
    """
    steps = data.get("steps") if isinstance(data, Mapping) else data
    if not isinstance(steps, Sequence) or isinstance(steps, str) or not steps:
        raise ScenarioError(f"A scenario is a list of steps. There are: {', '.join(SCENARIO_STEPS)}.")
    return [_parse_step(place, one) for place, one in enumerate(steps, 1)]


def read_scenario(path: Path) -> list[ScenarioStep]:
    """Read a scenario from a YAML file (see `parse_scenario`).

    Raises ScenarioError naming the file and the step; OSError where the file cannot be read.
    """
    try:
        return parse_scenario(yaml_lines.without_lines(yaml_lines.read_yaml(path)))
    except yaml_lines.YamlError as error:
        raise ScenarioError(str(error)) from None
    except ScenarioError as error:
        raise ScenarioError(f"{path.name}: {error}") from None


def parse_step_texts(texts: Sequence[str]) -> list[ScenarioStep]:
    """Parse the steps of a scenario from one line of YAML each (see `parse_scenario`).

    >>> parse_step_texts(["volume: {by: 100%, since: 2026-12-01, until: 2026-12-31}"])[0].until
    datetime.date(2026, 12, 31)
    """
    try:
        lines = [yaml_lines.read_yaml_text(text, f"Step {place}") for place, text in enumerate(texts, 1)]
    except yaml_lines.YamlError as error:
        raise ScenarioError(str(error)) from None
    return parse_scenario([yaml_lines.without_lines(line) for line in lines])


def _parse_step(position: int, data: Any) -> ScenarioStep:
    if not isinstance(data, Mapping) or len(data) != 1:
        raise ScenarioError(f"Step {position} must be one of {', '.join(SCENARIO_STEPS)}, each on a line of its own.")
    kind, fields = next(iter(data.items()))
    where = f"Step {position}, {kind}"
    if kind not in SCENARIO_STEPS:
        raise ScenarioError(f"{where}: there is no such step. There are: {', '.join(SCENARIO_STEPS)}.")
    if kind in ("target", "window", "lag"):
        return _parse_rule_step(kind, position, fields, where)
    allowed = {"fewer": {"cause", "by", "since", "until"}, "cleared": {"orders", "cause", "since"},
               "volume": {"by", "since", "until"}, "stop_selling": {"sku", "since", "until"}}[kind]  # fmt: skip
    if kind == "cleared" and isinstance(fields, Mapping) and "until" in fields:
        raise ScenarioError(
            f"{where}: what is cleared stays cleared, so it takes no until; since is the day from which it holds."
        )
    if not isinstance(fields, Mapping) or set(fields) - allowed:
        raise ScenarioError(f"{where}: it holds {', '.join(sorted(allowed))}: {SCENARIO_STEPS[kind]}.")
    needed = {"fewer": ("cause", "by"), "cleared": ("orders",), "volume": ("by",), "stop_selling": ("sku",)}[kind]
    for name in needed:
        if fields.get(name) in (None, "", []):
            raise ScenarioError(f"{where}: it lacks {name}: {SCENARIO_STEPS[kind]}.")
    by = _parse_percent(fields["by"], where) if "by" in fields else Fraction(0)
    if kind == "fewer" and not 0 <= by <= 1:
        raise ScenarioError(f"{where}: {fields['by']} fewer cannot be; give 0% to 100%.")
    if kind == "volume" and not -1 <= by <= 10:
        raise ScenarioError(f"{where}: {fields['by']} cannot be; give -100% to +1000%.")
    since, until = _parse_days(fields, where)
    orders = fields.get("orders", ())
    ids = (orders,) if isinstance(orders, str) else tuple(str(one) for one in orders)
    cause, sku = (str(fields.get(name) or "") for name in ("cause", "sku"))
    return ScenarioStep(kind, position, cause, by, since, until, ids, sku)


def _parse_days(fields: Mapping[str, Any], step_label: str) -> tuple[date | None, date | None]:
    since, until = (_parse_day(fields.get(name), step_label) for name in ("since", "until"))
    if since is not None and until is not None and until < since:
        raise ScenarioError(f"{step_label}: until {until} is before since {since}; write the earlier day as since.")
    return since, until


def _parse_rule_step(kind: str, position: int, value: Any, step_label: str) -> ScenarioStep:
    if kind == "target":
        fields = value if isinstance(value, Mapping) else {"share": value}
        if set(fields) - {"share", "since", "until"} or fields.get("share") is None:
            raise ScenarioError(f"{step_label}: it holds share, since, until: {SCENARIO_STEPS[kind]}.")
        share = _parse_percent(fields["share"], step_label)
        if not 0 <= share <= 1:
            raise ScenarioError(f"{step_label}: {fields['share']} is no share; give 0% to 100%.")
        return ScenarioStep(kind, position, "", share, *_parse_days(fields, step_label))
    if isinstance(value, Mapping):
        raise ScenarioError(
            f"{step_label}: it holds for every day, so it takes no since and no until; write a number of days alone."
        )
    least = 1 if kind == "window" else 0
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= 3650:
        raise ScenarioError(f"{step_label}: {value!r} is no number of days; give {least} to 3650.")
    return ScenarioStep(kind, position, days=value)


def _parse_percent(value: Any, step_label: str) -> Fraction:
    """Parse a share: "30%", "30 %", "+20%", "1/100", or 0.3.

    >>> _parse_percent("-20 %", ""), _parse_percent("1/100", ""), _parse_percent(0.3, "")
    (Fraction(-1, 5), Fraction(1, 100), Fraction(3, 10))
    """
    text = str(value).replace(" ", "").removeprefix("+")
    try:
        return Fraction(text[:-1]) / 100 if text.endswith("%") else Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ScenarioError(f"{step_label}: {value!r} is no percentage; write it as 30%.") from None


def _parse_day(value: Any, step_label: str) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if value is None or isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ScenarioError(f"{step_label}: {value!r} is not a day; write it as 2026-10-31.") from None


# -- playing it -------------------------------------------------------------------------------------------------


def run_scenario(
    counts: Counts,
    policy: Policy,
    row: pd.Series,
    steps: Iterable[ScenarioStep],
    *,
    ledger: Ledger | None = None,
    days_ahead: int | None = None,
    new_orders: bool = True,
    calendar: RollOffCalendar | None = None,
) -> ScenarioResult:
    """Compute a row of SCORES again under the steps of a scenario, as known at the end of its day.

    `calendar` is the roll-off calendar of the row, if at hand, for the same days and new orders. `ledger` holds the
    tables of the account; a step `stop_selling` counts its orders again. Raises ScenarioError for a cause, an order, a
    product or a day that the account does not have, naming those there are.
    """
    as_of = row["as_of"].date()
    before = calendar or roll_off_calendar(counts, policy, row, days_ahead=days_ahead, new_orders=new_orders)
    known = counts_of_measure(counts, before)
    state = edit_measure(known, row, steps, before, ledger)
    edited = replace(policy, rules=(state.rule,), first_days={})
    edited_row = _edited_row(row, state)
    scored = _score_state(state, edited, row, as_of)
    after = roll_off_calendar(
        state.counts,
        edited,
        edited_row,
        days_ahead=days_ahead,
        new_orders=new_orders,
        volume_changes=state.volume_changes,
        pace_counts=known,
        rule_changes=state.rule_changes,
        holds_coming_changes=True,
    )
    saved = before.orders[_is_saved(before, after)]
    return ScenarioResult(row, scored, before, after, saved.reset_index(drop=True), state)


def _is_saved(before: RollOffCalendar, after: RollOffCalendar) -> np.ndarray:
    """Return which orders of a calendar are no longer at fault in another, or only until an earlier day."""
    left = dict(zip(after.orders["order_id"], after.orders["leaves_on"].to_numpy(), strict=True))
    leaves = zip(before.orders["order_id"], before.orders["leaves_on"].to_numpy(), strict=True)
    same_window = (before.window, before.lag) == (after.window, after.lag)
    return np.array([name not in left or (same_window and left[name] < day) for name, day in leaves], dtype=bool)


def edit_measure(
    known: Counts, row: pd.Series, steps: Iterable[ScenarioStep], before: RollOffCalendar, ledger: Ledger | None = None
) -> ScenarioEdits:
    """Apply the steps of a scenario to what was known on the day of a row of SCORES.

    `before` is the roll-off calendar of the row, `ledger` the tables of the account for steps `stop_selling`. Raises
    ScenarioError as `run_scenario` does.
    """
    lag = (row["as_of"] - row["last_day"]).days
    state = ScenarioEdits(known, known, before.rule, int(row["window"]), lag, row)
    for step in in_order(steps):
        state = apply_step(state, step, before, ledger)
    return state


def in_order(steps: Iterable[ScenarioStep]) -> list[ScenarioStep]:
    """Return the steps of a scenario in the order in which they apply: `stop_selling` counts from the orders again."""
    return sorted(steps, key=lambda step: step.kind != "stop_selling")


def apply_step(
    state: ScenarioEdits, step: ScenarioStep, before: RollOffCalendar, ledger: Ledger | None
) -> ScenarioEdits:
    """Apply one step (see `edit_measure`)."""
    return replace(_apply(state, step, before, ledger), step=step, previous=state)


def _apply(state: ScenarioEdits, step: ScenarioStep, before: RollOffCalendar, ledger: Ledger | None) -> ScenarioEdits:
    where = f"Step {step.position}, {step.kind}"
    if step.kind == "fewer":
        return replace(_apply_fewer(state, step, before, where), fewer=(*state.fewer, step))
    if step.kind == "cleared":
        return _replace_faults(state, _apply_cleared(state, step, before.as_of, where))
    if step.kind == "volume":
        since = step.since or before.as_of
        if since < before.as_of:
            raise ScenarioError(f"{where}: {since} is past; the volume changes from {before.as_of} on or later.")
        change = VolumeChange(float(1 + step.by), since, step.until)
        return replace(state, volume_changes=(*state.volume_changes, change))
    if step.kind == "stop_selling":
        return _apply_stop_selling(state, step, before.as_of, ledger, where)
    if step.kind == "target":
        changes = (*state.rule_changes, RuleChange(_replace_target(state.rule, step.by), step.since, step.until))
        # Only the target differs from rule to rule, so that any of them may be the base of the next.
        return replace(state, rule=rules_by_day(state.rule, changes[-1:], before.as_of, 1)[0][0], rule_changes=changes)
    return replace(state, window=step.days) if step.kind == "window" else replace(state, lag=step.days)


def _replace_target(rule: Rule, share: Fraction) -> Rule:
    """Return the rule with another target share, on the same side."""
    assert rule.target is not None
    name = rule.target.side.replace(" ", "_")
    sides = {side.replace(" ", "_"): None for side in SIDES} | {name: share}
    return Rule.model_validate(rule.model_dump() | sides)


def _rows_of_measure(state: ScenarioEdits, faults: pd.DataFrame) -> np.ndarray:
    """Return which rows of FAULTS are of the measure."""
    row = state.row
    named = {"metric": row["metric"], "basis": str(state.rule.basis), "account": row["account"],
             "marketplace": row["marketplace"], "channel": row["channel"]}  # fmt: skip
    matches = np.ones(len(faults), dtype=bool)
    for name, value in named.items():
        matches &= (faults[name] == value).to_numpy()
    return matches


def _replace_faults(state: ScenarioEdits, faults: pd.DataFrame) -> ScenarioEdits:
    return replace(state, counts=replace(state.counts, faults=faults))


def _apply_fewer(state: ScenarioEdits, step: ScenarioStep, before: RollOffCalendar, step_label: str) -> ScenarioEdits:
    """Return the state without a share of the orders at fault for a cause, now or later, spread evenly over the days.

    A cause that no order has now may have been one before, and come again.
    """
    orders = before.orders
    causes = _distinct_causes(orders["causes"])
    if step.cause not in causes:
        faults = state.counts_before.faults
        causes = sorted({*causes, *_distinct_causes(faults.loc[_rows_of_measure(state, faults), "causes"])})
    if step.cause not in causes:
        there = f"There are: {', '.join(causes)}" if causes else "No order is at fault"
        raise ScenarioError(f"{step_label}: no order of this measure is at fault for {step.cause!r}. {there}.")
    since = step.since or date.min
    begins = orders["clock_day"].min()
    if step.since is not None and len(orders) and pd.Timestamp(step.since) < begins - pd.Timedelta(days=3650):
        raise ScenarioError(f"{step_label}: {step.since} is long before the first order at fault, of {begins.date()}.")
    chosen = pick_saved_orders(orders, step.cause, step.by, since, step.until)
    return _replace_faults(state, _remove_causes(state, chosen, {step.cause})) if chosen else state


def _distinct_causes(causes: Iterable[str]) -> list[str]:
    """Return the distinct causes of orders at fault, sorted."""
    return sorted({cause for text in set(causes) for cause in text.split("+")})


def pick_saved_orders(
    orders: pd.DataFrame, cause: str, share: Fraction, since: date = date.min, until: date | None = None
) -> list[str]:
    """Select a share of the orders at fault for a cause with clock days from `since` to `until`; return their ids.

    The selected orders are spread evenly over the days. A larger share returns the same orders and more, so that a
    slider is monotonic.
    """
    first = np.datetime64(since, "s") if since > date.min else np.datetime64("NaT")
    last = np.datetime64("NaT") if until is None else np.datetime64(until, "s")
    rows = zip(orders["clock_day"].to_numpy(), orders["order_id"].tolist(), orders["causes"].tolist(), strict=True)
    having = sorted(
        (day, name) for day, name, causes in rows if cause in causes.split("+") and not day < first and not day > last
    )
    ordered = [name for _, name in having]
    turn = sorted(range(len(ordered)), key=_van_der_corput)
    return [ordered[place] for place in turn[: int(share * len(ordered))]]


def _van_der_corput(position: int) -> tuple[float, int]:
    """Return the position's number in the van der Corput sequence (base 2), which spreads neighbours far apart.

    >>> sorted(range(8), key=_van_der_corput)
    [0, 4, 2, 6, 1, 5, 3, 7]
    """
    value, share, rest = 0.0, 0.5, position
    while rest:
        value, share, rest = value + share * (rest % 2), share / 2, rest // 2
    return value, position


def _remove_causes(
    state: ScenarioEdits, order_ids: Iterable[str], causes: set[str] | None, since: date | None = None
) -> pd.DataFrame:
    """Return FAULTS without some causes of some orders, from a day on or at all.

    An order with another cause stays at fault for that one.
    """
    faults = state.counts.faults
    hit = _rows_of_measure(state, faults) & faults["order_id"].isin(list(order_ids)).to_numpy()
    hit[hit] = [causes is None or bool(causes & set(text.split("+"))) for text in faults["causes"][hit]]
    stays, ends = faults[hit], []
    if since is not None:
        day = pd.Timestamp(since)
        ended = stays["cleared_on"]
        ends = [stays.assign(cleared_on=ended.where(ended < day, day))]
        stays = stays.assign(known_on=stays["known_on"].where(stays["known_on"] > day, day))
    rest = [
        "+".join(one for one in text.split("+") if causes is not None and one not in causes) for text in stays["causes"]
    ]
    left = stays.assign(causes=pd.Series(rest, index=stays.index, dtype=object).astype(stays["causes"].dtype))
    pieces = [faults[~hit], *ends, left[np.array(rest, dtype=object) != ""]]
    edited = pd.concat([piece for piece in pieces if len(piece)]) if any(map(len, pieces)) else faults[:0]
    return edited[~(edited["cleared_on"] <= edited["known_on"]).to_numpy()]


def _apply_cleared(state: ScenarioEdits, step: ScenarioStep, as_of: date, step_label: str) -> pd.DataFrame:
    """Return FAULTS in which some orders are no longer at fault, for one cause or for any, now or from a day on."""
    # Looked up among those there were: an earlier step may have saved an order already.
    faults = state.counts_before.faults[_rows_of_measure(state, state.counts_before.faults)]
    known = set(faults["order_id"])
    unknown = [one for one in step.orders if one not in known]
    if unknown:
        some = ", ".join(sorted(known)[:5]) or "none"
        raise ScenarioError(
            f"{step_label}: {len(unknown)} of {len(step.orders)} orders were never at fault in this measure, the "
            "first is "
            f"{unknown[0]!r}. At fault are {len(known):,}: {some}{' and more' if len(known) > 5 else ''}."
        )
    if step.cause and not any(
        step.cause in causes.split("+") for causes in faults.loc[faults["order_id"].isin(step.orders), "causes"]
    ):
        raise ScenarioError(f"{step_label}: none of the orders is at fault for {step.cause!r}.")
    since = step.since if step.since is not None and step.since > as_of else None
    return _remove_causes(state, step.orders, {step.cause} if step.cause else None, since)


def _apply_stop_selling(
    state: ScenarioEdits, step: ScenarioStep, as_of: date, ledger: Ledger | None, step_label: str
) -> ScenarioEdits:
    """Return the state without the orders of one product alone; with a future day, only the volume of new orders
    shrinks."""
    if ledger is None:
        raise ScenarioError(f"{step_label}: counts alone do not name the product of an order; use AccountView.what_if.")
    products = orders_by_product(ledger, state.row["marketplace"])
    code = products.names.get_indexer([step.sku])[0]
    if code < 0:
        known = ", ".join(sorted(products.names)[:8])
        raise ScenarioError(
            f"{step_label}: no order of {state.row['account']} is for {step.sku!r} alone. There are: {known}."
        )
    shares = _product_shares(state, products, as_of)
    stopped = StoppedProduct(step.sku, float(shares[0][code]), float(shares[1][code]), step.since, step.until)
    change = VolumeChange(1 - stopped.share_of_orders, step.since or NO_FIRST_DAY, step.until)
    state = replace(state, volume_changes=(*state.volume_changes, change), stopped=(*state.stopped, stopped))
    if step.since is not None and step.since > as_of:
        return state
    return replace(state, counts=counts_known_on(_count_without_products(state, ledger, products, as_of), as_of))


NO_FIRST_DAY = date(1970, 1, 1)
"""The first day of a change that has no first day."""
LOWER_RATE = 0.1
"""A product is not named as most at fault unless the rate is lower by this share without it."""
PRODUCT_WEIGHT = 2.0
"""Weight of a product's share of orders in its share of faults, as a number of recent faults. [faults]"""


class OrdersByProduct(NamedTuple):
    """The orders of an account in one marketplace: id, product, channel and day number on which each was placed.

    `product` is the position of the only product of the order in `names` (sku), -1 for several; `placed` is 0 where the
    day is not known.
    """

    order_ids: pd.Index
    names: pd.Index
    product: np.ndarray
    channel: np.ndarray
    placed: np.ndarray


@cache_on_first_argument()
def orders_by_product(ledger: Ledger, marketplace: str) -> OrdersByProduct:
    """Return the orders of an account in a marketplace with the product that each is for alone."""
    here = nw.col("marketplace") == marketplace
    items = collect_to_pandas(ledger.items.filter(here).select("order_id", "sku")).drop_duplicates()
    items = items.drop_duplicates("order_id", keep=False)
    orders = collect_to_pandas(ledger.orders.filter(here).select("order_id", "channel", "ordered_on"))
    orders = orders.drop_duplicates("order_id")
    ids = pd.Index(orders["order_id"].to_numpy(dtype=object))
    rows = pd.Index(items["order_id"].to_numpy(dtype=object)).get_indexer(ids)
    codes, names = pd.factorize(items["sku"].to_numpy(dtype=object))
    product = np.where(rows >= 0, codes[rows], -1) if len(codes) else np.full(len(ids), -1)
    placed = day_numbers(orders["ordered_on"].fillna(pd.Timestamp(NO_FIRST_DAY)))
    return OrdersByProduct(ids, pd.Index(names), product, orders["channel"].to_numpy(dtype=object), placed)


def _product_shares(state: ScenarioEdits, products: OrdersByProduct, as_of: date) -> tuple[np.ndarray, np.ndarray]:
    """Return each product's share of the orders of the last weeks, and of those at fault, newer ones weighing more.

    The share of those at fault is drawn to that of the orders, the more the fewer there are.
    """
    today = int(day_numbers([as_of])[0])
    recent = (products.placed <= today) & (products.placed > today - 7 * PACE_WEEKS)
    if state.row["channel"] in CHANNELS:
        recent &= products.channel == state.row["channel"]
    if not recent.any():
        recent = np.ones(products.placed.size, dtype=bool)
    size = len(products.names)
    share = np.bincount(products.product[recent] + 1, minlength=size + 1)[1:] / max(1, int(recent.sum()))
    bad, _, total = _faults_by_product(state, products, as_of)
    return share, (bad + PRODUCT_WEIGHT * share) / (total + PRODUCT_WEIGHT)


def _faults_by_product(
    state: ScenarioEdits, products: OrdersByProduct, as_of: date
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the faults of each product, weighted by age, their number, and the weight of all faults of the measure."""
    faults = state.counts_before.faults
    faults = faults[_rows_of_measure(state, faults)]
    weights = recent_weights(faults["clock_day"], as_of) * faults["at_fault"].to_numpy()
    rows = products.order_ids.get_indexer(faults["order_id"].to_numpy(dtype=object))
    product = np.where(rows >= 0, products.product[rows], -1) + 1 if len(rows) else rows
    size = len(products.names) + 1
    return (
        np.bincount(product, weights, size)[1:],
        np.bincount(product[weights > 0], minlength=size)[1:],
        float(weights.sum()),
    )


def products_most_at_fault(known: ScenarioEdits, ledger: Ledger, as_of: date, limit: int) -> list[str]:
    """Return the products (sku) with the most recent faults of a measure; newer faults weigh more.

    A product with one fault, or without which the rate would hardly be lower, is left out.
    """
    products = orders_by_product(ledger, known.row["marketplace"])
    weights, many, _ = _faults_by_product(known, products, as_of)
    of_orders, of_faults = _product_shares(known, products, as_of)
    worse = (many > 1) & (1 - of_faults < (1 - LOWER_RATE) * (1 - of_orders))
    return [str(products.names[place]) for place in np.argsort(-weights, kind="stable")[:limit] if worse[place]]


def recent_weights(clock_days: pd.Series, as_of: date) -> np.ndarray:
    """Return the weight of faults of some clock days in what is to come (see `fitted_rates.HALF_LIFE_DAYS`)."""
    ages = day_numbers([as_of])[0] - day_numbers(clock_days)
    return np.where((ages >= 0) & (ages < HISTORY_DAYS), 0.5 ** (ages / HALF_LIFE_DAYS), 0.0)


def _count_without_products(state: ScenarioEdits, ledger: Ledger, products: OrdersByProduct, as_of: date) -> Counts:
    """Count an account's orders without those of stopped products alone that were placed on the days of each stop."""
    removed = np.zeros(products.placed.size, dtype=bool)
    for one in state.stopped:
        if one.since is None or one.since <= as_of:
            code = products.names.get_indexer([one.sku])[0]
            removed |= (products.product == code) & days_between(products.placed, one.since, one.until)
    gone = nw.col("order_id").is_in(products.order_ids[removed].tolist())
    gone = gone & (nw.col("marketplace") == state.row["marketplace"])
    return count_orders(replace(ledger, orders=ledger.orders.filter(~gone)), [state.rule])


def _edited_row(row: pd.Series, state: ScenarioEdits) -> pd.Series:
    """Return the row for the edited window, lag and rule."""
    last = row["as_of"] - pd.Timedelta(days=state.lag)
    first = last - pd.Timedelta(days=state.window - 1)
    return pd.Series({**row.to_dict(), "window": state.window, "first_day": first, "last_day": last})


def _score_state(state: ScenarioEdits, policy: Policy, row: pd.Series, as_of: date) -> pd.Series:
    """Return the row of SCORES of the edited state, with the case `what if`."""
    counts = state.counts.for_accounts([row["account"]])
    rule = state.rule
    table = scores.score(
        counts, {row["marketplace"]: policy}, as_of, window=state.window if state.window not in rule.windows else None,
        lag=state.lag,
    )  # fmt: skip
    rows = table[
        (table["metric"] == row["metric"]) & (table["channel"] == row["channel"]) & (table["window"] == state.window)
    ]
    found = rows.iloc[0].copy()
    found["case"] = "what if"
    return found


# -- every step of a slider --------------------------------------------------------------------------------------

SLIDER_STEPS = {1: 1, 2: 5, 3: 10}
"""The step of each slider, by the number of sliders. [percent]"""


def slider_causes(calendar: RollOffCalendar, limit: int = 3) -> list[str]:
    """Return at most `limit` causes that get a slider.

    They are the causes of the most orders at fault on the as-of day.
    """
    now = calendar.orders[calendar.orders["enters_on"] <= pd.Timestamp(calendar.as_of)]
    counts = pd.Series([cause for causes in now["causes"] for cause in causes.split("+")], dtype="str").value_counts()
    return sorted(counts.index, key=lambda cause: (-counts[cause], cause))[:limit]


def score_sliders(calendar: RollOffCalendar, causes: Sequence[str]) -> pd.DataFrame:
    """Compute the result of every combination of slider positions, with one slider for each cause.

    The columns of results are counted, at_fault, headroom, status and back_on. Returns one row per combination; a
    column named by each cause holds its reduction [percent]. An order is saved when all its causes are removed.
    """
    grain = SLIDER_STEPS[len(causes)]
    shares = np.arange(0, 101, grain)
    axes = np.stack([axis.ravel() for axis in np.meshgrid(*[shares] * len(causes), indexing="ij")], axis=1)
    saved = np.ones((len(axes), len(calendar.orders)), dtype=bool)
    for place, cause in enumerate(causes):
        turn = _saving_ranks(calendar.orders, cause)
        taken = axes[:, place] * int((turn < _NEVER_SAVED).sum()) // 100
        saved &= (turn < taken[:, None]) | (turn == _NEVER_SAVED)
    others = [bool(set(text.split("+")) - set(causes)) for text in calendar.orders["causes"]]
    saved[:, np.array(others, dtype=bool)] = False
    days = calendar.days["day"].to_numpy()
    enters, leaves, each = (
        calendar.orders[name].to_numpy()[:, None] for name in ("enters_on", "leaves_on", "at_fault")
    )
    weight = ((enters <= days) & (leaves > days)) * each
    at_fault = calendar.days["at_fault"].to_numpy() - saved.astype(np.int64) @ weight
    counted = calendar.days["counted"].to_numpy()
    target = calendar.rule.target
    assert target is not None
    status = judge(calendar.rule, np.broadcast_to(counted, at_fault.shape), at_fault)
    off = status == "off target"
    last_off = np.where(off.any(axis=1), off.shape[1] - 1 - off[:, ::-1].argmax(axis=1), -1)
    ends = np.append(days, np.datetime64("NaT"))
    made = pd.DataFrame({cause: axes[:, place] for place, cause in enumerate(causes)})
    return made.assign(
        counted=int(counted[0]), at_fault=at_fault[:, 0], headroom=target.headroom(int(counted[0]), at_fault[:, 0]),
        status=status[:, 0], back_on=ends[last_off + 1],
    )  # fmt: skip


_NEVER_SAVED = np.iinfo(np.int64).max
"""The rank of an order that does not have the cause."""


def _saving_ranks(orders: pd.DataFrame, cause: str) -> np.ndarray:
    """Return at which rank a step `fewer` removes a cause from each order."""
    having = np.array([cause in causes.split("+") for causes in orders["causes"]], dtype=bool)
    place = {order: turn for turn, order in enumerate(pick_saved_orders(orders, cause, Fraction(1)))}
    turns = [place[order] if has else _NEVER_SAVED for order, has in zip(orders["order_id"], having, strict=True)]
    return np.array(turns, dtype=np.int64)
