"""Commands about the future: outlook, whatif."""

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
    NewOrdersOption,
    OutputFormat,
    PolicyOption,
    WindowOption,
    account_labels,
    app,
    exit_with_error,
    integer_text,
    make_table,
    measure_key,
    measure_label,
    no_orders_error,
    open_measure,
    open_workspace,
    parse_day,
    parse_path,
    print_wide,
    proxy_lines,
    status_label,
    unjudged_reason,
    warn_of_accounts_without_orders,
    warn_of_unjudged_stores,
    write_answer,
)
from healthkit.report.text import account as account_text
from healthkit.report.text import figures, labels
from healthkit.report.text import outlook as outlook_text

MAX_LISTED = 20
"""Maximum number of days that a table lists; CSV and JSON contain all days."""


@app.command(
    "outlook",
    epilog="Example: `python -m healthkit outlook --as-of 2026-10-31 --account birchway-crafts "
    "--metric late_shipment_rate --data data/sample_store`",
)
def outlook(
    as_of: AsOfOption,
    account: AccountsOption = None,
    metric: Annotated[
        str, typer.Option(help="One measure, day by day. Default: all measures that have a target.")
    ] = "",
    by: Annotated[
        date | None,
        typer.Option(parser=parse_day, metavar="DAY", help="Show what it takes to be on target by this day."),
    ] = None,
    new_orders: NewOrdersOption = True,
    ahead: Annotated[int, typer.Option(min=1, max=730, metavar="DAYS", help="Shortest forecast.")] = 90,
    channel: ChannelOption = "",
    window: WindowOption = None,
    marketplace: MarketplaceOption = "",
    policy: PolicyOption = None,
    form: FormatOption = OutputFormat.table,
    data: DataOption = None,
) -> None:
    """Print when each measure is back on target if no new defect occurs, and how many more defects it allows."""
    if by is not None and (not metric or by < as_of):
        raise typer.BadParameter("--by goes with --metric, and names a day from --as-of on.")
    with ErrorReporter():
        if not metric:
            workspace = open_workspace(data, policy)
            rows = workspace.score(as_of, account)
            if rows.empty:
                exit_with_error(no_orders_error(workspace, as_of, account))
            _print_measures(workspace, rows, form, {"days_ahead": ahead, "new_orders": new_orders})
            warn_of_accounts_without_orders(workspace, account)
            warn_of_unjudged_stores(workspace, account)
            return
        if not account or len(account) != 1:
            raise typer.BadParameter("--metric goes with one --account.")
        workspace, view, row = open_measure(
            data, policy, account[0], metric, as_of, channel=channel, window=window, marketplace=marketplace
        )
        reach = max(ahead, (by - as_of).days) if by else ahead
        calendar = view.calendar(row, days_ahead=reach, new_orders=new_orders)
        calendar = replace(calendar, days=_without_verdicts_if_unjudged(row, calendar.days))
        ways = view.goals(row, by, new_orders=new_orders) if by else []
        reason = _unjudged_reason(workspace, row)
        futures = _simulate(workspace, row)
        likely = _likely_phrase(workspace, row, calendar, futures)

    def as_json() -> dict[str, Any]:
        days = calendar.days.assign(day=calendar.days["day"].dt.strftime("%Y-%m-%d"))
        return {
            "account": calendar.account, "metric": metric, "channel": calendar.channel, "window": calendar.window,
            "as_of": as_of, "status": row["status"], "reason": reason or None,
            "proxy": hk.tables.to_plain_value(row["proxy"]),
            "back_on": _back_on(row, calendar), "likely": likely, "new_orders": calendar.new_orders,
            "days": days.astype(object).where(days.notna(), None).to_dict("records"),
            "goals": [way._asdict() | {"by": str(way.by), "best": None if way.best is None else str(way.best)}
                      for way in ways],
        }  # fmt: skip

    if write_answer(form, calendar.days, as_json):
        return
    if not calendar.days["counted"].any():
        name = measure_label(row)
        why = f" ({reason})" if reason else ""
        exit_with_error(
            f"{name}: nothing is counted in these days as of {as_of}{why}, so there is no rate that could move."
        )
    print_wide(
        *_calendar_lines(row, calendar, reason, likely),
        *([] if by is None else _goal_lines(row, calendar, by, ways, likely, futures)),
        *proxy_lines([row["proxy"]]),
    )


