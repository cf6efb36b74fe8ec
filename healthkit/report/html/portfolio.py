"""The index page of all accounts: rows sorted worst first, with the worst measure and weekly strips of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd

from healthkit.analysis.ranking import AccountHarm, RankedAccount, Ranking, rank_accounts
from healthkit.metrics.policy import JUDGED_STATUSES, worst_first_key
from healthkit.report.html import measures, missing_files, outlook
from healthkit.report.html.block import HtmlBlock, render_template
from healthkit.report.html.measures import Measure
from healthkit.report.html.sparklines import StripWeek, strip_letters
from healthkit.report.text import account as account_text
from healthkit.report.text import figures, labels, sentences, stakes
from healthkit.report.text import portfolio as portfolio_text
from healthkit.report.text.sentences import MeasureStanding, Sentence
from healthkit.schema.rates_file import Rates

if TYPE_CHECKING:
    from healthkit.report.model import MonthlyReport

MAX_STRIPS = 8
"""Number of measures with a weekly strip in the index; more do not fit the page."""


@dataclass(frozen=True)
class PortfolioPage:
    """The data of the index page of a month, or of a week: accounts, failed runs and notes.

    `rows` has one row an account, the result of `portfolio_row`. `failures` has one tuple for each run without a
    report: account, reason, what to do, and optionally the path of its notebook, the path of the page of an earlier run
    and the data version of that page. `notes` are sentences on the output folder, shown last. `data` describes the
    version of the data, and `made` the time of generation. `tags` are those of each account in `accounts.yaml`, and
    `rates` convert its sales to one currency. `ended` is the number of accounts and marketplaces without a page because
    their files end before the period.
    """

    month: str
    as_of: date
    rows: pd.DataFrame
    failures: list[tuple[str, ...]] = field(default_factory=list)
    data: str = ""
    made: str = ""
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rates: Rates | None = None
    ended: int = 0
    notes: list[str] = field(default_factory=list)


def portfolio_row(report: MonthlyReport, href: str, csv_href: str = "") -> dict[str, Any]:
    """Return the row of an account in the index as JSON values: status, worst measure, first step and weekly strips."""
    rows = measures.measures(report)
    identity = {
        "account": report.account,
        "marketplace": report.marketplace,
        "marketplace_title": report.marketplace_title,
        "as_of": report.as_of.isoformat(),
    }
    return (
        identity
        | {"href": href, "csv_href": csv_href}
        | _account_standing(report, rows)
        | {"strips": _weekly_strips(rows), "harm": None if report.harm is None else report.harm.to_json()}
    )


def _account_standing(report: MonthlyReport, rows: list[Measure]) -> dict[str, Any]:
    """Return the status of an account, the figures of its worst measure and a phrase on its orders at fault.

    `status` is that of the account: it cannot be judged if an enforced measure cannot and no other is worse.
    """
    status = measures.report_verdict(report).status
    enforced_unjudged = measures.enforced_unjudged(report)
    furthest = max(rows, key=lambda row: row.at_fault, default=None)
    worst = next((row for row in rows if row.status in JUDGED_STATUSES), furthest)
    if status == "cannot be judged" and enforced_unjudged:
        worst = enforced_unjudged[0]
    if worst is None:
        no_measure = {
            "status": status,
            "window": 0,
            "counted": 0,
            "at_fault": 0,
            "unjudged": len(enforced_unjudged),
            "whose": "",
        }
        return dict.fromkeys(("metric", "channel", "side", "first", "why", "likely"), "") | no_measure | _NO_TARGET
    year = report.as_of.year
    standing = worst.standing
    faults = measures.measure_faults(report, worst)
    group = None if worst.shows_marketplace_figure else measures.find_shared_group(
        faults, getattr(worst.rule, "clock", "ordered_on"), worst.window
    )  # fmt: skip
    return {
        "status": status, "metric": worst.metric, "channel": standing.channel, "window": standing.window,
        "counted": worst.counted, "at_fault": worst.at_fault, "side": worst.side, "target": worst.target_value,
        "headroom": worst.headroom, "value": standing.value, "used": _capped_share(worst.share_used),
        "whose": worst.figure_source, "likely": outlook.likely_phrase_of(report, worst),
        "unjudged": len(enforced_unjudged), "missing": missing_files.missing_file_titles(report),
        "why": "" if worst.status in JUDGED_STATUSES else worst.explain_unjudged(report.begins_on, report.ends_on),
        "first": sentences.group_share_phrase(group, year) if group else sentences.at_fault_clause(worst.at_fault,
            worst.noun),
    }  # fmt: skip


_NO_TARGET = {"target": None, "headroom": None, "value": None, "used": None}


def _weekly_strips(rows: list[Measure]) -> dict[str, list[StripWeek]]:
    """Return by measure the share of the limit used and the status of each week, for the worst window."""
    strips: dict[str, list[StripWeek]] = {}
    for row in rows:
        target = getattr(row.rule, "target", None)
        if target is not None and row.is_rate:
            weeks = [
                None
                if week.has_no_rate
                else [_capped_share(target.share_used(week.counted, week.at_fault)) or 0.0, week.status]
                for week in row.weeks
            ]
            strips.setdefault(f"{row.metric} {row.channel}", weeks)
    return strips


def _capped_share(share: float | None) -> float | None:
    """Return a share limited to 10 and rounded to 4 digits; infinity is not valid JSON."""
    return None if share is None else round(min(share, 10.0), 4)


def _last_day_of_pages(accounts: list[dict[str, Any]], as_of: date) -> date:
    """Return the newest day of the rows of an index: earlier than its own where all files end before it."""
    days = [date.fromisoformat(row["as_of"]) for row in accounts if row.get("as_of")]
    return min(as_of, max(days, default=as_of))


def portfolio_index(portfolio: PortfolioPage) -> HtmlBlock:
    """Return the HTML block of the index: accounts sorted worst first, failed runs in a separate list."""
    accounts = measures.records(portfolio.rows)
    ranking = index_ranking(accounts, portfolio.rates)
    places = ranking.places()
    accounts.sort(key=lambda row: places[row["account"], row["marketplace"]])
    columns = _strip_columns(accounts)
    counts = _accounts_by_status(accounts)
    html = render_template(
        "index.html.j2",
        on=figures.format_long_day(_last_day_of_pages(accounts, portfolio.as_of), 0),
        accounts=_count_phrase(accounts, portfolio.failures),
        where=labels.join_words(sorted({row["marketplace_title"] for row in accounts})),
        sentences=_portfolio_sentences(
            accounts, counts, len({one[0] for one in portfolio.failures}), ranking, portfolio.ended
        ),
        tally=[(n, labels.STATUS_STYLES[status]) for status, n in counts.items() if n],
        columns=list(columns.values()),
        rows=[_account_row(row, one, columns, portfolio) for row, one in zip(accounts, ranking.accounts, strict=True)],
        basis=" ".join(
            filter(None, (stakes.ranking_basis_sentence(ranking), stakes.portfolio_sales_sentence(ranking.accounts)))
        ),
        failures=[(*one, "", "", "")[:6] for one in portfolio.failures],
        notes=portfolio.notes,
        failed_title=portfolio_text.failed_runs_title(
            len(portfolio.failures), portfolio_text.period_name(portfolio.month, portfolio.as_of)
        ),
        provenance=[(name, text) for name, text in (("Data", portfolio.data), ("Made", portfolio.made)) if text],
        until=figures.format_day(portfolio.as_of),
    )
    return HtmlBlock(html)


def index_ranking(rows: Sequence[Mapping[str, Any]], rates: Rates | None = None) -> Ranking:
    """Return the ranking of the accounts of an index (see `analysis.ranking`).

    Rows of pages that an older version wrote have no expected harm, and rank by status and share of the limit used.
    """
    harms = [AccountHarm.from_json(row["account"], row["marketplace"], row["status"], row.get("harm")) for row in rows]
    return rank_accounts(
        (
            replace(harm, share_used=measures.float_or_none(row.get("used"))) if harm.share_used is None else harm
            for harm, row in zip(harms, rows, strict=True)
        ),
        rates,
    )


def _standing_from_row(row: dict[str, Any]) -> MeasureStanding:
    """Return the worst measure of a row of the index as the input of sentences."""
    target_fields = (
        measures.text_or_empty(row["side"]),
        measures.float_or_none(row["target"]),
        measures.int_or_none(row["headroom"]),
    )
    scope = measures.text_or_empty(row["channel"]), int(row["window"])
    return MeasureStanding(
        row["metric"], int(row["counted"]), int(row["at_fault"]), *target_fields, *scope,
        measures.float_or_none(row.get("value")),
        measures.float_or_none(row.get("used")), measures.text_or_empty(row.get("whose")),
        labels.company_of(row["marketplace"]),
    )  # fmt: skip


def _portfolio_sentences(
    accounts: list[dict[str, Any]], counts: dict[str, int], failed: int, ranking: Ranking, ended: int
) -> list[tuple[str, Sentence]]:
    """Return three headed sentences on all accounts: how many are off target, the first one, and what to do first."""
    wrong = portfolio_text.accounts_off_target_sentence(
        counts["off target"], counts["at risk"], counts["cannot be judged"], counts["on target"], failed, ended
    )
    names = _names_in_sentences(accounts)
    headed_sentences = [("What is wrong", wrong)]
    worst = accounts[0] if ranking.first is not None else None
    if worst is None and not counts["cannot be judged"]:
        worst = accounts[0] if accounts and accounts[0]["status"] in JUDGED_STATUSES else None
    if worst and ranking.first is not None and ranking.first.harm.share_off is not None:
        headed_sentences.append(("Most at stake", stakes.first_account_reason(ranking.first, names[_owner(worst)])))
    elif worst and worst["status"] == "off target":
        headed_sentences.append(("Furthest off", _furthest_sentence(worst, names[_owner(worst)])))
    elif worst:
        headed_sentences.append(
            ("Nearest", portfolio_text.nearest_account_sentence(names[_owner(worst)], _standing_from_row(worst)))
        )
    unjudged = next((row for row in accounts if row["status"] == "cannot be judged"), None)
    first_account = (
        worst if worst and worst["at_fault"] else unjudged or next((row for row in accounts if row["at_fault"]), None)
    )
    if first_account is not None and first_account is unjudged:
        first_step = portfolio_text.unjudged_accounts_sentence(
            names[_owner(first_account)], counts["cannot be judged"], failed
        )
    else:
        first_step = portfolio_text.first_account_sentence(
            first_account["first"] if first_account else "",
            names[_owner(first_account)] if first_account else "",
            failed,
        )
    return [*headed_sentences, ("What to do first", first_step)]


def _owner(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["account"], row["marketplace"]


def _names_in_sentences(accounts: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """Return how sentences name each row: with its marketplace where the account stands in several.

    >>> rows = [dict(zip(("account", "marketplace"), one)) for one in (("petit", "DE"), ("petit", "FR"), ("a", "US"))]
    >>> list(_names_in_sentences(rows).values())
    ['petit (DE)', 'petit (FR)', 'a']
    """
    rows_of = Counter(row["account"] for row in accounts)
    return {
        _owner(row): row["account"] if rows_of[row["account"]] == 1 else f"{row['account']} ({row['marketplace']})"
        for row in accounts
    }


def _accounts_by_status(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Return how many accounts have each status: that of the worst page, where an account has several.

    >>> pages = [("petit", "off target"), ("petit", "on target"), ("other", "on target")]
    >>> counts = _accounts_by_status([dict(zip(("account", "status"), one)) for one in pages])
    >>> counts["off target"], counts["on target"]
    (1, 1)
    """
    worst_last = sorted(rows, key=lambda row: worst_first_key(row["status"]), reverse=True)
    found = Counter({row["account"]: row["status"] for row in worst_last}.values())
    return {status: found[status] for status in labels.STATUS_STYLES}


