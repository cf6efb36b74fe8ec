"""The list "what to do, in order" of an account as rows: actions for the orders at fault, and files to bring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any, NamedTuple

import pandas as pd

from healthkit.analysis.account_view import AccountView
from healthkit.analysis.rolloff import OutlookError, RollOffCalendar
from healthkit.analysis.simulation import Simulation
from healthkit.analysis.todo import FAILING_STATUSES, MeasureKey, MeasureTodo, OrderToAct, Todo
from healthkit.analysis.verdicts import AMAZON, AccountVerdict, MissingEvidence, Verdict, newer_orders
from healthkit.ingest.downloads import DownloadAdvice, recommend_downloads
from healthkit.report.model import SIMULATION_DRAWS, MonthlyReport
from healthkit.report.text import downloads as downloads_text
from healthkit.report.text import labels, sentences
from healthkit.report.text import outlook as outlook_text
from healthkit.report.text import todo as todo_text
from healthkit.schema import tables
from healthkit.schema.days import Day, to_day

GrantedFutures = Mapping[tuple[str, ...], Simulation]
"""Futures with a request granted, by the ids of its orders."""


class TodoOrder(NamedTuple):
    """One order of a row: its id, the address of its page in the marketplace ("" if unknown), and its last day."""

    order_id: str
    link: str
    last_day: date | None


class TodoRow(NamedTuple):
    """One row of the list: an action for a measure, or a file to bring (`kind` is `file`).

    `orders` are in the order of doing; the first `needed` are the smallest set that is enough (None: all, or none is).
    `until` says until when, `brings` what it brings in the best case and is likely with it, `likely` without it, `past`
    for how many orders it is too late. `where`, `grounds` and `note` say how; `source`, `url`, `read` and `sure` whose
    word that is.
    """

    position: int
    account: str
    marketplace: str
    status: str
    measure: str
    metric: str
    channel: str
    window: int | None
    action: str
    action_id: str
    kind: str
    orders: tuple[TodoOrder, ...] = ()
    needed: int | None = None
    orders_phrase: str = ""
    last_day: date | None = None
    until: str = ""
    brings: str = ""
    likely: str = ""
    past: str = ""
    where: str = ""
    grounds: tuple[str, ...] = ()
    note: str = ""
    source: str = ""
    url: str = ""
    read: date | None = None
    sure: str = ""

    @property
    def first_orders(self) -> tuple[TodoOrder, ...]:
        """The orders whose effect `brings` says: the smallest set that is enough, or all."""
        return self.orders[: self.needed]


def account_todo(
    view: AccountView,
    as_of: Day,
    *,
    draws: int = SIMULATION_DRAWS,
    verdict: AccountVerdict | None = None,
    scored: pd.DataFrame | None = None,
) -> list[TodoRow]:
    """Return the rows of an account as of a day; `draws` futures say what is likely for each measure off target.

    `verdict` and `scored`, the account's rows of SCORES of that day, are computed if not given. Raises
    PolicyError for a day before the policy begins.
    """
    verdict = view.verdict(to_day(as_of)) if verdict is None else verdict
    scored = view.score(verdict.as_of) if scored is None else scored
    calendars: dict[MeasureKey, RollOffCalendar] = {}
    rows: dict[MeasureKey, pd.Series] = {}
    failing = {(one.metric, one.channel, one.window) for one in verdict.measures if one.status in FAILING_STATUSES}
    for _, row in scored[scored["rate"].notna()].iterrows():
        key = row["metric"], row["channel"], int(row["window"])
        if key in failing:
            with suppress(OutlookError):
                calendars[key], rows[key] = view.calendar(row), row
    todo = view.todo(as_of, verdict=verdict, scored=scored, calendars=calendars)
    futures: dict[MeasureKey, Simulation] = {}
    granted: dict[MeasureKey, GrantedFutures] = {}
    for key, row in rows.items():
        with suppress(OutlookError):
            futures[key], _, granted[key] = view.strongest_steps(
                row, calendars[key], todo.steps_if_granted(key), only_requests=True, draws=draws
            )
    return todo_rows(todo, verdict, calendars, futures, granted)


def todo_rows(
    todo: Todo,
    verdict: AccountVerdict,
    calendars: Mapping[MeasureKey, RollOffCalendar],
    futures: Mapping[MeasureKey, Simulation],
    granted: Mapping[MeasureKey, GrantedFutures],
    newer: Sequence[MissingEvidence] = (),
) -> list[TodoRow]:
    """Return the rows of a list: measures off target or at risk first, then files to bring, then what waits.

    Where order files end too early, the file of newer orders comes before all. `futures` are simulated as it goes on,
    `granted` with requests granted. `newer` are the days after the verdict that no order file covers (see
    `verdicts.newer_orders`).
    """
    by_key = {(one.metric, one.channel, one.window): one for one in verdict.measures}
    failing: list[TodoRow] = []
    others: list[TodoRow] = []
    for measure in todo.measures:
        key = measure.metric, measure.channel, measure.window
        likely = _likely(measure, calendars.get(key), futures.get(key))
        rows = failing if measure.status in FAILING_STATUSES else others
        rows += _measure_rows(todo, measure, by_key[key], likely, granted.get(key, {}))
    files_advised = files_to_bring(verdict, newer)
    files = list(_file_rows(verdict, files_advised, has_ended=bool(newer)))
    orders = [row for is_first, row in files if is_first]
    # Where the orders of a failing measure are not known, the file that has them is what can be done.
    helped = {name for advice in files_advised for name in advice.measures}
    failing = [row for row in failing if row.kind != "none" or row.metric not in helped]
    rows = [*orders, *failing, *(row for is_first, row in files if not is_first), *others]
    return [row._replace(position=position) for position, row in enumerate(rows, 1)]


def _likely(measure: MeasureTodo, calendar: RollOffCalendar | None, futures: Simulation | None) -> str:
    """Return what is likely for a measure without any action; "" if it was not simulated, or its figure is not ours."""
    if calendar is None or futures is None or measure.figure_is_reported:
        return ""
    return outlook_text.likely_return_phrase(futures, calendar, calendar.as_of.year)


def _measure_rows(
    todo: Todo, measure: MeasureTodo, verdict: Verdict, likely: str, granted: GrantedFutures
) -> Iterator[TodoRow]:
    words = labels.metric_words(measure.metric)
    noun = "order" if measure.channel != "all" and words.noun != "return" else words.noun
    row = verdict.decisive_row
    target = row["side"], row["target"]
    first_request = next((item for item in measure.items if item.action.kind == "clear" and item.orders), None)
    company = labels.company_of(todo.marketplace)
    for item in measure.items:
        action, brings = item.action, todo_text.brings_phrase(item, measure, *target, todo.as_of, company, noun)
        if (with_request := granted.get(item.saved_orders)) is not None:
            brings += f"; at the usual pace {outlook_text.likely_clause(with_request, todo.as_of.year)}"
        if item is first_request and measure.together is not None and measure.now is not None:
            brings += f"; {todo_text.together_phrase(measure.together, measure.now, *target, todo.as_of)}"
        deadline_note = "" if action.deadline is None else action.deadline.note
        yield TodoRow(
            0, todo.account, todo.marketplace, measure.status, _measure_label(verdict, company), measure.metric,
            measure.channel, measure.window, action.title, action.id, action.kind,
            tuple(_order(todo, one, linked=noun == "order") for one in item.orders), item.needed,
            todo_text.orders_phrase(item, noun), item.last_day, todo_text.last_day_phrase(item, todo.as_of.year),
            brings, likely, todo_text.past_phrase(item, noun), action.where, action.grounds,
            " ".join(filter(None, (action.note, deadline_note))), action.source, action.url, action.read, action.sure,
        )  # fmt: skip
    if not measure.items:
        yield TodoRow(
            0, todo.account, todo.marketplace, measure.status, _measure_label(verdict, company), measure.metric,
            measure.channel, measure.window, todo_text.NO_ACTION, "", "none", likely=likely,
        )  # fmt: skip


def _measure_label(verdict: Verdict, company: str) -> str:
    """Return the name of a measure; its window only where the rule has several."""
    channel = "" if verdict.channel in ("seller", "all") else verdict.channel
    window = verdict.window if verdict.rule is not None and len(verdict.rule.windows) > 1 else 0
    return labels.capitalise_first(sentences.measure_phrase(verdict.metric, channel, window, company))


def _order(todo: Todo, order: OrderToAct, linked: bool) -> TodoOrder:
    link = todo.catalogue.order_link(todo.marketplace, order.order_id) if linked else ""
    return TodoOrder(order.order_id, link, order.last_day)


def files_to_bring(verdict: AccountVerdict, newer: Sequence[MissingEvidence]) -> list[DownloadAdvice]:
    """Return the files to bring for enforced measures that cannot be judged, or of which only the figure is known.

    `newer` are the orders that lack the last days (see `newer_orders`).
    """
    lacking = [
        *verdict.enforced_unjudged,
        *(one for one in verdict.measures if one.decided_by == AMAZON and one.status in FAILING_STATUSES),
    ]
    advice = recommend_downloads([*newer, *verdict.missing_evidence(lacking)], verdict.marketplace)
    return [one for one in advice if one.kind]


def _file_rows(
    verdict: AccountVerdict, files: Sequence[DownloadAdvice], has_ended: bool
) -> Iterator[tuple[bool, TodoRow]]:
    """Yield the files to bring, each marked if it is the file of orders and lacks the last days, or all.

    `has_ended` says that the files end before the day asked for.
    """
    unjudged = {one.metric for one in verdict.enforced_unjudged}
    # Where only the marketplace's figure is known, its status is that of the measure.
    status_by_metric = {one.metric: one.status for one in reversed(verdict.measures)}
    for advice in files:
        cells = downloads_text.advice_cells(advice)
        is_first = "orders" in advice.evidence and advice.missing != "start"
        is_unjudged = bool((has_ended and is_first) or unjudged & {*advice.measures})
        status = "cannot be judged" if is_unjudged else status_by_metric[advice.measures[0]]
        yield is_first, TodoRow(
            0, verdict.account, verdict.marketplace, status, cells["measures"], advice.measures[0], "",
            None, downloads_text.bring_file_phrase(advice), advice.kind, "file",
            until=labels.lowercase_first(cells["days"]), brings=downloads_text.file_brings_phrase(advice),
            where=cells["place"], note=cells["note"],
        )  # fmt: skip


FRAME_COLUMNS = (
    "position", "account", "marketplace", "status", "measure", "metric", "channel", "window", "action", "action_id",
    "kind", "orders", "needed", "order_ids", "last_day", "until", "brings", "likely", "past", "where", "grounds",
    "note", "source", "url", "read", "sure",
)  # fmt: skip
"""Columns of the list as a table; `orders` is their number, `order_ids` names them, joined by "; "."""


def todo_frame(rows: Sequence[TodoRow]) -> pd.DataFrame:
    """Return the rows as a table, with the columns FRAME_COLUMNS."""
    records: list[dict[str, Any]] = [
        row._asdict()
        | {
            "orders": len(row.orders),
            "order_ids": "; ".join(one.order_id for one in row.orders),
            "grounds": "; ".join(row.grounds),
        }
        for row in rows
    ]
    return tables.records_to_frame(records, FRAME_COLUMNS)


def todo_as_data(rows: Sequence[TodoRow]) -> list[dict[str, Any]]:
    """Return the rows as data for JSON: each with its orders, their pages and their last days; days as ISO text."""
    return [_plain(row._asdict()) | {"orders": [_plain(one._asdict()) for one in row.orders]} for row in rows]


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in fields.items()}


def leading_rows(rows: Sequence[TodoRow], limit: int) -> list[TodoRow]:
    """Return the rows that a short list shows: the first of each measure, at most `limit`."""
    first = {(row.metric, row.channel): row for row in reversed(rows)}
    return sorted(first.values())[:limit]


def report_todo(report: MonthlyReport) -> list[TodoRow]:
    """Return the rows of a monthly report; none if it was built without them."""
    if report.todo is None or report.verdict is None:
        return []
    newer = newer_orders(report.verdict, report.begins_on, report.ends_on, report.month_end or report.as_of)
    return todo_rows(report.todo, report.verdict, report.calendars, report.futures, report.granted, newer)
