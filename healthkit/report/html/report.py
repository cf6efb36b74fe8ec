"""HTML blocks of the monthly report of one account: verdict, scorecard, chapters of measures, and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from healthkit.analysis.verdicts import ACCOUNT_WIDE_METRICS
from healthkit.metrics.policy import JUDGED_STATUSES, UNJUDGED_STATUSES
from healthkit.report import charts
from healthkit.report.html import drivers, measures, missing_files, order_lists, outlook, todo
from healthkit.report.html.block import HtmlBlock, render_template
from healthkit.report.html.drivers import CaptionedChart
from healthkit.report.html.measures import Measure
from healthkit.report.html.sparklines import sparkline
from healthkit.report.text import account as account_text
from healthkit.report.text import events as event_text
from healthkit.report.text import figures, labels, movements, reasons, sentences, stakes
from healthkit.report.text import outlook as outlook_text
from healthkit.report.text import portfolio as portfolio_text
from healthkit.report.text import reconciliation as reconciliation_text
from healthkit.report.text import rules as rules_text
from healthkit.report.text.sentences import Sentence, SharedGroup

if TYPE_CHECKING:
    from healthkit.metrics.policy import EndedRule
    from healthkit.report.model import MonthlyReport

MAX_LISTED_ORDERS = 12
"""Orders at fault listed in a chapter; the CSV file beside the page lists all."""

MIN_FAULTS_TO_DRAW = 3
"""Smallest number of orders at fault for which charts of them are drawn."""


def verdict(report: MonthlyReport, index_href: str = "index.html") -> HtmlBlock:
    """Return the HTML block of the verdict: account, day, and what is wrong, what comes next and what to do first.

    A note next to the day says if the files end before the month does.
    """
    html = render_template(
        "verdict.html.j2",
        account=report.title,
        where=report.marketplace_title,
        on=figures.format_long_day(report.as_of, 0),
        ended=report.month_end is not None and report.as_of < report.month_end,
        index_href=index_href,
        sentences=_verdict_sentences(report),
    )
    return HtmlBlock(html)


def verdict_lines(report: MonthlyReport) -> list[list[str]]:
    """Return the sentences of the verdict as pairs of heading and plain text, with missing files and what to do."""
    lines = [[heading, sentences.plain_text(sentence)] for heading, sentence in _verdict_sentences(report)]
    unjudged = measures.enforced_unjudged(report)
    if unjudged:
        names = [sentences.measure_phrase(row.metric, row.standing.channel, company=row.company) for row in unjudged]
        lines.append(
            [
                "What is missing",
                portfolio_text.missing_files_sentence(names, missing_files.missing_file_titles(report)),
            ]
        )
    return [*lines, *todo.summary_line(report)]


@measures.cached_per_report
def _verdict_sentences(report: MonthlyReport) -> list[tuple[str, Sentence]]:
    """Return the sentences of the verdict, each with its heading."""
    rows, year = measures.measures(report), report.as_of.year
    by_status = {status: [row for row in rows if row.status == status] for status in JUDGED_STATUSES}
    off, risk, on = (by_status[status] for status in JUDGED_STATUSES)
    unjudged = measures.enforced_unjudged(report)
    wrong = sentences.what_is_wrong_sentence(
        [row.standing for row in off], [row.standing for row in risk], len(on), [row.standing for row in unjudged]
    )
    company = labels.company_of(report.marketplace)
    wrong = _add_disagreement(wrong, measures.measures_judged_otherwise(rows), company)
    if not off + risk + on:
        return [("What is wrong", wrong), *_sentences_without_verdict(report, rows, year)]
    # Only rates have a headroom in orders: no violation is allowed, and a rating is in points.
    rates = [row for row in risk + on if row.is_rate]
    worst = off[0] if off else min(rates or risk + on, key=lambda row: row.headroom or 0)
    return [
        ("What is wrong", wrong),
        _what_comes_next(report, off, worst, year),
        _what_to_do_first(report, off + risk, worst, year),
    ]


def _what_comes_next(report: MonthlyReport, off: list[Measure], worst: Measure, year: int) -> tuple[str, Sentence]:
    """Return the second sentence and its heading: return dates, orders that leave the window, or the least headroom."""
    faults = measures.measure_faults(report, worst)
    if off and worst.shows_marketplace_figure and worst.is_rate:
        return "What leaves next", sentences.unknown_orders_sentence(worst.standing, len(faults))
    returns = [(row.standing, phrase) for row in off if (phrase := outlook.likely_phrase_of(report, row))]
    if returns:
        return "What comes next", outlook_text.likely_returns_sentence(returns)
    if off:
        return "What leaves next", sentences.orders_leaving_sentence(
            worst.standing, measures.count_leaving_orders(faults, report.as_of), year
        )
    return "Room left", sentences.least_room_sentence(worst.standing)


def _what_to_do_first(
    report: MonthlyReport, failing_measures: list[Measure], worst: Measure, year: int
) -> tuple[str, Sentence]:
    """Return the third sentence and its heading: what most orders at fault share, else the first step.

    The first step is that of the list of what to do, if there is one; only a file to download is described at length.
    """
    heading = "What to do first"
    faults = measures.measure_faults(report, worst)
    step = todo.first_row(report)
    unknown = worst.shows_marketplace_figure and len(faults) < worst.at_fault
    lacks_files = (failing_measures and unknown) or (not failing_measures and measures.enforced_unjudged(report))
    if not worst.is_rate and failing_measures and (step is None or step.metric in ACCOUNT_WIDE_METRICS):
        return heading, _resolve_violations_first(report, worst)
    if lacks_files and (step is None or step.kind == "file"):
        file_kind = "" if step is None else step.action_id
        advice = missing_files.first_file_to_download(report, worst if failing_measures else None, file_kind)
        if advice is not None:
            return heading, advice
    if step is not None and (lacks_files or not len(faults)):
        return heading, todo.step_sentence(step)
    if not worst.is_rate:
        return heading, _resolve_violations_first(report, worst)
    if not len(faults):
        return heading, sentences.nothing_at_fault_sentence(worst.fault_noun)
    shared = _shared_group(faults, worst)
    return "Where the faults come from", sentences.origin_sentence(shared, len(faults), year, worst.fault_noun)


def _add_disagreement(first_sentence: Sentence, disagreements: list[tuple[str, str, str]], company: str) -> Sentence:
    """Return the first sentence extended by the measures to which the marketplace gives another status."""
    return (
        *first_sentence[:-1],
        first_sentence[-1].rstrip(".") + reconciliation_text.disagreement_clause(disagreements, company) + ".",
    )


def _resolve_violations_first(report: MonthlyReport, worst: Measure) -> Sentence:
    """Return a sentence on the open violations to resolve first, as first step for violations and for the rating."""
    rows = report.violations[report.violations["open"] > 0] if len(report.violations) else report.violations
    open_count = int(rows["open"].sum()) if len(rows) else round(worst.value or 0)
    dated = rows[rows["opened_on"].notna()].sort_values("opened_on") if len(rows) else rows
    oldest = "" if dated.empty else (
        f"{labels.lowercase_first(account_text.category_label(dated['category'].iloc[0]))}, opened "
        f"{figures.format_long_day(measures.as_date(dated['opened_on'].iloc[0]), report.as_of.year)}"
    )  # fmt: skip
    head, rest = account_text.resolve_violations_sentence(open_count, oldest)
    return (labels.Strong(head), rest)


def _sentences_without_verdict(report: MonthlyReport, rows: list[Measure], year: int) -> list[tuple[str, Sentence]]:
    """Return the sentences of a verdict without a judged measure: the orders on hand, and what to import first."""
    orders_on_hand = (
        f"The files hold {figures.format_quantity(report.orders)}, from "
        f"{figures.format_long_day(report.begins_on, year)} "
        f"to {figures.format_long_day(report.ends_on, year)}."
        if report.orders
        else "The files hold no orders.",
    )
    advice = missing_files.first_file_to_download(report, None)
    if advice is not None:
        return [("What there is", orders_on_hand), ("What to do first", advice)]
    short = [row.first_day for row in rows if row.status == "short history"]
    if not short:
        return [("What there is", orders_on_hand)]
    step = (
        labels.Strong("Import orders"),
        f" from {figures.format_long_day(min(short), year)} on, where the longest window starts.",
    )
    return [("What there is", orders_on_hand), ("What to do first", step)]


def _rule_clock(measure: Measure) -> str:
    return measure.clock


def _shared_group(faults: pd.DataFrame, measure: Measure) -> SharedGroup | None:
    return measures.find_shared_group(faults, _rule_clock(measure), measure.window)


# -- scorecard --------------------------------------------------------------------------------------------


def scorecard(report: MonthlyReport) -> HtmlBlock:
    """Return the HTML block of the scorecard: status, rate, target, headroom and trend of measures, worst first."""
    rows = measures.measures(report)
    counts = {status: sum(row.status == status for row in rows) for status in labels.STATUS_STYLES}
    judged = sum(counts[status] for status in JUDGED_STATUSES)
    company = labels.company_of(report.marketplace)
    html = render_template(
        "scorecard.html.j2",
        title=sentences.scorecard_title(
            counts["off target"], counts["at risk"], judged, len(measures.enforced_unjudged(report))
        ),
        before=figures.format_day(report.before, report.as_of.year),
        rows=[
            _scorecard_row(report, row, place and rows[place - 1].status != row.status)
            for place, row in enumerate(rows)
        ],
        proxies=sorted({labels.assumptions_sentence(row.proxy) for row in rows if row.proxy}),
        channel_notes=[
            sentences.channel_without_orders_note(name, n, company)
            for name, n in measures.channels_without_orders(report).items()
        ],
        uncovered=account_text.uncovered_measures_sentence(measures.uncovered_measures(report), company),
    )
    return HtmlBlock(html)


def _scorecard_row(report: MonthlyReport, row: Measure, begins_group: Any) -> dict[str, Any]:
    """Return the scorecard row of one measure as template values."""
    year = report.as_of.year
    status = labels.STATUS_STYLES[row.status]
    has_chapter = row.status in ("off target", "at risk")
    reason = row.explain_unjudged(report.begins_on, report.ends_on)
    return _figure_cells(row, reason) | {
        "status": status,
        "group": bool(begins_group),
        "label": sentences.measure_heading(row.metric, row.window if row.several_windows else 0, row.company),
        "href": f"#{row.anchor if row.is_rate else 'account'}" if has_chapter else "",
        "channel": labels.channel_label(row.channel, row.company) if row.names_channel else "",
        "days": _days_cell(row, year),
        "likely": outlook.likely_phrase_of(report, row),
        "reported": _reported_note(row, year),
        "proxy": bool(row.proxy),
        "beside": measures.has_reconciliation(report, row),
        "faint": row.status in (*UNJUDGED_STATUSES, "no target"),
        "spark": sparkline(row) if row.status not in (*UNJUDGED_STATUSES, "too few", "no orders") else "",
        "undrawn": _UNDRAWN_REASONS.get(row.status, "too few weeks to draw"),
        "change": _change_cell(row),
    }


_UNDRAWN_REASONS = {"no data": "nothing to draw", "no orders": "nothing to draw", "too few": "too few to draw"}


def _figure_cells(row: Measure, no_headroom_reason: str) -> dict[str, str]:
    """Return the cells rate, target, count and headroom of a scorecard row.

    `no_headroom_reason` is the headroom cell of a rate that is not judged. A value that is not a rate has its own text.
    """
    points = getattr(row.rule, "points", None)
    on_from, most = (points.on_from, points.most) if points is not None else (None, None)
    if row.is_rate or row.value is None:
        has_rate = row.counted and row.status != "too few" and row.is_rate
        return {
            "rate": figures.format_rate(row.counted, row.at_fault, row.side, row.target) if has_rate else labels.DASH,
            "target": figures.format_target(row.side, row.target)
            if points is None
            else account_text.format_value_target(row.metric, on_from),
            "count": _count_cell(row),
            "headroom": figures.format_headroom(row.headroom, row.noun)
            if row.status in JUDGED_STATUSES
            else no_headroom_reason,
        }
    return {
        "rate": account_text.format_short_value(row.metric, row.value),
        "target": account_text.format_value_target(row.metric, on_from),
        "count": account_text.format_value_count(row.metric, row.counted, most),
        "headroom": account_text.format_value_room(row.metric, row.value, on_from),
    }


def _count_cell(row: Measure) -> str:
    """Return the count of a row as text: "0 orders" if there were none, a dash if the count is unknown."""
    if row.counted:
        return figures.format_count(row.counted, row.at_fault, row.side)
    return f"0 {row.noun}s" if row.status == "no orders" or row.reason is None else labels.DASH


def _days_cell(row: Measure, year: int) -> str:
    """Return the days of a window as text; for a number or a reported value, its single day."""
    if row.reported_on is not None and row.value is not None:
        return reconciliation_text.reported_on_note(row.reported_on, year, row.company)
    if account_text.figure_kind(row.metric) == "number":
        return figures.format_day(row.last_day, year)
    return figures.format_day_range(row.first_day, row.last_day, year)


def _reported_note(row: Measure, year: int) -> str:
    """Return a note on the day of a rate that the marketplace reported; "" for our own rates and other values."""
    if row.reported_on is None or row.value is not None:
        return ""
    return reconciliation_text.reported_on_note(row.reported_on, year, row.company)


def _change_cell(row: Measure) -> str:
    """Return the change since the month before as text; a dash if one of the two figures is unknown."""
    if row.value is not None:
        return labels.DASH if row.previous_value is None else (
            account_text.format_value_change(row.metric, row.value, row.previous_value)
        )  # fmt: skip
    if row.previous_counts is None or row.status not in (*JUDGED_STATUSES, "no target"):
        return labels.DASH
    return figures.format_rate_change((row.counted, row.at_fault), row.previous_counts, row.side, row.target)


# -- chapters ---------------------------------------------------------------------------------------------


def measure_chapters(report: MonthlyReport, stem: str = "") -> HtmlBlock:
    """Return the HTML block of chapters: one for each measure off target or at risk, worst first.

    `stem` is the prefix of the files with the orders at fault of a measure; without it, no file is linked.
    """
    rows = measures.measures(report)
    chapters = [_chapter(report, row, _other_window(rows, row), stem) for row in _chapter_measures(rows)]
    specs = {name: spec for _, chapter_specs in chapters for name, spec in chapter_specs.items()}
    return HtmlBlock(render_template("chapters.html.j2", chapters=[words for words, _ in chapters], weeks=26), specs)


def _chapter_measures(rows: list[Measure]) -> list[Measure]:
    """Return the measures that have a chapter: off target or at risk, each in the window that is worst."""
    worst: dict[tuple[str, str], Measure] = {}
    for row in rows:
        if row.status in ("off target", "at risk") and row.is_rate:
            worst.setdefault((row.metric, row.channel), row)
    return list(worst.values())


def chapter_order_lists(report: MonthlyReport) -> dict[str, str]:
    """Return the CSV file of the orders at fault of each chapter that has any, by the end of its file name."""
    return {
        order_lists.order_list_suffix(row): order_lists.order_list_csv(orders)
        for row, orders in _measures_with_orders(report)
    }


def chapter_order_workbooks(report: MonthlyReport) -> dict[str, bytes]:
    """Return the lists of `chapter_order_lists` as workbooks (XLSX), by the end of their file names."""
    return {
        order_lists.order_list_suffix(row, "xlsx"): order_lists.order_list_xlsx(orders)
        for row, orders in _measures_with_orders(report)
    }


@measures.cached_per_report
def _measures_with_orders(report: MonthlyReport) -> list[tuple[Measure, pd.DataFrame]]:
    """Return the measures of the chapters that have orders at fault, each with its list of them."""
    wrong = {row.anchor: row for row in _chapter_measures(measures.measures(report))}
    faults = ((row, measures.measure_faults(report, row)) for row in wrong.values())
    return [(row, order_lists.order_list(rows, row)) for row, rows in faults if len(rows)]


def _other_window(rows: list[Measure], row: Measure) -> Measure | None:
    """Return the longest other window of the same measure that has orders; None without one."""
    same = [other for other in rows if (other.metric, other.channel) == (row.metric, row.channel) and other is not row]
    return max((other for other in same if other.counted), key=lambda other: other.window, default=None)


def _chapter(
    report: MonthlyReport, row: Measure, other: Measure | None, stem: str
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return one chapter as template values, and the Vega-Lite specs of its charts by element id."""
    year = report.as_of.year
    faults = measures.measure_faults(report, row)
    group = _shared_group(faults, row)
    pair, alone = _chapter_figures(report, row, faults, group)
    rate = _rate_figure(report, row, other, year) if _has_drawable_rate(report, row) else None
    excess_figures, no_group_sentence = drivers.excess_figure(report, row, faults)
    alone = [*alone, *excess_figures]
    standing = row.standing._replace(channel=row.channel)
    calendar, futures = (
        measures.measure_calendar(report, row),
        report.futures.get((row.metric, row.channel, row.window)),
    )
    steps = report.steps.get((row.metric, row.channel, row.window), [])
    what_if = outlook.what_if_section(row, calendar, year, futures, steps) if calendar is not None else None
    curve = [({"id": what_if[0]["chart"]}, what_if[1])] if what_if is not None else []
    words = {
        "anchor": row.anchor,
        "title": sentences.chapter_title(row.standing, row.previous_counts),
        "lead": _chapter_lead(row, standing, year),
        "notes": _chapter_notes(report, row, other, no_group_sentence),
        "rate": rate[0] if rate is not None else None,
        "pair": [figure for figure, _ in pair],
        "alone": [figure for figure, _ in alone],
        "what_if": what_if[0] if what_if is not None else None,
        "orders": _orders_table(row, faults, stem, year),
    }
    figures = (*([rate] if rate is not None else []), *pair, *alone, *curve)
    return words, {figure["id"]: spec for figure, spec in figures}


