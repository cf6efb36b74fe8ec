"""The blocks of one account's monthly report that its own figures fill: verdict, scorecard, chapters, rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from healthkit.metrics.policy import UNJUDGED
from healthkit.report import charts, wording
from healthkit.report.blocks import excess, findings, foresight, missing_files
from healthkit.report.blocks.block import Block, rendered
from healthkit.report.blocks.excess import Figure
from healthkit.report.blocks.findings import JUDGED, Measure
from healthkit.report.blocks.sparklines import sparkline
from healthkit.report.wording import Group, Sentence

if TYPE_CHECKING:
    from healthkit.report.model import Monthly

LISTED = 12
"""So many orders stand in a page; all of them in the file beside it."""

WORTH_DRAWING = 3
"""Fewer orders at fault are told by their table alone."""


def verdict(monthly: Monthly, index_href: str = "index.html") -> Block:
    """Who and when, then three sentences: what is wrong, what leaves or what room there is, what to do first.

    Where the files end before the month does, that is said beside the day.
    """
    year = monthly.as_of.year
    html = rendered(
        "verdict.html.j2",
        account=monthly.account,
        where=monthly.marketplace_title,
        on=wording.long_day(monthly.as_of, 0),
        ended=monthly.month_end is not None and monthly.as_of < monthly.month_end,
        index_href=index_href,
        sentences=_sentences(monthly, findings.measures(monthly), year),
    )
    return Block(html)


def verdict_lines(monthly: Monthly) -> list[list[str]]:
    """The three sentences as plain text, each with the question that it answers, and what is missing."""
    rows = findings.measures(monthly)
    lines = [[heading, wording.plain(sentence)] for heading, sentence in _sentences(monthly, rows, monthly.as_of.year)]
    unjudged = findings.enforced_unjudged(monthly)
    if unjudged:
        names = [wording.measure(row.metric, row.standing.channel) for row in unjudged]
        lines.append(["What is missing", wording.portfolio.missing(names, missing_files.titles(monthly))])
    return lines


def _sentences(monthly: Monthly, rows: list[Measure], year: int) -> list[tuple[str, Sentence]]:
    """The three sentences, each with the question that it answers."""
    of = {status: [row for row in rows if row.status == status] for status in JUDGED}
    off, risk, on = (of[status] for status in JUDGED)
    unjudged = findings.enforced_unjudged(monthly)
    wrong = wording.wrong(
        [row.standing for row in off], [row.standing for row in risk], len(on), [row.standing for row in unjudged]
    )
    wrong = _unless_otherwise(wrong, findings.judged_otherwise(rows))
    if not off + risk + on:
        return [("What is wrong", wrong), *_nothing_judged(monthly, rows, year)]
    # Of what is no rate there is no room to speak of: no violation is allowed, and points are not orders.
    rates = [row for row in risk + on if row.is_rate]
    worst = off[0] if off else min(rates or risk + on, key=lambda row: row.headroom or 0)
    return [("What is wrong", wrong), _next(monthly, off, worst, year), _first(monthly, off + risk, worst, year)]


def _next(monthly: Monthly, off: list[Measure], worst: Measure, year: int) -> tuple[str, Sentence]:
    """The second sentence: when what is off target is back, which orders leave, or how much room is left."""
    faults = findings.faults_of(monthly, worst)
    if off and worst.is_theirs and worst.is_rate:
        return "What leaves next", wording.orders_unknown(worst.standing, len(faults))
    backs = [
        (row.standing, calendar.back_on, calendar.last)
        for row in off
        if not row.is_theirs and (calendar := findings.calendar_of(monthly, row))
    ]
    if backs:
        last = max(day for *_, day in backs)
        return "What comes next", wording.foresight.comes_back([pair[:2] for pair in backs], last, year)
    if off:
        return "What leaves next", wording.leaves_next(worst.standing, findings.leaving(faults, monthly.as_of), year)
    return "Room left", wording.least_room(worst.standing)


def _first(monthly: Monthly, wrong: list[Measure], worst: Measure, year: int) -> tuple[str, Sentence]:
    """The third sentence: where to begin. Nothing is said only where nothing is missing and nothing is at fault."""
    heading = "What to do first"
    faults = findings.faults_of(monthly, worst)
    if not worst.is_rate and wrong:
        return heading, _first_of_account(monthly, worst)
    unknown = worst.is_theirs and len(faults) < worst.at_fault
    if (wrong and unknown) or (not wrong and findings.enforced_unjudged(monthly)):
        advice = missing_files.first(monthly, worst if wrong else None)
        if advice is not None:
            return heading, advice
    if not worst.is_rate:
        return heading, _first_of_account(monthly, worst)
    return heading, wording.first_step(_group(faults, worst), len(faults), year, worst.row_noun)


def _unless_otherwise(wrong: Sentence, measures: list[tuple[str, str, str]]) -> Sentence:
    """The first sentence, and where the marketplace's own figures judge differently, that they do."""
    return (*wrong[:-1], wrong[-1].rstrip(".") + wording.beside.says_otherwise(measures) + ".")


