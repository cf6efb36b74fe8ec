"""What to do, in order: the actions that are still possible for the orders at fault, until when, and what they bring.

What an action brings is counted, not estimated: the orders are cleared as by a step `cleared` of a scenario, and the
usual scoring runs again (see `what_if.run_scenario`). The smallest set of orders that meets the target comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

import narwhals as nw
import pandas as pd

from healthkit.analysis.due_orders import find_waiting_orders
from healthkit.analysis.goals import fewest_orders
from healthkit.analysis.rolloff import RollOffCalendar, counts_of_measure
from healthkit.analysis.verdicts import AMAZON, AccountVerdict, Verdict
from healthkit.analysis.what_if import ScenarioStep, parse_scenario, run_scenario
from healthkit.metrics.action_files import Action, ActionCatalogue
from healthkit.metrics.counts import Counts
from healthkit.metrics.policy import JUDGED_STATUSES, Policy, Rule
from healthkit.schema import tables
from healthkit.schema.tables import DAY_FROM_LIST, Frame, Ledger, collect_to_pandas, records

FAILING_STATUSES = ("off target", "at risk")
"""The statuses of measures for whose orders at fault actions are listed."""
MeasureKey = tuple[str, str, int]
"""Metric, channel and window in days."""


class MeasureState(NamedTuple):
    """Where a measure stands on the as-of day, and from which day on it is on target if nothing new goes wrong.

    `back_on` is None where no day of the calendar is.
    """

    counted: int
    at_fault: int
    status: str
    headroom: int | None
    back_on: date | None


class OrderToAct(NamedTuple):
    """One order that an action is about.

    `last_day` is the last day on which the action is possible, as far as a number of days is known; with `is_latest`
    the true one may be before it, because only a list names the cause, and its day is taken. `is_saved` says whether
    the order is no longer at fault with this action alone: it has no other cause.
    """

    order_id: str
    last_day: date | None = None
    is_saved: bool = True
    is_latest: bool = False


@dataclass(frozen=True)
class TodoItem:
    """One action for a measure, with the orders for which it is still possible, and what it brings.

    `orders` are in the order of doing; the first `needed` of them alone meet the target on the as-of day. `needed` is
    None where not all of them are enough, or the measure is not off target. `then` is the standing with these orders
    cleared (all of them where `needed` is None), or for a kind that prevents faults the standing if no new one comes;
    None where it cannot be worked out. `past` are the orders whose last day is before the as-of day.
    """

    action: Action
    orders: tuple[OrderToAct, ...] = ()
    needed: int | None = None
    then: MeasureState | None = None
    past: tuple[OrderToAct, ...] = ()

    @property
    def first_orders(self) -> tuple[OrderToAct, ...]:
        """The orders whose effect `then` is: the smallest set that is enough, or all."""
        return self.orders[: self.needed]

    @property
    def last_day(self) -> date | None:
        """The earliest last day of these orders."""
        return min((one.last_day for one in self.first_orders if one.last_day is not None), default=None)

    @property
    def saved_orders(self) -> tuple[str, ...]:
        """The ids of these orders that are no longer at fault with this request granted, if it can be judged then."""
        is_judged = self.action.kind == "clear" and self.then is not None and self.then.status in JUDGED_STATUSES
        granted = self.first_orders if is_judged else ()
        return tuple(one.order_id for one in granted if one.is_saved)


@dataclass(frozen=True)
class MeasureTodo:
    """What to do about one measure: the actions in the order of doing.

    `now` is its standing without any action, by our own count. `figure_is_reported` says that the marketplace's own
    figure decides, of which not all orders at fault are known; then nothing is worked out. `together` is the standing
    with all actions that clear orders granted, where no single one is enough and there are several; `unknown` the
    number at fault whose orders no file names.
    """

    metric: str
    channel: str
    window: int
    status: str
    items: tuple[TodoItem, ...]
    now: MeasureState | None = None
    together: MeasureState | None = None
    figure_is_reported: bool = False
    unknown: int = 0


@dataclass(frozen=True)
class Todo:
    """What to do in one account and marketplace on a day, the worst measure first."""

    account: str
    marketplace: str
    as_of: date
    measures: tuple[MeasureTodo, ...]
    catalogue: ActionCatalogue

    def steps_if_granted(self, key: MeasureKey) -> list[ScenarioStep]:
        """Return the requests for one measure as steps of a scenario, each granted on the day after the as-of day."""
        items = (item for one in self.measures if (one.metric, one.channel, one.window) == key for item in one.items)
        since = self.as_of + timedelta(days=1)
        return [
            ScenarioStep("cleared", 0, since=since, orders=orders)
            for orders in dict.fromkeys(item.saved_orders for item in items)
            if orders
        ]


def find_todo(
    verdict: AccountVerdict,
    counts: Counts,
    policy: Policy,
    scored: pd.DataFrame,
    calendars: Mapping[MeasureKey, RollOffCalendar],
    ledger: Ledger,
    catalogue: ActionCatalogue,
    files_end: date,
) -> Todo:
    """Return what to do in one account on the day of its verdict.

    `scored` are its rows of SCORES of that day, `calendars` the roll-off calendars of its measures off target or at
    risk, `files_end` the last day that its files cover: what waits on a later day is not known.
    """
    waiting = _find_waiting(ledger, verdict, policy, catalogue) if verdict.as_of <= files_end else {}
    found, seen = [], set()
    for one in verdict.measures:
        key = one.metric, one.channel
        if key in seen:
            continue
        seen.add(key)
        due = [item for item in waiting.values() if one.metric in item.action.metrics[:1]]
        failing = one.status in FAILING_STATUSES
        measure = _measure_todo(one, counts, policy, scored, calendars, catalogue, due if one.rule else [], failing)
        if measure.items or failing:
            found.append(measure)
    return Todo(verdict.account, verdict.marketplace, verdict.as_of, tuple(found), catalogue)


def _measure_todo(
    verdict: Verdict,
    counts: Counts,
    policy: Policy,
    scored: pd.DataFrame,
    calendars: Mapping[MeasureKey, RollOffCalendar],
    catalogue: ActionCatalogue,
    due: Sequence[TodoItem],
    failing: bool,
) -> MeasureTodo:
    key = verdict.metric, verdict.channel, verdict.window
    items = [one for one in due if verdict.channel in one.action.channels]
    calendar = calendars.get(key) if failing else None
    row = _row_of(scored, key) if calendar is not None else None
    if not failing or calendar is None or row is None:
        items += [TodoItem(one) for one in catalogue.actions if failing and _applies_to(one, verdict, set())]
        return MeasureTodo(*key, verdict.status, tuple(items))
    clearable = _ClearableOrders(counts, policy, row, calendar)
    reported = verdict.decided_by == AMAZON
    causes = {cause for text in calendar.orders["causes"] for cause in text.split("+")}
    clearing = [
        clearable.item(one, works_out=not reported)
        for one in catalogue.actions
        if one.kind == "clear" and _applies_to(one, verdict, causes)
    ]
    clearing = sorted((one for one in clearing if one.orders or one.past), key=_smallest_first)
    now = _standing(row, calendar)
    items += clearing
    items += [
        TodoItem(one, then=None if reported else now)
        for one in catalogue.actions
        if one.kind in ("prevent", "resolve") and _applies_to(one, verdict, causes)
    ]
    unknown = max(0, int(verdict.theirs["at_fault"]) - int(row["at_fault"])) if reported and verdict.theirs else 0
    together = None if reported else clearable.together(clearing)
    return MeasureTodo(*key, verdict.status, tuple(items), now, together, reported, unknown)


def _applies_to(action: Action, verdict: Verdict, causes: set[str]) -> bool:
    """Return whether an action that does not wait for a day is about a measure with some causes of faults."""
    if action.kind == "due" or verdict.channel not in action.channels:
        return False
    return verdict.metric in action.metrics or bool(causes & set(action.causes))


def _row_of(scored: pd.DataFrame, key: MeasureKey) -> pd.Series | None:
    rows = scored[(scored["metric"] == key[0]) & (scored["channel"] == key[1]) & (scored["window"] == key[2])]
    return None if rows.empty else rows.iloc[0]


def _smallest_first(item: TodoItem) -> tuple[Any, ...]:
    """Sort actions that are enough alone first, by how few orders they take; then those that save more."""
    saved = sum(one.is_saved for one in item.orders)
    return item.needed is None, item.needed or 0, -saved, item.last_day or date.max


def _standing(row: pd.Series, calendar: RollOffCalendar) -> MeasureState:
    headroom = None if pd.isna(row["headroom"]) else int(row["headroom"])
    return MeasureState(int(row["counted"]), int(row["at_fault"]), str(row["status"]), headroom, calendar.back_on)


class _ClearableOrders:
    """The orders of one measure that are at fault now or later, and what clearing some of them brings."""

    def __init__(self, counts: Counts, policy: Policy, row: pd.Series, calendar: RollOffCalendar) -> None:
        self._counts = counts_of_measure(counts, calendar)
        self._policy, self._row, self._calendar = policy, row, calendar
        self._causes = {
            order: set(text.split("+"))
            for order, text in zip(calendar.orders["order_id"], calendar.orders["causes"], strict=True)
        }
        self._days = _days_by_cause(self._counts, calendar)
        self._worked_out: dict[str, MeasureState] = {}
        assumed = self._counts.faults[self._counts.faults["assumed"].fillna("").str.contains(DAY_FROM_LIST)]
        self._from_list = set(assumed["order_id"])

    def item(self, action: Action, works_out: bool) -> TodoItem:
        """Return an action that clears orders, with those for which it is still possible."""
        found = [
            OrderToAct(order, self._last_day(action, order), causes <= set(action.causes), order in self._from_list)
            for order, causes in self._causes.items()
            if causes & set(action.causes)
        ]
        past = tuple(one for one in found if one.last_day is not None and one.last_day < self._calendar.as_of)
        orders = [one for one in found if one not in past]
        if not works_out or not orders:
            return TodoItem(action, tuple(sorted(orders, key=_urgent_first)), past=past)
        smallest = self._smallest_set(one.order_id for one in orders if one.is_saved)
        chosen = set(smallest or ())
        orders.sort(key=lambda one: (one.order_id not in chosen, *_urgent_first(one)))
        needed = None if smallest is None else len(smallest)
        then = self._with_cleared({action.causes: [one.order_id for one in orders[:needed]]})
        return TodoItem(action, tuple(orders), needed, then, past)

    def _last_day(self, action: Action, order: str) -> date | None:
        if action.deadline is None:
            return None
        days = [day for cause, day in self._days[order].items() if cause in action.causes]
        known_on, clock_day = min(one[0] for one in days), min(one[1] for one in days)
        return action.deadline.last_day(known_on, clock_day)

    def _smallest_set(self, orders: Iterable[str]) -> tuple[str, ...] | None:
        """Return the fewest orders that meet the target on the as-of day; None if none do, or it is met already."""
        if self._row["status"] != "off target":
            return None
        goal = fewest_orders(self._calendar, self._calendar.as_of, set(orders))
        return goal.order_ids if goal.many else None

    def _with_cleared(self, orders_by_causes: Mapping[tuple[str, ...], Sequence[str]]) -> MeasureState:
        """Return the standing of the measure with causes of some orders cleared."""
        steps = [
            {"cleared": {"orders": named, "cause": cause}}
            for causes, orders in orders_by_causes.items()
            for cause in causes
            if (named := sorted(order for order in orders if cause in self._causes[order]))
        ]
        if str(steps) not in self._worked_out:  # Two actions on the same orders bring the same.
            result = run_scenario(self._counts, self._policy, self._row, parse_scenario(steps), calendar=self._calendar)
            self._worked_out[str(steps)] = _standing(result.after, result.calendar_after)
        return self._worked_out[str(steps)]

    def together(self, items: Sequence[TodoItem]) -> MeasureState | None:
        """Return the standing with all of several actions granted, where it takes more than one to be on target."""
        open_items = [one for one in items if one.orders and self._row["status"] == "off target"]
        if len({one.action.causes for one in open_items}) < 2 or any(one.needed is not None for one in open_items):
            return None
        orders: dict[tuple[str, ...], list[str]] = {}
        for one in open_items:
            named = orders.setdefault(one.action.causes, [])
            named += [order.order_id for order in one.orders if order.order_id not in named]
        return self._with_cleared(orders)


def _urgent_first(order: OrderToAct) -> tuple[Any, ...]:
    return not order.is_saved, order.last_day or date.max, order.order_id


def _days_by_cause(counts: Counts, calendar: RollOffCalendar) -> dict[str, dict[str, tuple[date, date]]]:
    """Return for each order and each cause the day on which it became known and the clock day.

    Of several (parcels, or a cause known twice) the earliest is taken, so that no last day is named too late.
    """
    faults = counts.faults[counts.faults["order_id"].isin(set(calendar.orders["order_id"]))]
    found: dict[str, dict[str, tuple[date, date]]] = {}
    stays = faults.groupby("order_id", observed=True)["since"].transform("max")
    for row in records(faults[faults["since"] == stays][["order_id", "causes", "known_on", "clock_day"]]):
        days = found.setdefault(row["order_id"], {})
        for cause in row["causes"].split("+"):
            both = row["known_on"], row["clock_day"]
            days[cause] = min(days.get(cause, both), both)
    return found


# -- what waits ---------------------------------------------------------------------------------------------------

_TABLE_OF_WAITING = {"shipments": tables.ORDERS, "messages": tables.CONTACTS, "returns": tables.RETURNS}
"""The table that has what waits, by the kind of it (`action_files.Action.waiting`)."""


def tables_of_waiting(catalogue: ActionCatalogue) -> list[tables.Table]:
    """Return the tables that `find_todo` reads for the actions of a company; it uses no other."""
    kinds = {action.waiting for action in catalogue.actions}
    return [table for kind, table in _TABLE_OF_WAITING.items() if kind in kinds]


def _find_waiting(
    ledger: Ledger, verdict: AccountVerdict, policy: Policy, catalogue: ActionCatalogue
) -> dict[str, TodoItem]:
    """Return the actions on what waits and is not late yet, by id; those without anything that waits are left out."""
    rules = {rule.metric: rule for rule in policy.rules_in_force(verdict.as_of)}
    found = {}
    for action in catalogue.actions:
        rule = next((rules[name] for name in action.metrics if name in rules), None)
        if action.kind != "due" or rule is None:
            continue
        days = sorted(_waiting_days(ledger, verdict, rule, str(action.waiting)), key=lambda one: (one[1], one[0]))
        orders = tuple(OrderToAct(order, day) for order, day in days if day >= verdict.as_of)
        past = tuple(OrderToAct(order, day) for order, day in days if day < verdict.as_of)
        if orders or (past and action.waiting == "shipments"):
            named = action.model_copy(update={"metrics": (rule.metric,)})
            found[action.id] = TodoItem(named, orders, past=past)
    return found


def _waiting_days(ledger: Ledger, verdict: AccountVerdict, rule: Rule, waiting: str) -> Iterator[tuple[str, date]]:
    """Yield the id of what waits on the as-of day, and the last day on which it is not late."""
    of_account = (nw.col("account") == verdict.account) & (nw.col("marketplace") == verdict.marketplace)
    if waiting == "shipments":
        due = find_waiting_orders(ledger, verdict.as_of)
        due = due[(due["account"] == verdict.account) & (due["marketplace"] == verdict.marketplace)]
        yield from zip(due["order_id"], due["ship_by_on"].dt.date, strict=True)
        return
    if waiting == "messages":
        rows = ledger.contacts.filter(of_account & (nw.col("kind") == "message"))
        hours = rule.basis.option("within_hours", 24)
        id_column, asked_on, ended_on = "contact_id", "received_on", "excused_on"
    else:
        rows, hours = ledger.returns.filter(of_account), 48
        id_column, asked_on, ended_on = "return_id", "requested_on", "cleared_on"
        # A request that the marketplace decided without an answer does not wait.
        rows = rows.filter(~nw.col("answered_on").is_null() | nw.col("decision").is_null())
    due_on = f"due_{hours}h_on"
    for row in records(collect_to_pandas(_open_on(rows, verdict.as_of, asked_on, ended_on).select(id_column, due_on))):
        yield row[id_column], row[due_on]


def _open_on(rows: Frame, as_of: date, asked_on: str, ended_on: str) -> Frame:
    """Return messages or requests that were asked by a day and neither answered nor ended by then."""
    by_then = [nw.col(name).is_null() | (nw.col(name) > nw.lit(as_of)) for name in ("answered_on", ended_on)]
    return rows.filter((nw.col(asked_on) <= nw.lit(as_of)) & by_then[0] & by_then[1])
