"""What is coming, and what would be if: outlook, whatif."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

import healthkit as hk
from healthkit.cli.options import (
    Account,
    Accounts,
    AsOf,
    Channel,
    Data,
    Form,
    Format,
    Marketplace,
    Metric,
    PolicyName,
    Window,
    account_names,
    app,
    columns,
    day,
    desk,
    fail,
    path,
    sentences,
    show,
    told,
    written,
)

LISTED = 20
"""So many days of a calendar a table lists; CSV and JSON hold all."""


@app.command(
    "outlook",
    epilog="Example: `python -m healthkit outlook --as-of 2026-10-31 --account birchway-crafts "
    "--metric late_shipment_rate --data data/sample_store`",
)
def outlook(
    as_of: AsOf,
    account: Accounts = None,
    metric: Annotated[str, typer.Option(help="One measure, day by day. Default: all that can be off target.")] = "",
    by: Annotated[
        date | None, typer.Option(parser=day, metavar="DAY", help="What would it take to be on target by this day?")
    ] = None,
    new_orders: Annotated[
        bool, typer.Option("--new-orders/--no-new-orders", help="Orders keep coming at the recent pace, or none do.")
    ] = True,
    ahead: Annotated[int, typer.Option(min=1, max=730, metavar="DAYS", help="Look so far ahead, at least.")] = 90,
    channel: Channel = "",
    window: Window = None,
    marketplace: Marketplace = "",
    policy: PolicyName = None,
    form: Form = Format.table,
    data: Data = None,
) -> None:
    """Say when each measure is back on target if nothing new goes wrong, and how many more orders may go wrong."""
    if by is not None and (not metric or by < as_of):
        raise typer.BadParameter("--by goes with --metric, and names a day from --as-of on.")
    with sentences():
        book = desk(data, policy)
        if not metric:
            rows = book.score(as_of, account)
            _print_all(book, rows, form, {"ahead": ahead, "new_orders": new_orders})
            return
        if not account or len(account) != 1:
            raise typer.BadParameter("--metric goes with one --account.")
        row = book.measure(account[0], metric, as_of, channel=channel, window=window, marketplace=marketplace)
        reach = max(ahead, (by - as_of).days) if by else ahead
        calendar = book.calendar(row, ahead=reach, new_orders=new_orders)
        calendar = replace(calendar, days=_judged_days(row, calendar.days))
        ways = book.goals(row, by, new_orders=new_orders) if by else []
        reason = _reason(book, row)
    if form is Format.json:
        days = calendar.days.assign(day=calendar.days["day"].dt.strftime("%Y-%m-%d"))
        told({
            "account": calendar.account, "metric": metric, "channel": calendar.channel, "window": calendar.window,
            "as_of": as_of, "status": row["status"], "reason": reason or None, "proxy": hk.tables.plain(row["proxy"]),
            "back_on": _back_on(row, calendar), "new_orders": calendar.new_orders,
            "days": days.astype(object).where(days.notna(), None).to_dict("records"),
            "goals": [way._asdict() | {"by": str(way.by), "best": None if way.best is None else str(way.best)}
                      for way in ways],
        })  # fmt: skip
        return
    if not written(calendar.days, form):
        if not calendar.days["counted"].any():
            name = hk.wording.opening(hk.wording.measure(metric, row["channel"], int(row["window"])))
            why = f" ({reason})" if reason else ""
            fail(f"{name}: nothing is counted in these days as of {as_of}{why}, so there is no rate that could move.")
        show(
            *_calendar(row, calendar, reason),
            *([] if by is None else _goals(row, calendar, by, ways)),
            *_proxies([row]),
        )


def _print_all(book: Any, rows: Any, form: Format, how: dict[str, Any]) -> None:
    """One line a measure that has a target: where it stands, its room, and when it is back."""
    if rows.empty:
        fail(f"No orders by that day in {book.store.folder}.")
    rates = rows[rows["target"].notna() & rows["metric"].map(lambda name: hk.wording.account.shows(name) == "rate")]
    calendars = [(row, book.calendar(row, **how)) for _, row in rates.iterrows()]
    names = ["account", "marketplace", "metric", "channel", "window", "as_of", "counted", "at_fault", "headroom",
             "status", "proxy"]  # fmt: skip
    ends = [{**row[names].to_dict(), "back_on": _back_on(row, one)} for row, one in calendars]
    made = hk.tables.framed(ends, [*names, "back_on"])
    if written(made, form):
        return
    words = hk.wording
    shown = columns({"Account": "left", "Measure": "long", "Rate": "right", "Status": "left", "Room": "left",
                     "Then": "left"})  # fmt: skip
    reasons, accounts = _reasons(book, rows), account_names(rows)
    for row, one in calendars:
        noun = words.metric(row["metric"]).noun
        room = words.foresight.room_ahead(hk.outlook.headroom_path(one), one.back_on, noun, row["as_of"].year)
        if row["status"] in hk.verdicts.UNJUDGED or not row["counted"]:
            room = _unjudged_room(row, one, reasons.get(_key(row), ""))
        mark = words.STATUSES[row["status"]][0]
        shown.add_row(
            accounts[row["account"], row["marketplace"]], _named(row),
            words.rate(row["counted"], row["at_fault"], row["side"], row["target"]),
            f"{mark} {row['status']}", *room,
        )  # fmt: skip
    show(shown, *_proxies([row for row, _ in calendars]), words.foresight.BEST_CASE if how["new_orders"] else
         words.foresight.NO_ORDERS)  # fmt: skip


def _named(row: Any) -> str:
    """The name of a measure, with the mark of an estimate where something was assumed."""
    words = hk.wording
    name = words.opening(words.measure(row["metric"], row["channel"], int(row["window"])))
    return name + (" ≈ proxy" if isinstance(row["proxy"], str) else "")


def _proxies(rows: list[Any]) -> list[str]:
    """What was assumed of some rows of SCORES, a line each."""
    found = sorted({row["proxy"] for row in rows if isinstance(row["proxy"], str)})
    return [f"≈ proxy: {hk.wording.assumptions(proxy)}" for proxy in found]


def _back_on(row: Any, calendar: Any) -> date | None:
    """The day from which a measure is on target for good; None where it is not, or cannot be judged."""
    return None if row["status"] in hk.verdicts.UNJUDGED else calendar.back_on


def _judged_days(row: Any, days: Any) -> Any:
    """The days of a calendar; where a measure cannot be judged, no day of it is on target or at risk."""
    if row["status"] not in hk.verdicts.UNJUDGED:
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
    when = hk.wording.day(first["day"].date(), calendar.as_of.year)
    return room, f"{hk.wording.count(first['counted'], first['at_fault'])} at fault on {when}"


def _key(row: Any) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("account", "marketplace", "metric", "channel", "window"))


def _reasons(book: Any, rows: Any) -> dict[tuple[Any, ...], str]:
    """Why measures of one day give no verdict by our files, in words; by account, marketplace, metric, channel and
    window."""
    words, made = hk.wording, {}
    for found in book.verdicts(rows["as_of"].iloc[0].date(), list(rows["account"].unique())):
        for one in found.measures:
            if one.reason is not None and one.ours is not None and one.rule is not None:
                noun, row = words.metric(one.metric).noun, one.ours
                why = words.reasons.why(
                    one.reason, noun, row["first_day"], row["last_day"], one.as_of.year, one.rule.minimum
                )
                message = why if one.reason.kind == "no orders" else f"cannot be judged: {why}"
                made[one.account, one.marketplace, one.metric, one.channel, one.window] = message
    return made


def _reason(book: Any, row: Any) -> str:
    """Why one measure cannot be judged by our files; empty where it can."""
    if row["status"] not in hk.verdicts.UNJUDGED:
        return ""
    return _reasons(book, row.to_frame().T).get(_key(row), "")


def _calendar(row: Any, calendar: Any, reason: str) -> list[Any]:
    """The finding of a calendar, and the days on which something changes."""
    words, year = hk.wording, calendar.as_of.year
    target = calendar.rule.target
    standing = words.Standing(row["metric"], int(row["counted"]), int(row["at_fault"]), target.side,
                              float(target.share), int(calendar.days["headroom"].iloc[0]))  # fmt: skip
    name = _named(row)
    rate = words.rate(row["counted"], row["at_fault"], target.side, target.share)
    noun = words.metric(row["metric"]).noun
    room = words.foresight.room_ahead(hk.outlook.headroom_path(calendar), calendar.back_on, noun, year)
    ahead = words.foresight.forecast_title(standing, calendar.as_of, calendar.back_on, calendar.last, year)
    shown = columns({"Day": "left", "Leave": "right", "Enter": "right", "At fault": "right", "Rate": "right",
                     "Status": "left", "Room": "right"})  # fmt: skip
    moves = calendar.days[(calendar.days["leaves"] > 0) | (calendar.days["enters"] > 0)]
    for one in moves.head(LISTED).itertuples():
        shown.add_row(
            words.day(one.day.date(), year), f"{one.leaves or ''}", f"{one.enters or ''}",
            words.count(one.counted, one.at_fault), words.rate(one.counted, one.at_fault, target.side, target.share),
            f"{words.STATUSES[one.status][0]} {one.status}", f"{one.headroom:,}",
        )  # fmt: skip
    more = len(moves) - LISTED
    first = [f"{name}: {rate}, {', '.join(filter(None, room))}.", f"{ahead}."]
    if row["status"] in hk.verdicts.UNJUDGED:
        first = [f"{name}: {rate or 'no orders counted yet'}, {_unjudged_room(row, calendar, reason)[0]}.",
                 "The days below count what the files tell; more may be at fault."]  # fmt: skip
    return [
        *first,
        words.foresight.BEST_CASE if calendar.new_orders else words.foresight.NO_ORDERS,
        *(["", shown] if len(moves) else []), *([f"and {more} more days; --format csv lists all."] if more > 0 else []),
    ]  # fmt: skip


def _goals(row: Any, held: Any, by: date, ways: list[Any]) -> list[str]:
    """What it would take to be on target by a day, a way a line."""
    words, noun = hk.wording, hk.wording.metric(row["metric"]).noun
    off = int(held.days.loc[held.days["day"].dt.date == by, "headroom"].iloc[0]) < 0
    if not off:
        unjudged = (
            f"On {words.long_day(by, held.as_of.year)} it is not off target by what the files tell; no more is known."
        )
        known = row["status"] not in hk.verdicts.UNJUDGED
        return ["", words.foresight.goals_by(by, held.as_of, [], held.as_of.year) if known else unjudged]
    said = [words.foresight.goal(way.kind, way.cause, way.many, way.by, way.best, noun) for way in ways]
    return ["", words.foresight.to_be_on_target(by, held.as_of, held.as_of.year), *(f"  · {one}" for one in said)]


@app.command(
    "whatif",
    epilog="Example: `python -m healthkit whatif --account lantern-hill-lighting --metric order_defect_rate "
    "--as-of 2026-10-31 --scenario docs/scenario.yaml --data data/sample_store`",
)
def what_if(
    account: Account,
    metric: Metric,
    as_of: AsOf,
    scenario: Annotated[
        Path, typer.Option(parser=path, metavar="FILE", help="A YAML file with the steps of the scenario.")
    ],
    channel: Channel = "",
    window: Window = None,
    marketplace: Marketplace = "",
    policy: PolicyName = None,
    new_orders: Annotated[
        bool, typer.Option("--new-orders/--no-new-orders", help="Orders keep coming at the recent pace, or none do.")
    ] = True,
    form: Form = Format.table,
    data: Data = None,
) -> None:
    """Score a measure again as if less had gone wrong, or more had sold: fewer claims, claims won, volume, rules."""
    with sentences():
        book = desk(data, policy)
        row = book.measure(account, metric, as_of, channel=channel, window=window, marketplace=marketplace)
        held = book.what_if(row, scenario, new_orders=new_orders)
        reason = _reason(book, row)
    backs = [_back_on(held.before, held.calendar), _back_on(held.after, held.edited)]
    if form is Format.json:
        told(_what_if_as_data(held, backs))
        return
    both = hk.tables.framed([held.before, held.after], held.before.index)
    if written(both.assign(back_on=backs), form):
        return
    words, year = hk.wording, as_of.year
    shown = columns({"": "left", "Rate": "right", "Count": "right", "Target": "left", "Status": "left", "Room": "right",
                     "Back on target for good": "left"})  # fmt: skip
    for name, one, calendar in (("As it is", held.before, held.calendar), ("What if", held.after, held.edited)):
        target = (one["side"], one["target"])
        shown.add_row(
            name, words.rate(one["counted"], one["at_fault"], *target), words.count(one["counted"], one["at_fault"]),
            words.target(*target), f"{words.STATUSES[one['status']][0]} {one['status']}",
            "" if hk.tables.plain(one["headroom"]) is None else f"{one['headroom']:,}",
            "cannot be judged" if one["status"] in hk.verdicts.UNJUDGED
            else words.foresight.back(calendar.back_on, as_of, year),
        )  # fmt: skip
    saved = held.saved["order_id"].tolist()
    unjudged = held.before["status"] in hk.verdicts.UNJUDGED or held.after["status"] in hk.verdicts.UNJUDGED
    difference = words.foresight.difference(held.before, held.after, *backs, year, unjudged=unjudged)
    why = [f"{_named(row)}: {reason or 'cannot be judged'}."] if row["status"] in hk.verdicts.UNJUDGED else []
    some = f"{', '.join(saved[:LISTED])}{f' and {len(saved) - LISTED:,} more' if len(saved) > LISTED else ''}"
    listed = [f"No longer at fault: {some}."] if saved else []
    show(
        difference,
        *why,
        "",
        shown,
        "",
        *listed,
        *_proxies([held.before, held.after]),
        words.foresight.BEST_CASE if new_orders else words.foresight.NO_ORDERS,
    )


def _what_if_as_data(answer: Any, backs: list[date | None]) -> dict[str, Any]:
    """A WhatIf as plain data; `backs` are the days on which both sides are back on target."""
    sides = {
        name: {**row.astype(object).where(row.notna(), None).to_dict(), "back_on": back}
        for name, row, back in (("before", answer.before, backs[0]), ("after", answer.after, backs[1]))
    }
    for side in sides.values():
        side.update({name: side[name].date() for name in ("as_of", "first_day", "last_day")})
    return {**sides, "saved": answer.saved["order_id"].tolist()}