def _print_measures(workspace: Any, rows: Any, output_format: OutputFormat, calendar_options: dict[str, Any]) -> None:
    """Print each measure that has a target: its rate, status, headroom and return day."""
    rates = rows[rows["target"].notna() & rows["metric"].map(lambda name: account_text.figure_kind(name) == "rate")]
    calendars = [
        (row, workspace.account(row["account"], row["marketplace"]).calendar(row, **calendar_options))
        for _, row in rates.iterrows()
    ]
    names = ["account", "marketplace", "metric", "channel", "window", "as_of", "counted", "at_fault", "headroom",
             "status", "proxy"]  # fmt: skip
    likely = [_likely_phrase(workspace, row, one, _simulate(workspace, row)) for row, one in calendars]
    records = [
        {**row[names].to_dict(), "back_on": _back_on(row, one), "likely": phrase}
        for (row, one), phrase in zip(calendars, likely, strict=True)
    ]
    if write_answer(output_format, hk.tables.records_to_frame(records, [*names, "back_on", "likely"])):
        return
    table = make_table({"Account": "left", "Measure": "long", "Rate": "right", "Status": "left", "Room": "left",
                     "Then, and what is likely": "long"})  # fmt: skip
    reasons, accounts = _unjudged_reasons(workspace, rows), account_labels(rows)
    for (row, one), phrase in zip(calendars, likely, strict=True):
        noun = labels.metric_words(row["metric"]).noun
        now, then = outlook_text.room_ahead_lines(hk.rolloff.headroom_changes(one), noun, row["as_of"].year)
        room = now, "; ".join(filter(None, [then, phrase]))
        if row["status"] in hk.verdicts.UNJUDGED_STATUSES or not row["counted"]:
            room = _unjudged_room(row, one, reasons.get(measure_key(row), ""))
        table.add_row(
            accounts[row["account"], row["marketplace"]], _label_with_proxy(row),
            figures.format_rate(row["counted"], row["at_fault"], row["side"], row["target"]),
            status_label(row["status"]), *room,
        )  # fmt: skip
    print_wide(
        table,
        *proxy_lines(row["proxy"] for row, _ in calendars),
        *([outlook_text.LIKELY_NOTE] if any(likely) else []),
        outlook_text.BEST_CASE_NOTE if calendar_options["new_orders"] else outlook_text.NO_NEW_ORDERS_NOTE,
    )


def _label_with_proxy(row: Any) -> str:
    """Return the name of the measure of a row of SCORES; an estimate is marked as proxy."""
    name = measure_label(row)
    return name + (" ≈ proxy" if isinstance(row["proxy"], str) else "")


def _back_on(row: Any, calendar: Any) -> date | None:
    """Return the day from which a measure stays on target; None if there is none or it cannot be judged."""
    return None if row["status"] in hk.verdicts.UNJUDGED_STATUSES else calendar.back_on


def _simulate(workspace: Any, row: Any) -> Any:
    """Return the simulated futures of a measure that is off target or at risk; None for others.

    They are as many as in the monthly report, so that both state the same days.
    """
    if row["status"] not in ("off target", "at risk"):
        return None
    view = workspace.account(row["account"], row["marketplace"])
    return view.simulate(row, draws=hk.model.SIMULATION_DRAWS, bands=False)


def _likely_phrase(workspace: Any, row: Any, calendar: Any, futures: Any) -> str:
    """Return what is likely for a measure with simulated futures; "" without."""
    if futures is None:
        return ""
    view = workspace.account(row["account"], row["marketplace"])
    best = calendar if calendar.new_orders else view.calendar(row)
    return outlook_text.likely_return_phrase(futures, best, calendar.as_of.year)


