"""Where accounts stand, by which rules, and which orders are about to be late: scores, rules, due."""

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
    err,
    exit_with_error,
    make_table,
    open_workspace,
    parse_day,
    print_wide,
    write_rows,
)
from healthkit.report.text import account as account_text
from healthkit.report.text import figures, labels, reasons, sentences
from healthkit.report.text import rules as rules_text

MAX_WINDOW = 36_500
"""No window is asked for that is longer. [days]"""


CASE_LABELS = {"ours": "ours", "amazon": "the marketplace's"}
"""Whose a figure is, by its case."""


class Case(StrEnum):
    """Whose figures are printed."""

    ours = "ours"
    amazon = "amazon"
    all = "all"


@app.command("scores", epilog="Example: `python -m healthkit scores --as-of 2026-10-31 --data data/sample_store`")
def scores(
    as_of: AsOfOption,
    from_: Annotated[
        date | None, typer.Option("--from", parser=parse_day, metavar="DAY", help="History from this day on.")
    ] = None,
    account: AccountsOption = None,
    policy: PolicyOption = None,
    window: Annotated[
        int | None,
        typer.Option(min=1, max=MAX_WINDOW, metavar="DAYS", help="A window of so many days instead of the rule's."),
    ] = None,
    lag: Annotated[
        int | None,
        typer.Option(min=0, max=MAX_WINDOW, metavar="DAYS", help="Windows end so many days before the as-of day."),
    ] = None,
    hindsight: Annotated[
        bool, typer.Option("--hindsight", help="The same windows with all that was learnt later.")
    ] = False,
    case: Annotated[Case, typer.Option(help="Our figures, the marketplace's own, or both.")] = Case.ours,
    version: VersionOption = None,
    form: FormatOption = OutputFormat.table,
    data: DataOption = None,
) -> None:
    """Print every rate as the marketplace would have displayed it on a day, held against the rules of that day."""
    days = as_of if from_ is None else days_between(from_, as_of)
    with ErrorReporter():
        book = open_workspace(data, policy, version)
        how = {"window": window, "lag": lag, "hindsight": hindsight}
        table = _read_scores(book, case, days, account, how)
    if table.empty:
        what = "figures of the marketplace's own" if case is Case.amazon else "orders"
        exit_with_error(f"No {what} up to {as_of} in {book.store.folder}.")
    if not write_rows(table, form):
        reasons = {} if days != as_of or hindsight else _unjudged_verdicts(book, as_of, account)
        _print_table(table, _points_by_rule(book), reasons, show_case=case is Case.all)
    _warn_of_early_ends(book, as_of, account)
    if book.unjudged_marketplaces:
        err.print(
            f"Not judged, for want of a policy: the orders of {', '.join(book.unjudged_marketplaces)}.", soft_wrap=True
        )


def _read_scores(
    workspace: Any, case: Case, days: Any, accounts: list[str] | None, score_options: dict[str, Any]
) -> Any:
    """SCORES of ours, of the marketplace's own figures, or of both one under the other."""
    if case is Case.amazon:
        return workspace.reported(days, accounts)
    ours = workspace.score(days, accounts, **score_options)
    return ours if case is Case.ours else hk.reported_scores.combine_scores(ours, workspace.reported(days, accounts))


def _unjudged_verdicts(workspace: Any, as_of: date, accounts: list[str] | None) -> dict[tuple[Any, ...], Any]:
    """The verdicts of a day whose measures our files cannot judge, by account, marketplace, metric, channel, window."""
    return {
        (one.account, one.marketplace, one.metric, one.channel, one.window): one
        for account in workspace.verdicts(as_of, accounts)
        for one in account.measures
        if one.reason is not None and one.ours is not None
    }