def _has_drawable_rate(report: MonthlyReport, row: Measure) -> bool:
    """Return whether the daily scores of a measure have at least two days with a rate that can be drawn."""
    daily = report.daily_scores
    history = daily[
        (daily["metric"] == row.metric) & (daily["channel"] == row.channel) & (daily["window"] == row.window)
    ]
    return int(((history["counted"] > 0) & ~history["status"].isin(charts.UNDRAWN_STATUSES)).sum()) > 1


def _chapter_lead(row: Measure, measure_standing: sentences.MeasureStanding, year: int) -> str:
    """Return the lead of a chapter: orders counted and orders at fault; a marketplace figure is named as the source."""
    lead = sentences.chapter_lead(measure_standing, _rule_clock(row), row.first_day, row.last_day, year)
    if row.shows_marketplace_figure:
        return f"{labels.capitalise_first(row.figure_source)}. {lead}"
    return lead


def _chapter_figures(
    report: MonthlyReport, row: Measure, faults: pd.DataFrame, group: SharedGroup | None
) -> tuple[list[CaptionedChart], list[CaptionedChart]]:
    """Return the figures shown as a pair side by side, and those shown alone below the pair."""
    year = report.as_of.year
    bridge = _bridge_figure(report, row)
    if len(faults) < MIN_FAULTS_TO_DRAW:
        return bridge, []
    causes = _cause_figure(report, row, faults, group, year)
    leaving = _leaving_figure(report, row, faults, group, charts.WIDE if bridge else charts.HALF)
    return ([causes, *bridge], [leaving]) if bridge else ([causes, leaving], [])