def _count_phrase(accounts: list[dict[str, Any]], failures: Sequence[tuple[str, ...]]) -> str:
    """Return how many accounts an index has, and how many pages where they are more.

    >>> _count_phrase([{"account": "petit", "marketplace": code} for code in ("DE", "FR")], [])
    '1 account, 2 pages'
    >>> _count_phrase([{"account": "petit", "marketplace": "DE"}], [("other", "it failed", "")])
    '2 accounts'
    """
    names = {row["account"] for row in accounts}
    count = figures.format_quantity(len(names | {one[0] for one in failures}), "account")
    return count if len(names) == len(accounts) else f"{count}, {figures.format_quantity(len(accounts), 'page')}"


def _furthest_sentence(row: dict[str, Any], name: str) -> Sentence:
    likely = measures.text_or_empty(row.get("likely"))
    return portfolio_text.furthest_account_sentence(name, _standing_from_row(row), likely)


def _strip_columns(accounts: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Return the measures with a strip column, each with its headings: those of the most accounts.

    They are in the order of METRIC_WORDS.
    """
    names = {name for row in accounts for name in row["strips"]}
    by_frequency = sorted(names, key=lambda name: (-sum(name in row["strips"] for row in accounts), name))[:MAX_STRIPS]
    order = list(labels.METRIC_WORDS)
    in_order = sorted(by_frequency, key=lambda name: (order.index(name.split()[0]), name.split()[1] == "amazon", name))
    return {
        name: _strip_heading(
            name, labels.company_of(*(row["marketplace"] for row in accounts if name in row["strips"]))
        )
        for name in in_order
    }


def _strip_heading(name: str, company: str) -> dict[str, str]:
    """Return the long, column and short heading of a strip column, and its channel if the marketplace fulfils.

    `company` is that of the accounts that have the measure; "" if they are of several companies.
    """
    metric, channel = name.split()
    words = labels.metric_words(metric, company)
    fits = max(map(len, words.label.split())) <= 9 and not words.short_label[:2].isupper()
    channel = labels.channel_label(channel, company) if channel == "amazon" else ""
    return {
        "long": words.label,
        "head": words.label if fits else words.short_label,
        "short": words.short_label,
        "channel": channel,
        "fulfilled_by": channel.removesuffix("-fulfilled"),
    }


def _account_row(
    row: dict[str, Any],
    ranked: RankedAccount,
    columns: dict[str, dict[str, str]],
    portfolio: PortfolioPage,
) -> dict[str, Any]:
    """Return the row of an account in the index as template values."""
    judged = row["status"] in JUDGED_STATUSES
    standing = _standing_from_row(row) if row["metric"] else None
    ended = row.get("as_of") and date.fromisoformat(row["as_of"]) < portfolio.as_of
    measure_name = labels.capitalise_first(sentences.standing_phrase(standing)) if standing else "No orders"
    target, headroom = _target_and_headroom(standing) if standing and judged else ("", "")
    return {
        **{name: row[name] for name in ("account", "marketplace_title", "href", "csv_href")},
        "rank": ranked.place,
        "tags": portfolio.tags.get(row["account"], ()),
        "at_stake": stakes.index_stake_note(ranked.harm),
        "status": labels.STATUS_STYLES[row["status"]],
        "nearest": f"{measure_name} {standing.formatted_rate}" if standing and judged else measure_name,
        "whose": measures.text_or_empty(row.get("whose")) if judged else "",
        "likely": measures.text_or_empty(row.get("likely")) if judged else "",
        "ended": portfolio_text.as_of_note(date.fromisoformat(row["as_of"])) if ended else "",
        "unjudged": portfolio_text.unjudged_measures_note(int(row.get("unjudged") or 0), row.get("missing") or []),
        "headroom": headroom or row["why"],
        "headroom_sort_value": standing.headroom
        if standing and judged and standing.headroom is not None
        else 1_000_000_000,
        "json_href": row.get("json_href") or row["href"].removesuffix(".html") + ".json",
        "target": target,
        "strips": "|".join(strip_letters(row["strips"].get(name) or ()) for name in columns).rstrip("|"),
    }


def _target_and_headroom(standing: MeasureStanding) -> tuple[str, str]:
    """Return the target of a measure and its headroom, or distance from the target, as text."""
    if standing.value is None:
        headroom = figures.format_headroom(standing.headroom, standing.words.noun)
        return figures.format_target(standing.side, standing.target), headroom
    on_from = int(standing.target or 0)
    return account_text.format_value_target(standing.metric, on_from), account_text.format_value_room(
        standing.metric, standing.value, on_from
    )
