"""Commands that explain a figure: bridge, drivers, standing, reconcile."""

from __future__ import annotations

from datetime import date
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
    measure_label,
    measure_phrase,
    no_orders_error,
    open_measure,
    open_workspace,
    parse_day,
    print_wide,
    warn_of_unjudged_stores,
    write_answer,
)
from healthkit.report.text import account as account_text
from healthkit.report.text import figures, labels, movements, reasons
from healthkit.report.text import reconciliation as reconciliation_text

MAX_LISTED = 20
"""Maximum number of rows that a table lists; CSV and JSON contain all rows."""


@app.command(
    "bridge",
    epilog="Example: `python -m healthkit bridge --account birchway-crafts --metric late_shipment_rate "
    "--from 2026-09-30 --as-of 2026-10-31 --data data/sample_store`",
)
def bridge(
    account: AccountOption,
    metric: MetricOption,
    from_: Annotated[date, typer.Option("--from", parser=parse_day, metavar="DAY", help="The earlier day.")],
    as_of: AsOfOption,
    channel: ChannelOption = "",
    window: WindowOption = None,
    marketplace: MarketplaceOption = "",
    policy: PolicyOption = None,
    form: FormatOption = OutputFormat.table,
    data: DataOption = None,
) -> None:
    """Explain how a rate changed between two days, in steps that add up exactly; CSV lists the orders of each step."""
    with ErrorReporter():
        _, view, row = open_measure(
            data, policy, account, metric, as_of, channel=channel, window=window, marketplace=marketplace
        )
        rate_bridge = view.bridge(row, from_)
    orders = _sort_by_step(rate_bridge.orders)
    if write_answer(form, orders, lambda: _bridge_as_data(rate_bridge)):
        return
    movement = movements.movement_from_bridge(rate_bridge)
    steps = make_table({"Step": "left", "Orders": "left", "Points": "right"})
    steps.add_row(*movements.bridge_point_label(movement, movement.before), movement.format_point_rate(movement.before))
    for part in movement.parts:
        steps.add_row(
            *movements.step_label(movement, part), movements.format_signed_units(part.change, movement.decimals)
        )
    steps.add_row(*movements.bridge_point_label(movement, movement.after), movement.format_point_rate(movement.after))
    listed = make_table({"Order": "left", "Step": "left", "Cause": "long", "Clock day": "left", "Known": "left"})
    for one in orders.head(MAX_LISTED).itertuples():
        known = f"{one.known_on:%Y-%m-%d}"
        listed.add_row(one.order_id, one.step, labels.causes_phrase(one.causes), f"{one.clock_day:%Y-%m-%d}", known)
    more = len(orders) - MAX_LISTED
    print_wide(
        f"{movements.bridge_title(movement)}.", "", steps, "", *filter(None, movements.bridge_caption(movement)), "",
        *([listed] if len(orders) else []),
        *([f"and {more:,} more; --format csv lists all."] if more > 0 else []),
    )  # fmt: skip


def _sort_by_step(orders: Any) -> Any:
    """Return the orders of a bridge, sorted by step, clock day and order id."""
    place = orders["step"].map(hk.bridge.BRIDGE_STEPS.index)
    return orders.assign(place=place).sort_values(["place", "clock_day", "order_id"]).drop(columns="place")


def _bridge_as_data(rate_bridge: Any) -> dict[str, Any]:
    """Return a Bridge as JSON data; changes are fractions of 1, exact as text and as numbers."""
    ends = {
        name: count._asdict() | {"rate": float(rate_bridge.rate(count))}
        for name, count in (("before", rate_bridge.before), ("after", rate_bridge.after))
    }
    steps = [
        {"kind": step.kind, "at_fault": step.at_fault, "change": float(step.change), "exactly": str(step.change)}
        for step in rate_bridge.steps
    ]
    days = {name: rate_bridge.orders[name].dt.strftime("%Y-%m-%d") for name in ("clock_day", "known_on")}
    orders = _sort_by_step(rate_bridge.orders).assign(**days).to_dict("records")
    return {
        **ends,
        "came": rate_bridge.orders_entered,
        "went": rate_bridge.orders_left,
        "steps": steps,
        "orders": orders,
    }