def _rate_figure(report: MonthlyReport, row: Measure, other: Measure | None, year: int) -> CaptionedChart:
    """Return the figure of the daily rate in the judged window and in another one."""
    daily = report.daily_scores[
        (report.daily_scores["metric"] == row.metric) & (report.daily_scores["channel"] == row.channel)
    ]
    since = measures.off_target_since(daily[daily["window"] == row.window])
    title = (
        reasons.our_rate_title(row.figure_source)
        if row.shows_marketplace_figure
        else sentences.rate_title(row.standing, *since, year)
    )
    chart = charts.rate_over_time(
        daily, row.window, other.window if other else None, before=report.before, events=report.events,
        description=title,
    )  # fmt: skip
    return drivers.captioned_chart(row, "rate", title, chart, [])


def _chapter_notes(
    report: MonthlyReport, row: Measure, other: Measure | None, no_group_sentence: str
) -> list[Sentence]:
    """Return the notes next to the rate chart: legend, window, simulated futures, consequence, drivers and source."""
    lag = getattr(row.rule, "lag", 0)
    notes: list[Sentence] = [sentences.windows_legend(row.window, other.window)] if other else []
    notes.append((labels.Strong("The window"), sentences.window_note(_rule_clock(row), row.window, lag, row.noun)))
    futures, phrase = report.futures.get((row.metric, row.channel, row.window)), outlook.likely_phrase_of(report, row)
    if futures is not None and phrase:
        notes.append((labels.Strong("What may come. "), outlook_text.simulated_futures_sentence(futures.draws, phrase)))
    notes += event_lines(report, row)
    consequence = drivers.streak_consequence(report, row)
    if consequence:
        notes.append((labels.Strong("What may follow. "), f"{consequence} {_at_stake(report, row)}".strip()))
    elif getattr(row.rule, "consequence", ""):
        notes.append((labels.Strong("What is at stake. "), f"{row.rule.consequence} {_at_stake(report, row)}".strip()))
    if no_group_sentence:
        notes.append((labels.Strong("Who carries the excess. "), no_group_sentence))
    if row.shows_marketplace_figure:
        why = row.explain_unjudged(report.begins_on, report.ends_on) if row.reason is not None else ""
        counts = reasons.our_counts_sentence(*row.our_counts, row.side, row.target, row.noun, why)
        notes.append((labels.Strong("Ours. "), labels.capitalise_first(counts)))
    if row.proxy:
        notes.append((labels.Strong("≈ proxy. "), labels.assumptions_sentence(row.proxy)))
    return notes


