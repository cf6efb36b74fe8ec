"""Commands about scores, rules and orders that are due: scores, rules, due."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any

import typer

import healthkit as hk
from healthkit.cli.options import (
    AccountsOption,
    AsOfOption,
    DataOption,
    ErrorReporter,
    FormatOption,
    OutputFormat,
    PolicyOption,
    VersionOption,
    account_labels,
    app,
    days_between,
    exit_with_error,
    integer_text,
    make_table,
    measure_key,
    measure_phrase,
    named_channel,
    no_orders_error,
    open_workspace,
    parse_day,
    print_error,
    print_wide,
    proxy_lines,
    status_label,
    unjudged_reason,
    warn_of_accounts_without_orders,
    warn_of_unjudged_stores,
    write_answer,
)
from healthkit.report.text import account as account_text
from healthkit.report.text import figures, labels, sentences
from healthkit.report.text import rules as rules_text

MAX_WINDOW = 36_500
"""Longest window and lag that the command accepts. [days]"""


CASE_LABELS = {"ours": "ours", "amazon": "the marketplace's"}
"""Labels of the source of a figure, by the value of the column `case`."""


class Case(StrEnum):
    """Values of the option --case: the source of the printed figures."""

    ours = "ours"
    amazon = "amazon"
    all = "all"


@app.command("scores", epilog="Example: `python -m healthkit scores --as-of 2026-10-31 --data data/sample_store`")
def scores(
    as_of: AsOfOption,
    from_: Annotated[
        date | None, typer.Option("--from", parser=parse_day, metavar="DAY", help="Print the history from this day on.")
    ] = None,
    account: AccountsOption = None,
    policy: PolicyOption = None,
    window: Annotated[
        list[int] | None,
        typer.Option(
            min=1, max=MAX_WINDOW, metavar="DAYS", help="Window, instead of the rule's. Repeat it to compare windows."
        ),
    ] = None,
    lag: Annotated[
        int | None,
        typer.Option(
            min=0, max=MAX_WINDOW, metavar="DAYS", help="Days between the end of the window and the as-of day."
        ),
    ] = None,
    hindsight: Annotated[
        bool, typer.Option("--hindsight", help="Score the same windows with everything known today.")
    ] = False,
    case: Annotated[Case, typer.Option(help="Our figures, the marketplace's own, or both.")] = Case.ours,
    version: VersionOption = None,
    form: FormatOption = OutputFormat.table,
    data: DataOption = None,
) -> None:
    """Print every rate as the marketplace displayed it on a day, judged by the rules of that day."""
    days = as_of if from_ is None else days_between(from_, as_of)
    with ErrorReporter():
        workspace = open_workspace(data, policy, version)
        options = {"window": window or None, "lag": lag, "hindsight": hindsight}
        rows = _read_scores(workspace, case, days, account, options)
        needs_reasons = form is OutputFormat.table and days == as_of and not hindsight and not rows.empty
        scored = rows if case is Case.ours and not window and lag is None else None
        unjudged = _unjudged_verdicts(workspace, as_of, account, scored) if needs_reasons else {}
    if rows.empty:
        what = "figures of the marketplace's own" if case is Case.amazon else "orders"
        exit_with_error(no_orders_error(workspace, as_of, account, what))
    if not write_answer(form, rows):
        _print_table(
            rows, _points_by_rule(workspace), unjudged, case is Case.all, side_by_side=len(set(window or ())) > 1
        )
    _warn_of_early_ends(workspace, as_of, account)
    warn_of_unjudged_stores(workspace, account)


def _read_scores(
    workspace: Any, case: Case, days: Any, accounts: list[str] | None, score_options: dict[str, Any]
) -> Any:
    """Return SCORES computed from orders, reported by the marketplace, or both."""
    if case is Case.amazon:
        return workspace.reported(days, accounts)
    ours = workspace.score(days, accounts, **score_options)
    return ours if case is Case.ours else hk.reported_scores.combine_scores(ours, workspace.reported(days, accounts))


def _unjudged_verdicts(
    workspace: Any, as_of: date, accounts: list[str] | None, scored: Any
) -> dict[tuple[Any, ...], Any]:
    """Return the verdicts of measures that the order files cannot judge on a day, by `measure_key`.

    `scored` is SCORES of the day under the rules as they are, if at hand.
    """
    return {
        measure_key(one): one
        for account in workspace.verdicts(as_of, accounts, scored=scored)
        for one in account.measures
        if one.reason is not None and one.ours is not None
    }


def _print_table(
    rows: Any, points: dict[str, Any], unjudged: dict[tuple[Any, ...], Any], show_case: bool, side_by_side: bool
) -> None:
    """Print SCORES as a table, then the assumptions and why enforced measures cannot be judged.

    With `side_by_side`, each window is a column and each measure a row.
    """
    make_rows = _rows_side_by_side if side_by_side else _rows_by_window
    print_wide(
        make_rows(rows, points, unjudged, show_case),
        *proxy_lines(rows["proxy"]),
        *(
            _unjudged_line(one)
            for one in unjudged.values()
            if one.is_enforced and one.reason.kind not in ("no orders", "too few")
        ),
    )


def _rows_by_window(rows: Any, points: dict[str, Any], unjudged: dict[tuple[Any, ...], Any], show_case: bool) -> Any:
    """Return a table with a line for each row of SCORES."""
    whose = {"Whose": "left"} if show_case else {}
    table = make_table({
        "Account": "left", "As of": "left", **whose, "Measure": "long", "Window": "left", "Rate": "right",
        "Count": "right", "Target": "left", "Status": "left", "Room left": "right",
    })  # fmt: skip
    names = account_labels(rows)
    for row in rows.itertuples():
        cells = [
            names[row.account, row.marketplace],
            *_row_cells(row, points.get(row.rule), unjudged),
        ]
        case_cells = [CASE_LABELS[row.case]] if show_case else []
        table.add_row(*cells[:2], *case_cells, *cells[2:], style="dim" if row.status == "no target" else None)
    return table


def _rows_side_by_side(rows: Any, points: dict[str, Any], unjudged: dict[tuple[Any, ...], Any], show_case: bool) -> Any:
    """Return a table with a line for each measure and day, and the rate, count and status of each window beside it."""
    whose = {"Whose": "left"} if show_case else {}
    windows = sorted(set(rows["window"]))
    headings = {figures.format_quantity(int(window), "day"): "left" for window in windows}
    table = make_table({"Account": "left", "As of": "left", **whose, "Measure": "long", "Target": "left", **headings})
    names = account_labels(rows)
    keys = ["account", "marketplace", "case", "metric", "channel", "as_of"]
    for (account, marketplace, case, metric, channel, day), group in rows.groupby(keys, sort=False, dropna=False):
        cells, target = dict.fromkeys(windows, ""), ""
        for row in group.itertuples():
            rate, count, target = _figure_cells(row, points.get(row.rule), _has_no_orders(row, unjudged))
            figure = " ".join(filter(None, (rate, f"({count})" if rate else count)))
            cells[row.window] = f"{figure}\n{status_label(_known_status(row, unjudged))}"
        proxy = " ≈ proxy" if group["proxy"].notna().any() else ""
        label = labels.capitalise_first(
            sentences.measure_phrase(metric, channel, company=labels.company_of(marketplace))
        )
        table.add_row(
            names[account, marketplace], f"{day:%Y-%m-%d}", *([CASE_LABELS[case]] if show_case else []), label + proxy,
            target, *cells.values(), style="dim" if set(group["status"]) == {"no target"} else None,
        )  # fmt: skip
    return table


def _has_no_orders(row: Any, unjudged: dict[tuple[Any, ...], Any]) -> bool:
    """Return whether a measure cannot be judged because no order is known, so that its count is 0."""
    verdict = unjudged.get(measure_key(row))
    return verdict is not None and verdict.reason.kind == "no orders"


def _known_status(row: Any, unjudged: dict[tuple[Any, ...], Any]) -> str:
    """Return the status of a row; a count that rests on an old report of the marketplace is no "on target"."""
    verdict = unjudged.get(measure_key(row)) if row.case == hk.verdicts.OURS and row.status == "on target" else None
    if verdict is not None and verdict.status in hk.verdicts.UNJUDGED_STATUSES:
        return str(verdict.status)
    return str(row.status)


def _unjudged_line(verdict: Any) -> str:
    """Return a line that says why the order files cannot judge a measure."""
    label = measure_phrase(verdict, named_channel(verdict.channel))
    return f"? {verdict.account} ({verdict.marketplace}), {label}: {unjudged_reason(verdict)}"


def _points_by_rule(workspace: Any) -> dict[str, Any]:
    """Return the points of each rule that judges a rating, by rule id."""
    return {rule.id: rule.points for policy in set(workspace.policies.values()) for rule in policy.rules if rule.points}


def _row_cells(row: Any, points: Any, unjudged: dict[tuple[Any, ...], Any]) -> list[str]:
    """Return the table cells of a row of SCORES after its account; without orders a count is 0, not a dash."""
    return [
        f"{row.as_of:%Y-%m-%d}",
        measure_phrase(row, row.channel) + (" ≈ proxy" if isinstance(row.proxy, str) else ""),
        f"{row.first_day:%Y-%m-%d} to {row.last_day:%Y-%m-%d}",
        *_figure_cells(row, points, _has_no_orders(row, unjudged)),
        status_label(_known_status(row, unjudged)), integer_text(row.headroom),
    ]  # fmt: skip


def _figure_cells(row: Any, points: Any, has_no_orders: bool) -> tuple[str, str, str]:
    """Return rate, count and target of a row of SCORES; for a metric that is no rate, its value."""
    side = row.side if isinstance(row.side, str) else ""
    if account_text.figure_kind(row.metric) != "rate":
        value = (
            ""
            if hk.tables.to_plain_value(row.value) is None
            else account_text.format_short_value(row.metric, row.value)
        )
        on_from, most = (points.on_from, points.most) if points else (None, None)
        count = (
            account_text.format_value_count(row.metric, row.counted, most)
            if row.counted or has_no_orders
            else labels.DASH
        )
        return value, count, account_text.format_value_target(row.metric, on_from)
    target = row.target if side else None
    rate = figures.format_rate(row.counted, row.at_fault, side, target)
    count = figures.format_count(row.counted, row.at_fault, side) if row.counted or has_no_orders else labels.DASH
    return rate, count, figures.format_target(side, target) if side else ""


def _warn_of_early_ends(workspace: Any, as_of: date, accounts: list[str] | None) -> None:
    """Print a note on accounts whose orders end before the as-of day, and on those that have none."""
    coverage = workspace.counts.coverage
    selected = coverage[coverage["account"].isin(accounts)] if accounts else coverage
    warn_of_accounts_without_orders(workspace, accounts)
    selected = selected[selected["orders"] > 0]
    ended = selected[selected["ends_on"].dt.date < as_of]
    if len(ended):
        last = ended["ends_on"].min().date()
        print_error(
            f"Note: the orders of {len(ended):,} of {figures.format_quantity(len(selected), 'account')} end before "
            f"{as_of} (the first on {last}); what came later is not known.",
            None,
        )


@app.command("rules", epilog="Example: `python -m healthkit rules --marketplace US --on 2026-10-31`")
def rules(
    on: Annotated[
        date | None,
        typer.Option(
            parser=parse_day,
            metavar="DAY",
            help="Day on which the rules are in force; by default that on which their sources were read.",
        ),
    ] = None,
    marketplace: Annotated[str | None, typer.Option(help="A marketplace, such as US or DE.")] = None,
    policy: PolicyOption = None,
) -> None:
    """Print the rules in force on a day, each with its source and its certainty."""
    if (marketplace is None) == (policy is None):
        raise typer.BadParameter("Give either --marketplace or --policy.")
    with ErrorReporter():
        chosen = hk.load_policy(policy) if policy else hk.load_policies([marketplace])[marketplace]
        on = on or chosen.read_on
        in_force = chosen.rules_in_force(on)
    heads = dict.fromkeys(("Measure", "Demand", "Window", "Since", "Source"), "long")
    table = make_table(heads, title=f"{chosen.title}, {on}")
    company = labels.company_of(marketplace) if marketplace else labels.company_of(*chosen.marketplaces)
    for rule in in_force:
        channels = " and ".join(labels.channel_label(channel, company) for channel in rule.channels)
        table.add_row(
            f"{labels.capitalise_first(labels.metric_words(rule.metric, company).label)}\n{channels}",
            "\n".join(_requirement_lines(rule)), sentences.window_phrase(rule.windows, rule.lag),
            str(rule.since), f"{rule.source} ({labels.CERTAINTY_LABELS[rule.sure]})",
        )  # fmt: skip
    for ended in chosen.without_rule(on):
        label = labels.capitalise_first(labels.metric_words(ended.metric, company).label)
        demand = labels.NOT_COMPUTED if ended.not_computed else labels.NO_TARGET_FOUND
        table.add_row(label, demand, "", str(ended.since), ended.source)
    print_wide(table)


def _requirement_lines(rule: Any) -> list[str]:
    """Return what a rule demands, in lines: target, conditions, mark, stages after a miss, and note."""
    noun = labels.metric_words(rule.metric).noun
    side, share = (rule.target.side, rule.target.share) if rule.target else ("", None)
    demand = sentences.rule_phrase(side, share, rule.minimum, noun)
    if rule.points is not None:
        demand = rules_text.rating_target_phrase(rule.points.on_from, rule.points.off_under, rule.points.most)
    fallback = (rule.fallback.under, rule.fallback.window) if rule.fallback else None
    conditions = rules_text.rule_conditions(noun, rule.and_at_least, rule.while_under, fallback, rule.judged_on)
    missed = "; then ".join(rules_text.stage_phrase(one.stage, one.days) for one in rule.stages)
    mark = labels.INFERRED_MARK if rule.is_inferred else ""
    missed_line = f"if missed: {missed}" if missed else ""
    return [*filter(None, [demand, conditions, mark, missed_line, f"note: {rule.note.strip()}" if rule.note else ""])]


@app.command("due", epilog="Example: `python -m healthkit due --as-of 2026-11-01 --data data/sample_store`")
def due(
    as_of: AsOfOption,
    account: AccountsOption = None,
    ahead: Annotated[
        int, typer.Option(min=0, max=365, metavar="DAYS", help="Orders due within this number of days.")
    ] = 2,
    form: FormatOption = OutputFormat.table,
    data: DataOption = None,
) -> None:
    """Print the unconfirmed orders that are due within some days or overdue."""
    with ErrorReporter():
        workspace = open_workspace(data)
        rows = hk.due_orders.find_due_orders(workspace.store.ledger(account), as_of, ahead)
    if write_answer(form, rows):
        return
    table = make_table({"Due on": "left", "Days left": "right", "Account": "left", "Order": "left", "Ordered": "left",
                     "SKU": "left", "Units": "right"})  # fmt: skip
    names = account_labels(rows)
    for row in rows.itertuples():
        table.add_row(
            f"{row.ship_by_on:%Y-%m-%d}", f"{row.days_left}", names[row.account, row.marketplace], row.order_id,
            f"{row.ordered_on:%Y-%m-%d}",
            row.sku if isinstance(row.sku, str) else "",
            "" if hk.tables.to_plain_value(row.units) is None else f"{row.units}",
            style="red" if row.days_left < 0 else None,
        )  # fmt: skip
    late = int((rows["days_left"] < 0).sum())
    print_wide(*([table] if len(rows) else []), account_text.waiting_orders_sentence(len(rows), late, ahead, as_of))
    _warn_of_early_ends(workspace, as_of, account)
    with ErrorReporter():
        ledger = workspace.store.ledger(account)
        for name, orders in hk.due_orders.count_waiting_without_ship_by(ledger, as_of).items():
            print_wide(account_text.missing_ship_by_warning(name, orders))