def _without_verdicts_if_unjudged(row: Any, days: Any) -> Any:
    """Return the days of a calendar; for a measure that cannot be judged, none is "on target" or "at risk"."""
    if row["status"] not in hk.verdicts.UNJUDGED_STATUSES:
        return days
    good = days["status"].isin(["on target", "at risk"])
    status = "incomplete" if row["status"] == "no data" else row["status"]
    return days.assign(status=days["status"].where(~good, status))


def _unjudged_room(row: Any, calendar: Any, reason: str) -> tuple[str, str]:
    """Return why a measure has no headroom, and on which day its orders will count (empty if unknown)."""
    counted = calendar.days[calendar.days["counted"] > 0]
    room = reason or f"cannot be judged: {row['status']}"
    if row["counted"] or counted.empty or not calendar.orders.shape[0]:
        return room, ""
    first = counted.loc[counted["at_fault"].idxmax()]
    when = figures.format_day(first["day"].date(), calendar.as_of.year)
    return room, f"{figures.format_count(first['counted'], first['at_fault'])} at fault on {when}"


def _unjudged_reasons(workspace: Any, rows: Any) -> dict[tuple[Any, ...], str]:
    """Return why the order files cannot judge measures, by `measure_key`; `rows` are SCORES of one day."""
    reasons = {}
    for account in workspace.verdicts(rows["as_of"].iloc[0].date(), list(rows["account"].unique())):
        for one in account.measures:
            if one.reason is not None and one.ours is not None and one.rule is not None:
                reason = unjudged_reason(one)
                reasons[measure_key(one)] = reason if one.reason.kind == "no orders" else f"cannot be judged: {reason}"
    return reasons


def _unjudged_reason(workspace: Any, row: Any) -> str:
    """Return why the order files cannot judge a measure; empty if they can."""
    if row["status"] not in hk.verdicts.UNJUDGED_STATUSES:
        return ""
    return _unjudged_reasons(workspace, row.to_frame().T).get(measure_key(row), "")


def _calendar_lines(row: Any, calendar: Any, reason: str, likely: str) -> list[Any]:
    """Return a sentence on a forecast, and a table of the days on which orders enter or leave the window."""
    year = calendar.as_of.year
    target = calendar.rule.target
    name = _label_with_proxy(row)
    rate = figures.format_rate(row["counted"], row["at_fault"], target.side, target.share)
    noun = labels.metric_words(row["metric"]).noun
    room = outlook_text.room_ahead_lines(hk.rolloff.headroom_changes(calendar), noun, year)
    table = make_table({"Day": "left", "Leave": "right", "Enter": "right", "At fault": "right", "Rate": "right",
                     "Status": "left", "Room": "right"})  # fmt: skip
    moves = calendar.days[(calendar.days["leaves"] > 0) | (calendar.days["enters"] > 0)]
    for one in moves.head(MAX_LISTED).itertuples():
        table.add_row(
            figures.format_day(one.day.date(), year), f"{one.leaves or ''}", f"{one.enters or ''}",
            figures.format_count(one.counted, one.at_fault),
            figures.format_rate(one.counted, one.at_fault, target.side, target.share),
            status_label(one.status), f"{one.headroom:,}",
        )  # fmt: skip
    more = len(moves) - MAX_LISTED
    first = [f"{name}: {rate}, {', '.join(filter(None, room))}.",
             *([f"{labels.capitalise_first(likely)}."] if likely else [])]  # fmt: skip
    if row["status"] in hk.verdicts.UNJUDGED_STATUSES:
        first = [f"{name}: {rate or 'no orders counted yet'}, {_unjudged_room(row, calendar, reason)[0]}.",
                 "The days below count what the files hold; more orders may be at fault."]  # fmt: skip
    return [
        *first,
        *([outlook_text.LIKELY_NOTE] if likely else []),
        outlook_text.BEST_CASE_NOTE if calendar.new_orders else outlook_text.NO_NEW_ORDERS_NOTE,
        *(["", table] if len(moves) else []), *([f"and {more} more days; --format csv lists all."] if more > 0 else []),
    ]  # fmt: skip