MAX_EVENT_EFFECTS = 3
"""Newest events whose effect a chapter states; earlier ones are listed with their day."""


def event_lines(report: MonthlyReport, row: Measure) -> list[Sentence]:
    """Return a line for each event in the rate chart of a measure, by its number there, with its effect."""
    if not report.events:
        return []
    days = [as_of.date() for as_of in report.daily_scores["as_of"]] or [report.as_of]
    marked = charts.shown_events(report.events, min(days), max(days))
    effects = [
        effect for effect in measures.records(report.event_effects)
        if (effect["metric"], effect["channel"]) == (row.metric, row.channel)
    ]  # fmt: skip
    return event_text.event_lines(marked, effects, _rule_clock(row), report.as_of.year, MAX_EVENT_EFFECTS)


def _at_stake(report: MonthlyReport, row: Measure) -> str:
    """Return what the offers sold that a measure puts at stake; "" for one that is on target."""
    stake = report.at_stake.get((row.metric, row.channel, row.window))
    return "" if stake is None else stakes.at_stake_sentence(stake.scope, row.channel, stake.sales, row.company)


def _cause_figure(
    report: MonthlyReport, row: Measure, faults: pd.DataFrame, group: SharedGroup | None, year: int
) -> CaptionedChart:
    """Return the figure of orders at fault: by cause if there are several or a shared product, else by day."""
    title = sentences.causes_title(group, len(faults), year, row.fault_noun)
    units = sentences.units_caption(len(faults), row.our_counts[1] if row.shows_marketplace_figure else row.at_fault)
    in_group = measures.group_mask(faults, group)
    if len(set(faults["causes"])) > 1 or (group is not None and group.kind == "product"):
        name = f"for “{group.name}”" if group is not None and group.kind == "product" else ""
        chart = charts.defects_by_cause(faults, in_group, name, description=title)
        return drivers.captioned_chart(
            row, "causes", title, chart, [_squares_caption(faults, row.fault_noun), units, *_part_captions(report, row)]
        )
    chart = charts.faults_by_day(faults, row.first_day, row.last_day, in_group, description=title)
    return drivers.captioned_chart(
        row,
        "causes",
        title,
        chart,
        [f"One mark, one {row.fault_noun} at fault, on its {labels.CLOCK_LABELS[_rule_clock(row)]}.", units],
    )


