"""Why a figure is what it is: bridge, drivers, standing, reconcile."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import typer

import healthkit as hk
from healthkit.cli.options import (
    AccountOption,
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
    print_wide,
    write_json,
    write_rows,
)
from healthkit.report.text import account as account_text
from healthkit.report.text import figures, labels, movements, reasons, sentences
from healthkit.report.text import reconciliation as reconciliation_text

MAX_LISTED = 20
"""So many orders a table lists; CSV and JSON hold all."""


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
    """Say why a rate moved between two days, in steps that add up exactly; CSV lists the orders that moved."""
    with ErrorReporter():
        book = open_workspace(data, policy)
        view = book.account(account, marketplace or None)
        row = view.measure(metric, as_of, channel=channel, window=window)
        held = view.bridge(row, from_)
    if form is OutputFormat.json:
        write_json(_bridge_as_data(held))
        return
    if write_rows(_sort_by_step(held.orders), form):
        return
    moved = movements.movement_from_bridge(held)
    shown = make_table({"Step": "left", "Orders": "left", "Points": "right"})
    shown.add_row(*movements.bridge_point_label(moved, moved.before), moved.format_point_rate(moved.before))
    for part in moved.parts:
        shown.add_row(*movements.step_label(moved, part), movements.format_signed_units(part.change, moved.decimals))
    shown.add_row(*movements.bridge_point_label(moved, moved.after), moved.format_point_rate(moved.after))
    heads = {"Order": "left", "Step": "left", "Cause": "long", "Clock day": "left", "Known": "left"}
    listed = make_table(heads)
    for one in _sort_by_step(held.orders).head(MAX_LISTED).itertuples():
        known = f"{one.known_on:%Y-%m-%d}"
        listed.add_row(one.order_id, one.step, labels.causes_phrase(one.causes), f"{one.clock_day:%Y-%m-%d}", known)
    more = len(held.orders) - MAX_LISTED
    print_wide(
        f"{movements.bridge_title(moved)}.", "", shown, "", *filter(None, movements.bridge_caption(moved)), "",
        *([listed] if len(held.orders) else []),
        *([f"and {more:,} more; --format csv lists all."] if more > 0 else []),
    )  # fmt: skip


def _sort_by_step(orders: Any) -> Any:
    """The orders that moved, in the order of the steps and of their clock days."""
    place = orders["step"].map(hk.bridge.BRIDGE_STEPS.index)
    return orders.assign(place=place).sort_values(["place", "clock_day", "order_id"]).drop(columns="place")


def _bridge_as_data(rate_bridge: Any) -> dict[str, Any]:
    """A Bridge as plain data; changes are shares of 1, exact as fractions and as numbers."""
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
    """Hold each group of orders (product, carrier, place, weekday) against the rest: which carries the excess?"""
    with ErrorReporter():
        book = open_workspace(data, policy)
        view = book.account(account, marketplace or None)
        row = view.measure(metric, as_of, channel=channel, window=window)
        rows = view.drivers(row)
    if write_rows(rows, form):
        return
    noun = labels.metric_words(metric).noun
    shown = make_table({"Group": "left", "At fault": "right", "The rest": "right", f"More {noun}s at fault": "right",
                     "": "left"})  # fmt: skip
    against = _without_duplicate_products(rows[rows["excess"].notna()])
    for one in against[against["stands_out"] | (against["excess"] >= 1)].head(MAX_LISTED).itertuples():
        shown.add_row(
            account_text.group_label(one.dimension, one.group), figures.format_count(one.counted, one.at_fault),
            figures.format_count(one.rest_counted, one.rest_at_fault), account_text.format_excess(one.low, one.high),
            "stands out" if one.stands_out else "may be chance",
        )  # fmt: skip
    loud = against[against["stands_out"]]
    names = [account_text.group_label(*pair) for pair in zip(loud["dimension"], loud["group"], strict=True)]
    finding = (
        f"{account_text.groups_title(names[:3], float(loud['excess'].iloc[0]), noun)}."
        if names else account_text.no_group_sentence(rows["dimension"])
    )  # fmt: skip
    print_wide(
        finding or "The files tell of no groups to compare.",
        *(["", shown, account_text.GROUPS_CAPTION] if shown.row_count else []),
    )


def _without_duplicate_products(rows: Any) -> Any:
    """DRIVERS without a product's second name: an ASIN whose figures are those of an SKU."""
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
    account: Annotated[
        list[str] | None, typer.Option("--account", help="An account; may be given several times.")
    ] = None,
    policy: PolicyOption = None,
    form: FormatOption = OutputFormat.table,
    data: DataOption = None,
) -> None:
    """Say for how many days in a row each measure has been off target, and what its rule's text says of that."""
    with ErrorReporter():
        book = open_workspace(data, policy)
        rows = book.score(as_of, account)
        off = rows[(rows["status"] == "off target")]
        views = [(row, book.account(row["account"], row["marketplace"])) for _, row in off.iterrows()]
        streaks = [(row, view.streak(row), view.rule(row)) for row, view in views]
    made = [
        {
            "account": row["account"], "marketplace": row["marketplace"], "metric": row["metric"],
            "channel": row["channel"], "window": int(row["window"]), "days": one.days, "since": one.since,
            "at_least": one.may_be_longer, "stage": one.stage.stage if one.stage else None, "source": one.source,
        }
        for row, one, _ in streaks
    ]  # fmt: skip
    if form is not OutputFormat.table:
        frame = hk.tables.records_to_frame(made,
            ["account", "marketplace", "metric", "channel", "window", "days", "since",
                                        "at_least", "stage", "source"])  # fmt: skip
        write_rows(frame, form)
        return
    if rows.empty:
        exit_with_error(f"No orders up to {as_of} in {book.store.folder}.")
    names = account_labels(rows)
    for row, one, rule in streaks:
        name = labels.capitalise_first(sentences.measure_phrase(row["metric"], row["channel"], int(row["window"])))
        said = account_text.streak_sentence(one, rule.stages, labels.CERTAINTY_LABELS[rule.sure])
        print_wide(f"{names[row['account'], row['marketplace']]}: {name}: {labels.lowercase_first(said)}")
    verdicts = book.verdicts(as_of, account)
    theirs = [
        one for found in verdicts for one in found.measures
        if one.status == "off target" and one.decided_by == hk.verdicts.AMAZON
    ]  # fmt: skip
    for one in theirs:
        name = labels.capitalise_first(sentences.measure_phrase(one.metric, "", one.window))
        whose = reasons.amazons_figure_phrase(one.theirs["reported_on"], one.figure_age, as_of.year)
        print_wide(
            f"{names.get((one.account, one.marketplace), one.account)}: {name}: {reasons.since_unknown_phrase(whose)}"
        )
    if streaks or theirs:
        for found in verdicts:
            if found.enforced_unjudged:
                print_wide(reasons.other_unjudged_line(found.account, found.marketplace, len(found.enforced_unjudged)))
    else:
        print_wide(reasons.none_off_target_sentence(as_of, sum(len(found.enforced_unjudged) for found in verdicts)))


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
    """Lay our counts beside the marketplace's own newest ones, and put each difference down to a cause."""
    with ErrorReporter():
        book = open_workspace(data, policy)
        views = [book.account(account, marketplace)] if marketplace else book.account_views(account)
        held = [one for view in views for one in view.reconcile(as_of)]
    if form is not OutputFormat.table:
        made = [_reconciliation_as_data(one) for one in held]
        if form is OutputFormat.json:
            write_json(made)
            return
        nothing = {"cause": None, "counted": 0, "at_fault": 0, "order_ids": ()}
        flat = [
            _as_csv_row(one) | difference | {"order_ids": " ".join(difference["order_ids"])}
            for one in made
            for difference in one.pop("differences") or [nothing]
        ]
        write_rows(hk.tables.records_to_frame(flat, list(flat[0]) if flat else []), form)
        return
    shown = make_table(
        {"Measure": "long", "Days": "left", "Ours": "right", "Theirs": "right", "Why they differ": "long"}
    )
    for one in held:
        side = one.rule.target.side if one.rule.target else ""
        shown.add_row(
            labels.capitalise_first(sentences.measure_phrase(one.metric, one.channel, one.window)),
            figures.format_day_range(one.first_day, one.last_day, one.as_of.year),
            figures.format_count(one.ours[0], one.ours[1], side) if one.ours[0] else labels.DASH,
            figures.format_count(one.theirs[0], one.theirs[1], side),
            "\n".join(_difference_sentences(one)),
        )  # fmt: skip
    print_wide(*([shown] if held else ["The marketplace's reports hold no count that a rule asks for."]))