def _print_table(rows: Any, points: dict[str, Any], unjudged: dict[tuple[Any, ...], Any], show_case: bool) -> None:
    """SCORES as a table to read; under it each proxy, and why enforced measures cannot be judged."""
    whose = {"Whose": "left"} if show_case else {}
    shown = make_table({
        "Account": "left", "As of": "left", **whose, "Measure": "long", "Window": "left", "Rate": "right",
        "Count": "right", "Target": "left", "Status": "left", "Room left": "right",
    })  # fmt: skip
    names = account_labels(rows)
    for row in rows.itertuples():
        verdict = unjudged.get((row.account, row.marketplace, row.metric, row.channel, row.window))
        nothing = verdict is not None and verdict.reason.kind == "no orders"
        cells = [names[row.account, row.marketplace], *_row_cells(row, points.get(row.rule), nothing)]
        mine = [CASE_LABELS[row.case]] if show_case else []
        shown.add_row(*cells[:2], *mine, *cells[2:], style="dim" if row.status == "no target" else None)
    print_wide(
        shown,
        *(f"≈ proxy: {labels.assumptions_sentence(proxy)}" for proxy in sorted(set(rows["proxy"].dropna()))),
        *(
            _unjudged_line(one)
            for one in unjudged.values()
            if one.is_enforced and one.reason.kind not in ("no orders", "too few")
        ),
    )


def _unjudged_line(verdict: Any) -> str:
    """Why our files cannot judge a measure, in a line."""
    row = verdict.ours
    channel = "" if verdict.channel in ("seller", "all") else verdict.channel
    noun, minimum = labels.metric_words(verdict.metric).noun, verdict.rule.minimum
    why = reasons.unjudged_reason(verdict.reason, noun, row["first_day"], row["last_day"], verdict.as_of.year, minimum)
    measure = sentences.measure_phrase(verdict.metric, channel, verdict.window)
    return f"? {verdict.account} ({verdict.marketplace}), {measure}: {why}"


def _points_by_rule(workspace: Any) -> dict[str, Any]:
    """The points of each rule that judges a rating, by the rule's id."""
    return {rule.id: rule.points for policy in set(workspace.policies.values()) for rule in policy.rules if rule.points}


def _row_cells(row: Any, points: Any, has_no_orders: bool) -> list[str]:
    """One row of SCORES in words, but for its account; `nothing`: there were no orders, rather than no file of them."""
    mark = labels.STATUS_STYLES[row.status][0] if row.status in labels.STATUS_STYLES else ""
    return [
        f"{row.as_of:%Y-%m-%d}",
        sentences.measure_phrase(row.metric, row.channel, row.window)
        + (" ≈ proxy" if isinstance(row.proxy, str) else ""),
        f"{row.first_day:%Y-%m-%d} to {row.last_day:%Y-%m-%d}", *_figure_cells(row, points, has_no_orders),
        f"{mark} {row.status}".strip(),
        "" if hk.tables.to_plain_value(row.headroom) is None else f"{row.headroom:,}",
    ]  # fmt: skip