@app.command(
    "drivers",
    epilog="Example: `python -m healthkit drivers --account birchway-crafts --metric late_shipment_rate "
    "--as-of 2026-10-31 --data data/sample_store`",
)
def drivers(
    account: AccountOption,
    metric: MetricOption,
    as_of: AsOfOption,
    channel: ChannelOption = "",
    window: WindowOption = None,
    marketplace: MarketplaceOption = "",
    policy: PolicyOption = None,
    form: FormatOption = OutputFormat.table,
    data: DataOption = None,
) -> None:
    """Compare each group of orders (product, carrier, place, weekday) with the rest, to find where the excess is."""
    with ErrorReporter():
        _, view, row = open_measure(
            data, policy, account, metric, as_of, channel=channel, window=window, marketplace=marketplace
        )
        rows = view.drivers(row)
    if write_answer(form, rows):
        return
    noun = labels.metric_words(metric).noun
    table = make_table({"Group": "left", "At fault": "right", "The rest": "right", f"More {noun}s at fault": "right",
                     "": "left"})  # fmt: skip
    against = _without_duplicate_products(rows[rows["excess"].notna()])
    for one in against[against["stands_out"] | (against["excess"] >= 1)].head(MAX_LISTED).itertuples():
        table.add_row(
            account_text.group_label(one.dimension, one.group), figures.format_count(one.counted, one.at_fault),
            figures.format_count(one.rest_counted, one.rest_at_fault), account_text.format_excess(one.low, one.high),
            "stands out" if one.stands_out else "may be chance",
        )  # fmt: skip
    outliers = against[against["stands_out"]]
    names = [account_text.group_label(*pair) for pair in zip(outliers["dimension"], outliers["group"], strict=True)]
    finding = (
        f"{account_text.groups_title(names[:3], float(outliers['excess'].iloc[0]), noun)}."
        if names else account_text.no_group_sentence(rows["dimension"])
    )  # fmt: skip
    print_wide(
        finding or "The files hold no groups to compare.",
        *(["", table, account_text.GROUPS_CAPTION] if table.row_count else []),
    )


def _without_duplicate_products(rows: Any) -> Any:
    """Return DRIVERS without the ASINs whose figures equal those of an SKU."""
    same = rows["dimension"].map(account_text.GROUP_KIND_LABELS)
    twice = rows.assign(same=same).duplicated(["same", "counted", "at_fault"]) & (same == "product")
    return rows[~twice]


@app.command(
    "standing",
    epilog="Example: `python -m healthkit standing --as-of 2026-10-31 --account birchway-crafts "
    "--data data/sample_store`",
)
def standing(
    as_of: AsOfOption,
    account: AccountsOption = None,
    policy: PolicyOption = None,
    form: FormatOption = OutputFormat.table,
    data: DataOption = None,
) -> None:
    """Print for how many days in a row each measure has been off target, and what its rule says about that."""
    with ErrorReporter():
        workspace = open_workspace(data, policy)
        rows = workspace.score(as_of, account)
        off_target = rows[rows["status"] == "off target"]
        streaks = []
        for _, row in off_target.iterrows():
            view = workspace.account(row["account"], row["marketplace"])
            streaks.append((row, view.streak(row), view.rule(row)))
        verdicts = workspace.verdicts(as_of, account) if form is OutputFormat.table else []
    columns = ["account", "marketplace", "metric", "channel", "window", "days", "since", "at_least", "stage", "source"]
    records = [
        row[columns[:5]].to_dict()
        | {"days": one.days, "since": one.since, "at_least": one.may_be_longer, "source": one.source}
        | {"stage": one.stage.stage if one.stage else None}
        for row, one, _ in streaks
    ]
    if write_answer(form, hk.tables.records_to_frame(records, columns)):
        warn_of_unjudged_stores(workspace, account)
        return
    if rows.empty:
        exit_with_error(no_orders_error(workspace, as_of, account))
    names = account_labels(rows)
    for row, one, rule in streaks:
        name = measure_label(row)
        sentence = account_text.streak_sentence(one, rule.stages, labels.CERTAINTY_LABELS[rule.sure])
        print_wide(f"{names[row['account'], row['marketplace']]}: {name}: {labels.lowercase_first(sentence)}")
    reported = [
        one for found in verdicts for one in found.measures
        if one.status == "off target" and one.decided_by == hk.verdicts.AMAZON
    ]  # fmt: skip
    for one in reported:
        account_name = names.get((one.account, one.marketplace), one.account)
        company = labels.company_of(one.marketplace)
        whose = reasons.own_figure_phrase(one.theirs["reported_on"], one.figure_age, as_of.year, company)
        since = reasons.since_unknown_phrase(whose)
        print_wide(f"{account_name}: {labels.capitalise_first(measure_phrase(one, ''))}: {since}")
    if streaks or reported:
        for found in verdicts:
            if found.enforced_unjudged:
                print_wide(reasons.other_unjudged_line(found.account, found.marketplace, len(found.enforced_unjudged)))
    else:
        print_wide(reasons.none_off_target_sentence(as_of, sum(len(found.enforced_unjudged) for found in verdicts)))
    warn_of_unjudged_stores(workspace, account)