def _squares_caption(faults: pd.DataFrame, noun: str) -> str:
    """Return the caption of the squares, with the number of orders that have several causes."""
    return sentences.squares_caption(
        len(faults), int(faults["causes"].str.contains("+", regex=False).sum()), charts.MAX_SQUARES, noun
    )


def _part_captions(report: MonthlyReport, row: Measure) -> list[str]:
    """Return the caption on the rates of the parts of a measure, now and a month before; empty without parts."""
    rows = measures.part_rows(report, row)
    previous = {old["metric"]: int(old["at_fault"]) for old in measures.records(report.earlier)
              if old["channel"] == row.channel and old["window"] == row.window and old["counted"]}  # fmt: skip
    parts = [
        (part["metric"], int(part["counted"]), int(part["at_fault"]), previous.get(part["metric"]))
        for part in rows
        if part["counted"]
    ]
    return (
        [sentences.parts_caption(parts, row.target, figures.format_day(report.before, report.as_of.year), row.company)]
        if parts
        else []
    )


def _bridge_figure(report: MonthlyReport, row: Measure) -> list[CaptionedChart]:
    """Return the bridge figure of the rate since the month before; empty if the report has no bridge of the measure."""
    bridge = report.bridges.get((row.metric, row.channel, row.window))
    if bridge is None:
        return []
    movement = movements.movement_from_bridge(bridge)
    title = movements.bridge_title(movement)
    caption = [
        *movements.bridge_caption(movement),
        *movements.bars_caption(movement, charts.bar_scale(movement).begin),
    ]
    return [drivers.captioned_chart(row, "bridge", title, charts.bridge_chart(bridge, description=title), caption)]