def _first_of_account(monthly: Monthly, worst: Measure) -> Sentence:
    """Where to begin with what is no rate: violations, for they take the points of the rating, too."""
    rows = monthly.violations[monthly.violations["open"] > 0] if len(monthly.violations) else monthly.violations
    many = int(rows["open"].sum()) if len(rows) else round(worst.value or 0)
    dated = rows[rows["opened_on"].notna()].sort_values("opened_on") if len(rows) else rows
    named = "" if dated.empty else (
        f"{wording.inside(wording.account.category(dated['category'].iloc[0]))}, opened "
        f"{wording.long_day(findings.day(dated['opened_on'].iloc[0]), monthly.as_of.year)}"
    )  # fmt: skip
    head, rest = wording.account.violations_first(many, named)
    return (wording.Strong(head), rest)


def _nothing_judged(monthly: Monthly, rows: list[Measure], year: int) -> list[tuple[str, Sentence]]:
    """What the files hold, and from which day they would have to, when no measure can be judged."""
    held = (
        f"The files hold {wording.things(monthly.orders)}, from {wording.long_day(monthly.begins_on, year)} "
        f"to {wording.long_day(monthly.ends_on, year)}.",
    )
    advice = missing_files.first(monthly, None)
    if advice is not None:
        return [("What there is", held), ("What to do first", advice)]
    short = [row.first_day for row in rows if row.status == "short history"]
    if not short:
        return [("What there is", held)]
    step = (
        wording.Strong("Import orders"),
        f" from {wording.long_day(min(short), year)} on, where the longest window starts.",
    )
    return [("What there is", held), ("What to do first", step)]


def _clock(measure: Measure) -> str:
    return getattr(measure.rule, "clock", "ordered_on")


def _group(faults: pd.DataFrame, measure: Measure) -> Group | None:
    return findings.shared(faults, _clock(measure), measure.window)


# -- scorecard --------------------------------------------------------------------------------------------


def _unjudged_measures(monthly: Monthly, rows: list[Measure]) -> int:
    """How many measures cannot be judged: those without a judged row, and enforced ones that no fresh figure covers.

    Windows of one measure count once, as in the sentences and in the list of missing files.
    """
    judged = {(row.metric, row.channel) for row in rows if row.status in JUDGED}
    unjudged = {(row.metric, row.channel) for row in rows if row.status in (*UNJUDGED, "too few")}
    enforced = {(row.metric, row.channel) for row in findings.enforced_unjudged(monthly)}
    return len((unjudged - judged) | enforced)


