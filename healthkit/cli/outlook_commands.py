"""What is coming, and what would be if: outlook, whatif."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

import healthkit as hk
from healthkit.cli.options import (
    AccountOption,
    AccountsOption,
    AsOfOption,
    ChannelOption,
    DataOption,
    ErrorReporter,
    FormatOption,
    MarketplaceOption,
    MetricOption,
    OutputFormat,
    PolicyOption,
    WindowOption,
    account_labels,
    app,
    exit_with_error,
    make_table,
    open_workspace,
    parse_day,
    parse_path,
    print_wide,
    write_json,
    write_rows,
)
from healthkit.report.text import account as account_text
from healthkit.report.text import figures, labels, reasons, sentences
from healthkit.report.text import outlook as outlook_text

MAX_LISTED = 20
"""So many days of a calendar a table lists; CSV and JSON hold all."""


@app.command(
    "outlook",
    epilog="Example: `python -m healthkit outlook --as-of 2026-10-31 --account birchway-crafts "
    "--metric late_shipment_rate --data data/sample_store`",
)
def outlook(
    as_of: AsOfOption,
    account: AccountsOption = None,
    metric: Annotated[str, typer.Option(help="One measure, day by day. Default: all that can be off target.")] = "",
    by: Annotated[
        date | None,
        typer.Option(parser=parse_day, metavar="DAY", help="What would it take to be on target by this day?"),
    ] = None,
    new_orders: Annotated[
        bool, typer.Option("--new-orders/--no-new-orders", help="Orders keep coming at the recent pace, or none do.")
    ] = True,
    ahead: Annotated[int, typer.Option(min=1, max=730, metavar="DAYS", help="Look so far ahead, at least.")] = 90,
    channel: ChannelOption = "",
    window: WindowOption = None,
    marketplace: MarketplaceOption = "",
    policy: PolicyOption = None,
    form: FormatOption = OutputFormat.table,
    data: DataOption = None,
) -> None:
    """Say when each measure is back on target if nothing new goes wrong, and how many more orders may go wrong."""
    if by is not None and (not metric or by < as_of):
        raise typer.BadParameter("--by goes with --metric, and names a day from --as-of on.")
    with ErrorReporter():
        book = open_workspace(data, policy)
        if not metric:
            rows = book.score(as_of, account)
            _print_measures(book, rows, form, {"days_ahead": ahead, "new_orders": new_orders})
            return
        if not account or len(account) != 1:
            raise typer.BadParameter("--metric goes with one --account.")
        view = book.account(account[0], marketplace or None)
        row = view.measure(metric, as_of, channel=channel, window=window)
        reach = max(ahead, (by - as_of).days) if by else ahead
        calendar = view.calendar(row, days_ahead=reach, new_orders=new_orders)
        calendar = replace(calendar, days=_without_verdicts_if_unjudged(row, calendar.days))
        ways = view.goals(row, by, new_orders=new_orders) if by else []
        reason = _unjudged_reason(book, row)
    if form is OutputFormat.json:
        days = calendar.days.assign(day=calendar.days["day"].dt.strftime("%Y-%m-%d"))
        write_json({
            "account": calendar.account, "metric": metric, "channel": calendar.channel, "window": calendar.window,
            "as_of": as_of, "status": row["status"], "reason": reason or None,
            "proxy": hk.tables.to_plain_value(row["proxy"]),
            "back_on": _back_on(row, calendar), "new_orders": calendar.new_orders,
            "days": days.astype(object).where(days.notna(), None).to_dict("records"),
            "goals": [way._asdict() | {"by": str(way.by), "best": None if way.best is None else str(way.best)}
                      for way in ways],
        })  # fmt: skip
        return
    if not write_rows(calendar.days, form):
        if not calendar.days["counted"].any():
            name = labels.capitalise_first(sentences.measure_phrase(metric, row["channel"], int(row["window"])))
            why = f" ({reason})" if reason else ""
            exit_with_error(
                f"{name}: nothing is counted in these days as of {as_of}{why}, so there is no rate that could move."
            )
        print_wide(
            *_calendar_lines(row, calendar, reason),
            *([] if by is None else _goal_lines(row, calendar, by, ways)),
            *_proxy_lines([row]),
        )


def _print_measures(workspace: Any, rows: Any, output_format: OutputFormat, calendar_options: dict[str, Any]) -> None:
    """One line a measure that has a target: where it stands, its room, and when it is back."""
    if rows.empty:
        exit_with_error(f"No orders by that day in {workspace.store.folder}.")
    rates = rows[rows["target"].notna() & rows["metric"].map(lambda name: account_text.figure_kind(name) == "rate")]
    views = [(row, workspace.account(row["account"], row["marketplace"])) for _, row in rates.iterrows()]
    calendars = [(row, view.calendar(row, **calendar_options)) for row, view in views]
    names = ["account", "marketplace", "metric", "channel", "window", "as_of", "counted", "at_fault", "headroom",
             "status", "proxy"]  # fmt: skip
    ends = [{**row[names].to_dict(), "back_on": _back_on(row, one)} for row, one in calendars]
    made = hk.tables.records_to_frame(ends, [*names, "back_on"])
    if write_rows(made, output_format):
        return
    shown = make_table({"Account": "left", "Measure": "long", "Rate": "right", "Status": "left", "Room": "left",
                     "Then": "left"})  # fmt: skip
    reasons, accounts = _unjudged_reasons(workspace, rows), account_labels(rows)
    for row, one in calendars:
        noun = labels.metric_words(row["metric"]).noun
        room = outlook_text.room_ahead_lines(hk.rolloff.headroom_changes(one), one.back_on, noun, row["as_of"].year)
        if row["status"] in hk.verdicts.UNJUDGED_STATUSES or not row["counted"]:
            room = _unjudged_room(row, one, reasons.get(_measure_key(row), ""))
        mark = labels.STATUS_STYLES[row["status"]][0]
        shown.add_row(
            accounts[row["account"], row["marketplace"]], _measure_label(row),
            figures.format_rate(row["counted"], row["at_fault"], row["side"], row["target"]),
            f"{mark} {row['status']}", *room,
        )  # fmt: skip
    print_wide(shown, *_proxy_lines([row for row, _ in calendars]),
        outlook_text.BEST_CASE_NOTE if calendar_options["new_orders"] else
         outlook_text.NO_NEW_ORDERS_NOTE)  # fmt: skip


def _measure_label(row: Any) -> str:
    """The name of a measure, with the mark of an estimate where something was assumed."""
    name = labels.capitalise_first(sentences.measure_phrase(row["metric"], row["channel"], int(row["window"])))
    return name + (" ≈ proxy" if isinstance(row["proxy"], str) else "")


def _proxy_lines(rows: list[Any]) -> list[str]:
    """What was assumed of some rows of SCORES, a line each."""
    found = sorted({row["proxy"] for row in rows if isinstance(row["proxy"], str)})
    return [f"≈ proxy: {labels.assumptions_sentence(proxy)}" for proxy in found]


def _back_on(row: Any, calendar: Any) -> date | None:
    """The day from which a measure is on target for good; None where it is not, or cannot be judged."""
    return None if row["status"] in hk.verdicts.UNJUDGED_STATUSES else calendar.back_on


def _without_verdicts_if_unjudged(row: Any, days: Any) -> Any:
    """The days of a calendar; where a measure cannot be judged, no day of it is on target or at risk."""
    if row["status"] not in hk.verdicts.UNJUDGED_STATUSES:
        return days
    good = days["status"].isin(["on target", "at risk"])
    status = "incomplete" if row["status"] == "no data" else row["status"]
    return days.assign(status=days["status"].where(~good, status))


def _unjudged_room(row: Any, calendar: Any, reason: str) -> tuple[str, str]:
    """In place of the room of a measure that cannot be judged or counts nothing: why, and when orders will count."""
    counted = calendar.days[calendar.days["counted"] > 0]
    room = reason or f"cannot be judged: {row['status']}"
    if row["counted"] or counted.empty or not calendar.orders.shape[0]:
        return room, ""
    first = counted.loc[counted["at_fault"].idxmax()]
    when = figures.format_day(first["day"].date(), calendar.as_of.year)
    return room, f"{figures.format_count(first['counted'], first['at_fault'])} at fault on {when}"


def _measure_key(row: Any) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("account", "marketplace", "metric", "channel", "window"))


def _unjudged_reasons(workspace: Any, rows: Any) -> dict[tuple[Any, ...], str]:
    """Why measures of one day give no verdict by our files, in words; by account, marketplace, metric, channel and
    window."""
    made = {}
    for found in workspace.verdicts(rows["as_of"].iloc[0].date(), list(rows["account"].unique())):
        for one in found.measures:
            if one.reason is not None and one.ours is not None and one.rule is not None:
                noun, row = labels.metric_words(one.metric).noun, one.ours
                why = reasons.unjudged_reason(
                    one.reason, noun, row["first_day"], row["last_day"], one.as_of.year, one.rule.minimum
                )
                message = why if one.reason.kind == "no orders" else f"cannot be judged: {why}"
                made[one.account, one.marketplace, one.metric, one.channel, one.window] = message
    return made


def _unjudged_reason(workspace: Any, row: Any) -> str:
    """Why one measure cannot be judged by our files; empty where it can."""
    if row["status"] not in hk.verdicts.UNJUDGED_STATUSES:
        return ""
    return _unjudged_reasons(workspace, row.to_frame().T).get(_measure_key(row), "")


def _calendar_lines(row: Any, calendar: Any, reason: str) -> list[Any]:
    """The finding of a calendar, and the days on which something changes."""
    year = calendar.as_of.year
    target = calendar.rule.target
    standing = sentences.MeasureStanding(row["metric"], int(row["counted"]), int(row["at_fault"]), target.side,
                              float(target.share), int(calendar.days["headroom"].iloc[0]))  # fmt: skip
    name = _measure_label(row)
    rate = figures.format_rate(row["counted"], row["at_fault"], target.side, target.share)
    noun = labels.metric_words(row["metric"]).noun
    room = outlook_text.room_ahead_lines(hk.rolloff.headroom_changes(calendar), calendar.back_on, noun, year)
    ahead = outlook_text.forecast_title(standing, calendar.as_of, calendar.back_on, calendar.last_day, year)
    shown = make_table({"Day": "left", "Leave": "right", "Enter": "right", "At fault": "right", "Rate": "right",
                     "Status": "left", "Room": "right"})  # fmt: skip
    moves = calendar.days[(calendar.days["leaves"] > 0) | (calendar.days["enters"] > 0)]
    for one in moves.head(MAX_LISTED).itertuples():
        shown.add_row(
            figures.format_day(one.day.date(), year), f"{one.leaves or ''}", f"{one.enters or ''}",
            figures.format_count(one.counted, one.at_fault),
            figures.format_rate(one.counted, one.at_fault, target.side, target.share),
            f"{labels.STATUS_STYLES[one.status][0]} {one.status}", f"{one.headroom:,}",
        )  # fmt: skip
    more = len(moves) - MAX_LISTED
    first = [f"{name}: {rate}, {', '.join(filter(None, room))}.", f"{ahead}."]
    if row["status"] in hk.verdicts.UNJUDGED_STATUSES:
        first = [f"{name}: {rate or 'no orders counted yet'}, {_unjudged_room(row, calendar, reason)[0]}.",
                 "The days below count what the files tell; more may be at fault."]  # fmt: skip
    return [
        *first,
        outlook_text.BEST_CASE_NOTE if calendar.new_orders else outlook_text.NO_NEW_ORDERS_NOTE,
        *(["", shown] if len(moves) else []), *([f"and {more} more days; --format csv lists all."] if more > 0 else []),
    ]  # fmt: skip


def _goal_lines(row: Any, calendar: Any, by: date, goals: list[Any]) -> list[str]:
    """What it would take to be on target by a day, a way a line."""
    noun = labels.metric_words(row["metric"]).noun
    off = int(calendar.days.loc[calendar.days["day"].dt.date == by, "headroom"].iloc[0]) < 0
    if not off:
        unjudged = (
            f"On {figures.format_long_day(by, calendar.as_of.year)} it is not off target by what the files tell; "
            "no more is known."
        )
        known = row["status"] not in hk.verdicts.UNJUDGED_STATUSES
        return ["", outlook_text.goals_sentence(by, calendar.as_of, [], calendar.as_of.year) if known else unjudged]
    said = [outlook_text.goal_phrase(way.kind, way.cause, way.many, way.by, way.best, noun) for way in goals]
    return [
        "",
        outlook_text.goals_lead(by, calendar.as_of, calendar.as_of.year),
        *(f"  · {one}" for one in said),
    ]


@app.command(
    "whatif",
    epilog="Example: `python -m healthkit whatif --account lantern-hill-lighting --metric order_defect_rate "
    "--as-of 2026-10-31 --scenario docs/scenario.yaml --data data/sample_store`",
)
def what_if(
    account: AccountOption,
    metric: MetricOption,
    as_of: AsOfOption,
    scenario: Annotated[
        Path, typer.Option(parser=parse_path, metavar="FILE", help="A YAML file with the steps of the scenario.")
    ],
    channel: ChannelOption = "",
    window: WindowOption = None,
    marketplace: MarketplaceOption = "",
    policy: PolicyOption = None,
    new_orders: Annotated[
        bool, typer.Option("--new-orders/--no-new-orders", help="Orders keep coming at the recent pace, or none do.")
    ] = True,
    form: FormatOption = OutputFormat.table,
    data: DataOption = None,
) -> None:
    """Score a measure again as if less had gone wrong, or more had sold: fewer claims, claims won, volume, rules."""
    with ErrorReporter():
        book = open_workspace(data, policy)
        view = book.account(account, marketplace or None)
        row = view.measure(metric, as_of, channel=channel, window=window)
        held = view.what_if(row, scenario, new_orders=new_orders)
        reason = _unjudged_reason(book, row)
    backs = [_back_on(held.before, held.calendar_before), _back_on(held.after, held.calendar_after)]
    if form is OutputFormat.json:
        write_json(_what_if_as_data(held, backs))
        return
    both = hk.tables.records_to_frame([held.before, held.after], held.before.index)
    if write_rows(both.assign(back_on=backs), form):
        return
    year = as_of.year
    shown = make_table({"": "left", "Rate": "right", "Count": "right", "Target": "left", "Status": "left",
        "Room": "right",
                     "Back on target for good": "left"})  # fmt: skip
    for name, one, calendar in (
        ("As it is", held.before, held.calendar_before),
        ("What if", held.after, held.calendar_after),
    ):
        target = (one["side"], one["target"])
        shown.add_row(
            name, figures.format_rate(one["counted"], one["at_fault"], *target),
            figures.format_count(one["counted"], one["at_fault"]),
            figures.format_target(*target), f"{labels.STATUS_STYLES[one['status']][0]} {one['status']}",
            "" if hk.tables.to_plain_value(one["headroom"]) is None else f"{one['headroom']:,}",
            "cannot be judged" if one["status"] in hk.verdicts.UNJUDGED_STATUSES
            else outlook_text.format_return_date(calendar.back_on, as_of, year),
        )  # fmt: skip
    saved = held.orders_saved["order_id"].tolist()
    unjudged = (
        held.before["status"] in hk.verdicts.UNJUDGED_STATUSES or held.after["status"] in hk.verdicts.UNJUDGED_STATUSES
    )
    difference = outlook_text.scenario_sentence(held.before, held.after, backs[0], backs[1], year, unjudged=unjudged)
    why = (
        [f"{_measure_label(row)}: {reason or 'cannot be judged'}."]
        if row["status"] in hk.verdicts.UNJUDGED_STATUSES
        else []
    )
    some = (
        f"{', '.join(saved[:MAX_LISTED])}{f' and {len(saved) - MAX_LISTED:,} more' if len(saved) > MAX_LISTED else ''}"
    )
    listed = [f"No longer at fault: {some}."] if saved else []
    print_wide(
        difference,
        *why,
        "",
        shown,
        "",
        *listed,
        *_proxy_lines([held.before, held.after]),
        outlook_text.BEST_CASE_NOTE if new_orders else outlook_text.NO_NEW_ORDERS_NOTE,
    )


def _what_if_as_data(answer: Any, back_on_days: list[date | None]) -> dict[str, Any]:
    """A WhatIf as plain data; `backs` are the days on which both sides are back on target."""
    sides = {
        name: {**row.astype(object).where(row.notna(), None).to_dict(), "back_on": back}
        for name, row, back in (("before", answer.before, back_on_days[0]), ("after", answer.after, back_on_days[1]))
    }
    for side in sides.values():
        side.update({name: side[name].date() for name in ("as_of", "first_day", "last_day")})
    return {**sides, "saved": answer.orders_saved["order_id"].tolist()}