def _figure_cells(row: Any, points: Any, has_no_orders: bool) -> tuple[str, str, str]:
    """Rate, count and target of one row; of what is no rate its own figure."""
    side = row.side if isinstance(row.side, str) else ""
    if account_text.figure_kind(row.metric) != "rate":
        told = (
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
        return told, count, account_text.format_value_target(row.metric, on_from)
    target = row.target if side else None
    rate = figures.format_rate(row.counted, row.at_fault, side, target)
    count = figures.format_count(row.counted, row.at_fault, side) if row.counted or has_no_orders else labels.DASH
    return rate, count, figures.format_target(side, target) if side else ""


def _warn_of_early_ends(workspace: Any, as_of: date, accounts: list[str] | None) -> None:
    """Say for how many accounts the orders end before the day asked for."""
    coverage = workspace.counts.coverage
    mine = coverage[coverage["account"].isin(accounts)] if accounts else coverage
    ended = mine[mine["ends_on"].dt.date < as_of]
    if len(ended):
        last = ended["ends_on"].min().date()
        err.print(
            f"Note: the orders of {len(ended):,} of {len(mine):,} accounts end before {as_of} (the first on {last}); "
            "what came later is not known.", soft_wrap=True,
        )  # fmt: skip


@app.command("rules", epilog="Example: `python -m healthkit rules --marketplace US --on 2026-10-31`")
def rules(
    on: Annotated[date, typer.Option(parser=parse_day, metavar="DAY", help="The day on which the rules are in force.")],
    marketplace: Annotated[str | None, typer.Option(help="A marketplace, such as US or DE.")] = None,
    policy: PolicyOption = None,
) -> None:
    """Print the rules in force on a day, each with its source and how sure that is."""
    if (marketplace is None) == (policy is None):
        raise typer.BadParameter("Give --marketplace or --policy, one of them.")
    with ErrorReporter():
        held = hk.load_policy(policy) if policy else hk.load_policies([marketplace])[marketplace]
        in_force = held.rules_in_force(on)
    heads = dict.fromkeys(("Measure", "Demand", "Window", "Since", "Source"), "long")
    shown = make_table(heads, title=f"{held.title}, {on}")
    for rule in in_force:
        channels = " and ".join(labels.CHANNEL_LABELS[channel] for channel in rule.channels)
        shown.add_row(
            f"{labels.capitalise_first(labels.metric_words(rule.metric).label)}\n{channels}",
            "\n".join(_requirement_lines(rule)), sentences.window_phrase(rule.windows, rule.lag),
            str(rule.since), f"{rule.source} ({labels.CERTAINTY_LABELS[rule.sure]})",
        )  # fmt: skip
    print_wide(shown)


def _requirement_lines(rule: Any) -> list[str]:
    """What one rule asks, in a few lines: its share or points, what it says beside, and how far things go."""
    noun = labels.metric_words(rule.metric).noun
    side, share = (rule.target.side, rule.target.share) if rule.target else ("", None)
    asked = sentences.rule_phrase(side, share, rule.minimum, noun)
    if rule.points is not None:
        asked = rules_text.rating_target_phrase(rule.points.on_from, rule.points.off_under, rule.points.most)
    fallback = (rule.fallback.under, rule.fallback.window) if rule.fallback else None
    beside = rules_text.rule_conditions(noun, rule.and_at_least, rule.while_under, fallback, rule.judged_on)
    missed = "; then ".join(rules_text.stage_phrase(one.stage, one.days) for one in rule.stages)
    return [*filter(None, [asked, beside, f"if missed: {missed}" if missed else ""])]


@app.command("due", epilog="Example: `python -m healthkit due --as-of 2026-11-01 --data data/sample_store`")
def due(
    as_of: AsOfOption,
    account: AccountsOption = None,
    ahead: Annotated[int, typer.Option(min=0, max=365, metavar="DAYS", help="Due within so many days.")] = 2,
    form: FormatOption = OutputFormat.table,
    data: DataOption = None,
) -> None:
    """Print the orders that wait to be confirmed and are due within some days, or overdue: the next to ship late."""
    with ErrorReporter():
        book = open_workspace(data)
        rows = hk.due_orders.find_due_orders(book.store.ledger(account), as_of, ahead)
    if write_rows(rows, form):
        return
    shown = make_table({"Due on": "left", "Days left": "right", "Account": "left", "Order": "left", "Ordered": "left",
                     "SKU": "left", "Units": "right"})  # fmt: skip
    names = account_labels(rows)
    for row in rows.itertuples():
        shown.add_row(
            f"{row.ship_by_on:%Y-%m-%d}", f"{row.days_left}", names[row.account, row.marketplace], row.order_id,
            f"{row.ordered_on:%Y-%m-%d}",
            row.sku if isinstance(row.sku, str) else "",
            "" if hk.tables.to_plain_value(row.units) is None else f"{row.units}",
            style="red" if row.days_left < 0 else None,
        )  # fmt: skip
    late = int((rows["days_left"] < 0).sum())
    print_wide(*([shown] if len(rows) else []), account_text.waiting_orders_sentence(len(rows), late, ahead, as_of))
    with ErrorReporter():
        for name, orders in hk.due_orders.count_waiting_without_ship_by(book.store.ledger(account), as_of).items():
            print_wide(account_text.missing_ship_by_warning(name, orders))