def _leaving_figure(
    report: MonthlyReport, row: Measure, faults: pd.DataFrame, group: SharedGroup | None, width: int
) -> CaptionedChart:
    """Return the figure of the days on which orders at fault leave the window. `width` is in pixels."""
    year = report.as_of.year
    leaving = measures.count_leaving_orders(faults, report.as_of)
    assert leaving is not None, "a figure of leaving orders requires orders at fault"
    title = sentences.leaving_title(leaving, year)
    in_group = measures.group_mask(faults, group)
    chart = charts.leaving_calendar(faults, report.as_of, leaving.until, in_group, description=title, width=width)
    return drivers.captioned_chart(
        row,
        "leaving",
        title,
        chart,
        [sentences.leaving_caption(0 < in_group.sum() < len(in_group), group, year, row.fault_noun)],
    )


def _orders_table(row: Measure, faults: pd.DataFrame, stem: str, year: int) -> dict[str, Any]:
    """Return the table of orders at fault that leave first as template values, with the link to all of them."""
    first_leaving = faults.sort_values(["leaves_on", "order_id"], kind="stable").head(MAX_LISTED_ORDERS)
    assumed = sorted(
        {labels.assumptions_sentence(measures.text_or_empty(value)) for value in first_leaving["assumed"]} - {""}
    )
    return {
        "title": sentences.orders_title(len(first_leaving), len(faults), row.fault_noun),
        "noun": labels.capitalise_first(row.fault_noun),
        "placed": labels.CLOCK_COLUMN_HEADS[_rule_clock(row)],
        "rows": [_order_row(order, year) for order in measures.records(first_leaving)],
        "href": stem + order_lists.order_list_suffix(row) if stem and len(faults) else "",
        "xlsx_href": stem + order_lists.order_list_suffix(row, "xlsx"),
        "xlsx_link": portfolio_text.WORKBOOK_LINK_LABEL,
        "link": portfolio_text.orders_link_label(len(faults), row.fault_noun),
        "assumed": assumed,
    }