def _goal_lines(row: Any, calendar: Any, by: date, goals: list[Any], likely: str, futures: Any) -> list[str]:
    """Return what it takes to be on target by a day, one way a line."""
    noun = labels.metric_words(row["metric"]).noun
    off = int(calendar.days.loc[calendar.days["day"].dt.date == by, "headroom"].iloc[0]) < 0
    if not off:
        unjudged = (
            f"On {figures.format_long_day(by, calendar.as_of.year)} it is not off target by what the files hold; "
            "no more is known."
        )
        known = row["status"] not in hk.verdicts.UNJUDGED_STATUSES
        chance = None if futures is None or by > futures.last_day else futures.chance_off(by)
        sentence = outlook_text.goals_sentence(by, calendar.as_of, [], calendar.as_of.year, chance)
        return ["", sentence if known else unjudged]
    phrases = [outlook_text.goal_phrase(way.kind, way.cause, way.many, way.by, way.best, noun, likely) for way in goals]
    return [
        "",
        outlook_text.goals_lead(by, calendar.as_of, calendar.as_of.year),
        *(f"  · {one}" for one in phrases),
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
        Path | None, typer.Option(parser=parse_path, metavar="FILE", help="YAML file with the steps of the scenario.")
    ] = None,
    step: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STEP",
            help="One step instead of a file, as in it, with a first and a last day: "
            "`fewer: {cause: shipped_late, by: 50%, since: 2026-11-02, until: 2026-12-31}`. Can be repeated.",
        ),
    ] = None,
    channel: ChannelOption = "",
    window: WindowOption = None,
    marketplace: MarketplaceOption = "",
    policy: PolicyOption = None,
    new_orders: NewOrdersOption = True,
    form: FormatOption = OutputFormat.table,
    data: DataOption = None,
) -> None:
    """Score a measure under a scenario: fewer claims, claims won, other order volume, other rules.

    The best case and, by simulated futures, what is likely stand beside what they are without it.
    """
    if (scenario is None) == (not step):
        raise typer.BadParameter("give either --scenario FILE or one --step or more.")
    with ErrorReporter():
        workspace, view, row = open_measure(
            data, policy, account, metric, as_of, channel=channel, window=window, marketplace=marketplace
        )
        steps = view.parse_steps(scenario or step)
        result = view.what_if(row, steps, new_orders=new_orders)
        reason = _unjudged_reason(workspace, row)
        is_judged = {result.before["status"], result.after["status"]}.isdisjoint(hk.verdicts.UNJUDGED_STATUSES)
        # A measure that cannot be judged has no forecast, but one simulated future shows which steps change nothing.
        draws = hk.model.SIMULATION_DRAWS if is_judged else 1
        forecast = view.forecast_scenarios(row, [result.edits], draws=draws, bands=False)[0]
        likely = _scenario_phrases(view, row, steps, result, forecast) if is_judged else ["", ""]
    return_days = [_back_on(result.before, result.calendar_before), _back_on(result.after, result.calendar_after)]
    both = hk.tables.records_to_frame([result.before, result.after], result.before.index)
    if write_answer(
        form,
        both.assign(back_on=return_days, likely=likely),
        lambda: _what_if_as_data(result, return_days, likely, forecast, is_judged),
    ):
        return
    year = as_of.year
    table = make_table({"": "left", "Rate": "right", "Count": "right", "Target": "left", "Status": "left",
        "Room": "right",
                     "Back on target, best case": "left"})  # fmt: skip
    for name, one, calendar in (
        ("As it is", result.before, result.calendar_before),
        ("What if", result.after, result.calendar_after),
    ):
        target = (one["side"], one["target"])
        table.add_row(
            name, figures.format_rate(one["counted"], one["at_fault"], *target),
            figures.format_count(one["counted"], one["at_fault"]),
            figures.format_target(*target), status_label(one["status"]), integer_text(one["headroom"]),
            "cannot be judged" if one["status"] in hk.verdicts.UNJUDGED_STATUSES
            else outlook_text.format_return_date(calendar.back_on, as_of, year),
        )  # fmt: skip
    saved = result.orders_saved["order_id"].tolist()
    difference = outlook_text.scenario_sentence(
        result.before, result.after, unjudged=not is_judged, company=labels.company_of(row["marketplace"])
    )
    why = (
        [f"{_label_with_proxy(row)}: {reason or 'cannot be judged'}."]
        if row["status"] in hk.verdicts.UNJUDGED_STATUSES
        else []
    )
    more = f" and {len(saved) - MAX_LISTED:,} more" if len(saved) > MAX_LISTED else ""
    listed = [f"No longer at fault: {', '.join(saved[:MAX_LISTED])}{more}."] if saved else []
    print_wide(
        *(
            [
                f"{difference} {outlook_text.as_it_goes_on_sentence(likely[0])}",
                outlook_text.with_scenario_sentence(likely[1]),
            ]
            if is_judged
            else [difference]
        ),
        *outlook_text.untouched_sentences(forecast, labels.metric_words(row["metric"]).noun, year),
        *why,
        "",
        table,
        "",
        *listed,
        *proxy_lines([result.before["proxy"], result.after["proxy"]]),
        *([outlook_text.LIKELY_NOTE] if is_judged else []),
        outlook_text.BEST_CASE_NOTE if new_orders else outlook_text.NO_NEW_ORDERS_NOTE,
    )