def scorecard(monthly: Monthly) -> Block:
    """Every measure with status, rate, count, window, room in orders, 26 weeks and change, worst first."""
    rows = findings.measures(monthly)
    counts = {status: sum(row.status == status for row in rows) for status in wording.STATUSES}
    judged = sum(counts[status] for status in JUDGED)
    html = rendered(
        "scorecard.html.j2",
        title=wording.scorecard_title(
            counts["off target"], counts["at risk"], judged, _unjudged_measures(monthly, rows)
        ),
        before=wording.day(monthly.before, monthly.as_of.year),
        rows=[_row(monthly, row, place and rows[place - 1].status != row.status) for place, row in enumerate(rows)],
        proxies=sorted({wording.assumptions(row.proxy) for row in rows if row.proxy}),
        silent=[wording.silent_channel(name, n) for name, n in findings.silent_channels(monthly).items()],
        untold=wording.account.not_told(findings.untold(monthly)),
    )
    return Block(html)


def _row(monthly: Monthly, row: Measure, begins_group: Any) -> dict[str, Any]:
    """One measure as the words and drawings of its row."""
    year = monthly.as_of.year
    status = wording.STATUSES[row.status]
    has_chapter = row.status in ("off target", "at risk")
    reason = row.why(monthly.begins_on, monthly.ends_on)
    return _figures_of(row, reason) | {
        "status": status,
        "group": bool(begins_group),
        "label": wording.heading(row.metric, row.window if row.several_windows else 0),
        "href": f"#{row.anchor if row.is_rate else 'account'}" if has_chapter else "",
        "channel": wording.CHANNELS.get(row.channel, row.channel) if row.channel_said else "",
        "days": _days(row, year),
        "reported": _reported(row, year),
        "proxy": bool(row.proxy),
        "beside": findings.is_reconciled(monthly, row),
        "faint": row.status in (*UNJUDGED, "no target"),
        "spark": sparkline(row) if row.status not in (*UNJUDGED, "too few", "no orders") else "",
        "undrawn": _UNDRAWN.get(row.status, "too short to draw"),
        "change": _change(row),
    }


_UNDRAWN = {"no data": "nothing to draw", "no orders": "nothing to draw", "too few": "too few to draw"}


def _figures_of(row: Measure, told: str) -> dict[str, str]:
    """The figures of a row: a rate with its counts and room, or what stands in their place; `told` says why no room."""
    judged, account = row.status in JUDGED, wording.account
    if row.is_rate or row.value is None:
        shown = row.counted and row.status != "too few" and row.is_rate
        return {
            "rate": wording.rate(row.counted, row.at_fault, row.side, row.target) if shown else wording.DASH,
            "target": wording.target(row.side, row.target),
            "count": _count(row),
            "room": wording.headroom(row.headroom, row.noun) if judged else told,
        }
    points = getattr(row.rule, "points", None)
    on_from, most = (points.on_from, points.most) if points is not None else (None, None)
    return {
        "rate": account.short_value(row.metric, row.value),
        "target": account.value_target(row.metric, on_from),
        "count": account.value_count(row.metric, row.counted, most),
        "room": account.value_room(row.metric, row.value, on_from),
    }


def _count(row: Measure) -> str:
    """The count of a row; "0 orders" only where there were none."""
    if row.counted:
        return wording.count(row.counted, row.at_fault, row.side)
    return f"0 {row.noun}s" if row.status == "no orders" or row.reason is None else wording.DASH


def _days(row: Measure, year: int) -> str:
    """The days of a window; of what is open or earned, the day on which it stood."""
    if row.reported_on is not None and row.value is not None:
        return wording.beside.reported_on(row.reported_on, year)
    if wording.account.shows(row.metric) == "number":
        return wording.day(row.last_day, year)
    return wording.days(row.first_day, row.last_day, year)


def _reported(row: Measure, year: int) -> str:
    """When the marketplace reported the rate that is shown; empty for ours, and for what is no rate."""
    if row.reported_on is None or row.value is not None:
        return ""
    return wording.beside.reported_on(row.reported_on, year)


def _change(row: Measure) -> str:
    """The change since the month before; a dash where one of the two days says nothing."""
    if row.value is not None:
        return wording.DASH if row.value_before is None else (
            wording.account.value_change(row.metric, row.value, row.value_before)
        )  # fmt: skip
    if row.before is None or row.status not in (*JUDGED, "no target"):
        return wording.DASH
    return wording.points((row.counted, row.at_fault), row.before, row.side, row.target)