def _order_row(order: dict[str, Any], year: int) -> dict[str, str]:
    """Return the table row of one order at fault as text."""
    return {
        "id": str(order["order_id"]),
        "cause": labels.capitalise_first(labels.causes_phrase(order["causes"])),
        "bought": order["bought"],
        **{
            name: figures.format_day(measures.as_date(order[name]), year)
            for name in ("clock_day", "known_on", "leaves_on")
        },
    }


# -- rules ------------------------------------------------------------------------------------------------


def rules_in_force(report: MonthlyReport) -> HtmlBlock:
    """Return the HTML block of rules with window, first day, source and certainty, and of the data version."""
    rules = [rule for rule in report.rules if not rule.part_of]
    company = labels.company_of(report.marketplace)
    provenance = [
        ("Rules", report.policy),
        ("Data", _data_summary(report)),
        *([("Made", report.made)] if report.made else []),
    ]
    html = render_template(
        "rules.html.j2",
        rows=[
            *(_rule_row(rule, company) for rule in rules),
            *(_row_without_rule(ended, company) for ended in report.without_rule),
        ],
        provenance=provenance,
    )
    return HtmlBlock(html)


def _data_summary(report: MonthlyReport) -> str:
    span = f"{figures.format_day(report.begins_on, 0)} to {figures.format_day(report.ends_on, 0)}"
    return f"{report.data.rstrip('.')}; {figures.format_quantity(report.orders)}, placed {span}"