def _scenario_phrases(view: Any, row: Any, steps: Any, result: Any, forecast: Any) -> list[str]:
    """Return what is likely as it goes on and under a scenario."""
    best = result if result.calendar_before.new_orders else view.what_if(row, steps)
    year = result.calendar_before.as_of.year
    return [
        outlook_text.likely_return_phrase(forecast.plain, best.calendar_before, year),
        outlook_text.scenario_return_phrase(forecast.plain, forecast.simulation, best.calendar_after, year),
    ]


def _what_if_as_data(
    answer: Any, back_on_days: list[date | None], likely: list[str], forecast: Any, is_judged: bool
) -> dict[str, Any]:
    """Return a WhatIf as JSON data: `back_on_days` and `likely` before and after."""
    sides = {
        name: {**row.astype(object).where(row.notna(), None).to_dict(), "back_on": back}
        for name, row, back in (("before", answer.before, back_on_days[0]), ("after", answer.after, back_on_days[1]))
    }
    for side in sides.values():
        side.update({name: side[name].date() for name in ("as_of", "first_day", "last_day")})
    simulations = [forecast.plain, forecast.simulation] if is_judged else [None, None]
    for side, phrase, simulation in zip(sides.values(), likely, simulations, strict=True):
        side["likely"] = phrase
        side["simulated"] = None if simulation is None else _simulation_as_data(simulation)
    unchanged = [step.position for step in forecast.untouched]
    saved = answer.orders_saved["order_id"].tolist()
    return {**sides, "likely": likely[0], "saved": saved, "steps_without_effect": unchanged}


def _simulation_as_data(simulation: Any) -> dict[str, Any]:
    """Return the figures of simulated futures as JSON data: the chance off target by day ahead, and days of return."""
    last = len(simulation.days) - 1
    ahead = [days for days in (outlook_text.CHANCE_DAYS, last) if days <= last]
    return {
        "draws": simulation.draws,
        "seed": simulation.seed,
        "chance_off_target": {
            simulation.days["day"].iloc[days].date().isoformat(): float(simulation.days["off"].iloc[days])
            for days in ahead
        },
        "back_on_by_tenth": {str(tenth): day for tenth, day in simulation.back_on_by_tenth.items()},
    }