def _as_csv_row(measure: dict[str, Any]) -> dict[str, Any]:
    """One measure as a row of CSV: its lists as words."""
    parts = [f"{part['cause']} {part['ours']} {part['theirs']}" for part in measure["parts"]]
    return measure | {name: "+".join(measure[name]) for name in ("perhaps", "missing")} | {"parts": "+".join(parts)}


def _difference_sentences(reconciliation: Any) -> list[str]:
    """Each reason in a sentence, with the first orders that it names."""
    noun = labels.metric_words(reconciliation.metric).noun
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
        )
        lines.append(cause_text + (f" {' '.join(named)}" if named else ""))
    lines += [reconciliation_text.cause_counts_sentence(*part) for part in reconciliation.parts]
    if reconciliation.contradiction:
        lines.append(reconciliation_text.contradiction_sentence(reconciliation.contradiction))
    return lines or [reconciliation_text.NO_DIFFERENCE]


def _reconciliation_as_data(reconciliation: Any) -> dict[str, Any]:
    """Reconciled as plain data."""
    return {
        "account": reconciliation.account, "marketplace": reconciliation.marketplace,
        "channel": reconciliation.channel, "metric": reconciliation.metric,
        "window": reconciliation.window, "as_of": reconciliation.as_of, "first_day": reconciliation.first_day,
        "last_day": reconciliation.last_day,
        "our_counted": reconciliation.ours[0], "our_at_fault": reconciliation.ours[1],
        "their_counted": reconciliation.theirs[0],
        "their_at_fault": reconciliation.theirs[1], "our_status": reconciliation.status,
        "their_status": reconciliation.their_status,
        "contradiction": reconciliation.contradiction,
        "perhaps": list(reconciliation.uncertain_causes), "missing": list(reconciliation.missing),
        "parts": [dict(zip(("cause", "ours", "theirs"), part, strict=True)) for part in reconciliation.parts],
        "differences": [difference._asdict() for difference in reconciliation.differences],
    }  # fmt: skip