def _rating_target(rule: Any) -> str:
    """Return the target of a rating in points as text; "" for other measures."""
    points = rule.points
    return "" if points is None else rules_text.rating_target_phrase(points.on_from, points.off_under, points.most)


def _rule_row(rule: Any, company: str) -> dict[str, str]:
    """Return the table row of one rule as text."""
    noun = labels.metric_words(rule.metric).noun
    has_several_channels = len(rule.channels) > 1
    side, share = (rule.target.side, rule.target.share) if rule.target is not None else ("", None)
    return {
        "label": labels.metric_words(rule.metric, company).label,
        "channels": labels.join_words([labels.channel_label(name, company) for name in rule.channels])
        if has_several_channels
        else "",
        "target": _rating_target(rule) or sentences.rule_phrase(side, share, rule.minimum, noun),
        "window": sentences.window_phrase(rule.windows, rule.lag),
        "placed": labels.CLOCK_LABELS[rule.clock],
        "mark": labels.INFERRED_MARK if rule.is_inferred else "",
        "note": labels.capitalise_first(rule.note.strip()),
        "since": figures.format_day(rule.since, 0),
        "source": rule.source.strip().rstrip("."),
        "sure": labels.CERTAINTY_LABELS[rule.sure],
    }


def _row_without_rule(ended: EndedRule, company: str) -> dict[str, str]:
    """Return the table row of a metric without a rule: none was found, or no file lets compute it."""
    return dict.fromkeys(("channels", "window", "sure"), "") | {
        "label": labels.metric_words(ended.metric, company).label,
        "target": labels.NOT_COMPUTED if ended.not_computed else labels.NO_TARGET_FOUND,
        "source": ended.source.strip().rstrip("."),
    }