# -- chapters ---------------------------------------------------------------------------------------------


def chapters(monthly: Monthly, stem: str = "") -> Block:
    """One chapter for each measure off target or at risk, worst first; `stem` names the file of its orders."""
    rows = findings.measures(monthly)
    worst: dict[tuple[str, str], Measure] = {}
    for row in rows:
        if row.status in ("off target", "at risk") and row.is_rate:
            worst.setdefault((row.metric, row.channel), row)
    made = [_chapter(monthly, row, _other_window(rows, row), stem) for row in worst.values()]
    drawn = {name: held for _, specs in made for name, held in specs.items()}
    return Block(rendered("chapters.html.j2", chapters=[words for words, _ in made], weeks=26), drawn)


def _other_window(rows: list[Measure], row: Measure) -> Measure | None:
    """The longest other window of the same measure."""
    same = [other for other in rows if (other.metric, other.channel) == (row.metric, row.channel) and other is not row]
    return max((other for other in same if other.counted), key=lambda other: other.window, default=None)


def _chapter(
    monthly: Monthly, row: Measure, other: Measure | None, stem: str
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The words of one chapter and its charts."""
    year = monthly.as_of.year
    faults = findings.faults_of(monthly, row)
    group = _group(faults, row)
    pair, alone = _figures(monthly, row, faults, group)
    rate = _rate_figure(monthly, row, other, year) if _is_drawn(monthly, row) else None
    carried, unshared = excess.figure(monthly, row, faults)
    alone = [*alone, *carried]
    spoken = row.standing._replace(channel=row.channel)
    calendar = findings.calendar_of(monthly, row)
    tried = foresight.what_if(row, calendar, year) if calendar is not None else None
    curve = [({"id": tried[0]["chart"]}, tried[1])] if tried is not None else []
    words = {
        "anchor": row.anchor,
        "title": wording.chapter_title(row.standing, row.before),
        "lead": _lead(row, spoken, year),
        "notes": _notes(monthly, row, other, unshared),
        "rate": rate[0] if rate is not None else None,
        "pair": [words for words, _ in pair],
        "alone": [words for words, _ in alone],
        "what_if": tried[0] if tried is not None else None,
        "orders": _orders(row, faults, stem, year),
    }
    figures = (*([rate] if rate is not None else []), *pair, *alone, *curve)
    return words, {words["id"]: figure for words, figure in figures}


def _is_drawn(monthly: Monthly, row: Measure) -> bool:
    """Whether our files hold a rate of at least two days to draw."""
    daily = monthly.daily
    history = daily[
        (daily["metric"] == row.metric) & (daily["channel"] == row.channel) & (daily["window"] == row.window)
    ]
    return int(((history["counted"] > 0) & ~history["status"].isin(charts.SILENT)).sum()) > 1


def _lead(row: Measure, spoken: wording.Standing, year: int) -> str:
    """Which orders were counted, and how many went wrong; of the marketplace's figure, beside it what ours says."""
    lead = wording.chapter_lead(spoken, _clock(row), row.first_day, row.last_day, year)
    if row.is_theirs:
        return f"{wording.opening(row.whose)}. {lead}"
    return lead


def _figures(
    monthly: Monthly, row: Measure, faults: pd.DataFrame, group: Group | None
) -> tuple[list[Figure], list[Figure]]:
    """The two figures that stand side by side, and the third one that then stands alone below them."""
    year = monthly.as_of.year
    why = _bridge_figure(monthly, row)
    if len(faults) < WORTH_DRAWING:
        return why, []
    causes = _cause_figure(monthly, row, faults, group, year)
    leaving = _leaving_figure(monthly, row, faults, group, charts.WIDE if why else charts.HALF)
    return ([causes, *why], [leaving]) if why else ([causes, leaving], [])


def _rate_figure(monthly: Monthly, row: Measure, other: Measure | None, year: int) -> Figure:
    """The rate of the judged window and of another one, day by day."""
    daily = monthly.daily[(monthly.daily["metric"] == row.metric) & (monthly.daily["channel"] == row.channel)]
    since = findings.off_target_since(daily[daily["window"] == row.window])
    title = wording.reasons.ours_title(row.whose) if row.is_theirs else wording.rate_title(row.standing, *since, year)
    chart = charts.rate_over_time(
        daily, row.window, other.window if other else None, before=monthly.before, finding=title
    )
    return excess.drawn(row, "rate", title, chart, [])


def _notes(monthly: Monthly, row: Measure, other: Measure | None, unshared: str) -> list[Sentence]:
    """What stands beside the rate: which line is which, how the window moves, what may follow, who carries it."""
    lag = getattr(row.rule, "lag", 0)
    notes: list[Sentence] = [wording.both_windows(row.window, other.window)] if other else []
    notes.append((wording.Strong("The window"), wording.window_note(_clock(row), row.window, lag, row.noun)))
    ahead = monthly.futures.get((row.metric, row.channel, row.window))
    if ahead is not None:
        notes.append((wording.Strong("What may come. "), foresight.chance(ahead, monthly.as_of)))
    follows = excess.what_follows(monthly, row)
    if follows:
        notes.append((wording.Strong("What may follow. "), follows))
    elif getattr(row.rule, "consequence", ""):
        notes.append((wording.Strong("What is at stake. "), row.rule.consequence))
    if unshared:
        notes.append((wording.Strong("Who carries the excess. "), unshared))
    if row.is_theirs:
        why = row.why(monthly.begins_on, monthly.ends_on) if row.reason is not None else ""
        counts = wording.reasons.ours_beside(*row.our_counts, row.side, row.target, row.noun, why)
        notes.append((wording.Strong("Ours. "), wording.opening(counts)))
    if row.proxy:
        notes.append((wording.Strong("≈ proxy. "), wording.assumptions(row.proxy)))
    return notes


def _cause_figure(monthly: Monthly, row: Measure, faults: pd.DataFrame, group: Group | None, year: int) -> Figure:
    """What the orders at fault share: by cause where there are several, else by day."""
    title = wording.causes_title(group, len(faults), year, row.row_noun)
    units = wording.units_caption(len(faults), row.our_counts[1] if row.is_theirs else row.at_fault)
    named = findings.in_group(faults, group)
    if len(set(faults["causes"])) > 1 or (group is not None and group.kind == "product"):
        name = f"for “{group.name}”" if group is not None and group.kind == "product" else ""
        chart = charts.defects_by_cause(faults, named, name, finding=title)
        return excess.drawn(row, "causes", title, chart, [_squares(faults, row.row_noun), units, *_parts(monthly, row)])
    chart = charts.faults_by_day(faults, row.first_day, row.last_day, named, finding=title)
    return excess.drawn(
        row,
        "causes",
        title,
        chart,
        [f"One mark, one {row.row_noun} at fault, on its {wording.CLOCKS[_clock(row)]}.", units],
    )


def _squares(faults: pd.DataFrame, noun: str) -> str:
    """How to read the squares, and that an order with two causes stands once."""
    return wording.squares_caption(
        len(faults), int(faults["causes"].str.contains("+", regex=False).sum()), charts.SQUARES, noun
    )


def _parts(monthly: Monthly, row: Measure) -> list[str]:
    """The rates of a measure's parts, now and a month before."""
    rows = findings.parts_of(monthly, row)
    before = {old["metric"]: int(old["at_fault"]) for old in findings.records(monthly.earlier)
              if old["channel"] == row.channel and old["window"] == row.window and old["counted"]}  # fmt: skip
    parts = [
        (part["metric"], int(part["counted"]), int(part["at_fault"]), before.get(part["metric"]))
        for part in rows
        if part["counted"]
    ]
    return [wording.parts_caption(parts, row.target, wording.day(monthly.before, monthly.as_of.year))] if parts else []


def _bridge_figure(monthly: Monthly, row: Measure) -> list[Figure]:
    """Why the rate moved since the month before, where both days have one under the same rule."""
    bridge = monthly.bridges.get((row.metric, row.channel, row.window))
    if bridge is None:
        return []
    moved = wording.movement(bridge)
    title = wording.bridge_title(moved)
    caption = [*wording.bridge_caption(moved), *wording.bars_caption(moved, charts.bars_span(moved).begin)]
    return [excess.drawn(row, "bridge", title, charts.why_it_moved(bridge, finding=title), caption)]


def _leaving_figure(monthly: Monthly, row: Measure, faults: pd.DataFrame, group: Group | None, wide: int) -> Figure:
    """When the orders at fault leave the window."""
    year = monthly.as_of.year
    leaving = findings.leaving(faults, monthly.as_of)
    assert leaving is not None, "a figure of leaving orders is made only where there are some"
    title = wording.leaving_title(leaving, year)
    named = findings.in_group(faults, group)
    chart = charts.leaving_calendar(faults, monthly.as_of, leaving.by, named, finding=title, wide=wide)
    return excess.drawn(
        row, "leaving", title, chart, [wording.leaving_caption(0 < named.sum() < len(named), group, year, row.row_noun)]
    )


def _orders(row: Measure, faults: pd.DataFrame, stem: str, year: int) -> dict[str, Any]:
    """The orders at fault that leave first, and the link to all of them."""
    soon = faults.sort_values(["leaves_on", "order_id"], kind="stable").head(LISTED)
    assumed = sorted({wording.assumptions(findings.text(value)) for value in soon["assumed"]} - {""})
    return {
        "title": wording.orders_title(len(soon), len(faults), row.row_noun),
        "noun": wording.opening(row.row_noun),
        "placed": wording.PLACED_HEADS[_clock(row)],
        "rows": [_order(order, year) for order in findings.records(soon)],
        "href": f"{stem}_orders.csv" if stem and len(faults) else "",
        "link": wording.orders_link(len(faults), row.row_noun),
        "assumed": assumed,
    }


def _order(order: dict[str, Any], year: int) -> dict[str, str]:
    """One order at fault in words."""
    return {
        "id": str(order["order_id"]),
        "cause": wording.opening(wording.causes(order["causes"])),
        "bought": order["bought"],
        **{name: wording.day(findings.day(order[name]), year) for name in ("clock_day", "known_on", "leaves_on")},
    }


# -- rules ------------------------------------------------------------------------------------------------


def rules(monthly: Monthly) -> Block:
    """The rules that judged, each with its window, its first day, its source and how sure that is; then the data."""
    held = [rule for rule in monthly.rules if not rule.part_of]
    made = [("Rules", monthly.policy), ("Data", _data(monthly)), *([("Made", monthly.made)] if monthly.made else [])]
    html = rendered(
        "rules.html.j2",
        rows=[_rule(rule) for rule in held],
        made=made,
    )
    return Block(html)


def _data(monthly: Monthly) -> str:
    span = f"{wording.day(monthly.begins_on, 0)} to {wording.day(monthly.ends_on, 0)}"
    return f"{monthly.data.rstrip('.')}; {wording.things(monthly.orders)}, placed {span}"


def _asked(rule: Any) -> str:
    """What is asked of a rating in points; empty of all else."""
    points = rule.points
    return "" if points is None else wording.rating(points.on_from, points.off_under, points.most)


def _rule(rule: Any) -> dict[str, str]:
    """One rule in words."""
    noun = wording.metric(rule.metric).noun
    both = len(rule.channels) > 1
    side, share = (rule.target.side, rule.target.share) if rule.target is not None else ("", None)
    return {
        "label": wording.metric(rule.metric).label,
        "channels": "" if not both else wording.listed([wording.CHANNELS[name] for name in rule.channels]),
        "asked": _asked(rule) or wording.rule_in_words(side, share, rule.minimum, noun),
        "window": wording.window_in_words(rule.windows, rule.lag),
        "placed": wording.CLOCKS[rule.clock],
        "since": wording.day(rule.since, 0),
        "source": rule.source.strip().rstrip("."),
        "sure": wording.SURE[rule.sure],
    }