@app.command(
    "reconcile",
    epilog="Example: `python -m healthkit reconcile --account lantern-hill-lighting --as-of 2026-10-31 "
    "--data data/sample_store`",
)
def reconcile(
    account: AccountOption,
    as_of: AsOfOption,
    marketplace: MarketplaceOption = "",
    policy: PolicyOption = None,
    form: FormatOption = OutputFormat.table,
    data: DataOption = None,
) -> None:
    """Compare our counts with the newest ones of the marketplace, and explain each difference."""
    with ErrorReporter():
        workspace = open_workspace(data, policy)
        views = [workspace.account(account, marketplace)] if marketplace else workspace.account_views(account)
        reconciliations = [one for view in views for one in view.reconcile(as_of)]
    records = [_reconciliation_as_data(one) for one in reconciliations]
    if write_answer(form, _differences_table(records), lambda: records):
        return
    table = make_table(
        {"Measure": "long", "Days": "left", "Ours": "right", "Theirs": "right", "Why they differ": "long"}
    )
    for one in reconciliations:
        side = one.rule.target.side if one.rule.target else ""
        table.add_row(
            measure_label(one),
            figures.format_day_range(one.first_day, one.last_day, one.as_of.year),
            figures.format_count(one.ours[0], one.ours[1], side) if one.ours[0] else labels.DASH,
            figures.format_count(one.theirs[0], one.theirs[1], side),
            "\n".join(_difference_sentences(one)),
        )  # fmt: skip
    print_wide(table if reconciliations else "The marketplace's reports hold no count that a rule judges.")


def _differences_table(records: list[dict[str, Any]]) -> Any:
    """Return the records of reconciliations as a table, with at least one row for each measure."""
    no_difference = {"cause": None, "counted": 0, "at_fault": 0, "order_ids": ()}
    rows = [
        _as_csv_row({name: value for name, value in one.items() if name != "differences"})
        | difference
        | {"order_ids": " ".join(difference["order_ids"])}
        for one in records
        for difference in one["differences"] or [no_difference]
    ]
    return hk.tables.records_to_frame(rows, list(rows[0]) if rows else [])


def _as_csv_row(measure: dict[str, Any]) -> dict[str, Any]:
    """Return a measure as a row of CSV; its lists become text."""
    parts = [f"{part['cause']} {part['ours']} {part['theirs']}" for part in measure["parts"]]
    return measure | {name: "+".join(measure[name]) for name in ("perhaps", "missing")} | {"parts": "+".join(parts)}


def _difference_sentences(reconciliation: Any) -> list[str]:
    """Return a sentence for each difference, with the ids of its first orders."""
    noun, company = labels.metric_words(reconciliation.metric).noun, labels.company_of(reconciliation.marketplace)
    lines = []
    for cause, counted, at_fault, ids in reconciliation.differences:
        named = [
            *ids[: reconciliation_text.MAX_NAMED_ORDERS],
            *filter(None, [reconciliation_text.more_orders_note(len(ids))]),
        ]
        cause_text = reconciliation_text.difference_sentence(
            cause,
            counted,
            at_fault,
            noun,
            uncertain=cause in reconciliation.uncertain_causes,
            missing=reconciliation.missing,
            company=company,
        )
        lines.append(cause_text + (f" {' '.join(named)}" if named else ""))
    lines += [
        reconciliation_text.cause_counts_sentence(cause, ours, theirs, company)
        for cause, ours, theirs in reconciliation.parts
    ]
    if reconciliation.contradiction:
        lines.append(reconciliation_text.contradiction_sentence(reconciliation.contradiction, company))
    return lines or [reconciliation_text.NO_DIFFERENCE]


def _reconciliation_as_data(reconciliation: Any) -> dict[str, Any]:
    """Return a Reconciliation as JSON data."""
    names = ("account", "marketplace", "channel", "metric", "window", "as_of", "first_day", "last_day")
    (our_counted, our_at_fault), (their_counted, their_at_fault) = reconciliation.ours, reconciliation.theirs
    return {name: getattr(reconciliation, name) for name in names} | {
        "our_counted": our_counted, "our_at_fault": our_at_fault,
        "their_counted": their_counted, "their_at_fault": their_at_fault,
        "our_status": reconciliation.status, "their_status": reconciliation.their_status,
        "contradiction": reconciliation.contradiction,
        "perhaps": list(reconciliation.uncertain_causes), "missing": list(reconciliation.missing),
        "parts": [dict(zip(("cause", "ours", "theirs"), part, strict=True)) for part in reconciliation.parts],
        "differences": [difference._asdict() for difference in reconciliation.differences],
    }  # fmt: skip
