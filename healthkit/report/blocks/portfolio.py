"""The index over all accounts: worst first, with the measure nearest to its target and 26 weeks of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd

from healthkit.metrics.policy import severity
from healthkit.report import wording
from healthkit.report.blocks import findings, missing_files
from healthkit.report.blocks.block import Block, rendered
from healthkit.report.blocks.findings import JUDGED, Measure
from healthkit.report.blocks.sparklines import Bar, strip
from healthkit.report.wording import Sentence, Standing

if TYPE_CHECKING:
    from healthkit.report.model import Monthly

STRIPS = 8
"""So many measures have a strip; the page has no room for more."""


@dataclass(frozen=True)
class Portfolio:
    """All accounts of a month; `rows` has what `portfolio_row` makes of each, one row an account.

    `failures` holds account, what happened, what to do, the notebook where one was kept, and the page of an earlier run
    with what that was made of, for every run that made no report. `notes` are sentences on the folder, shown last.
    """

    month: str
    as_of: date
    rows: pd.DataFrame
    failures: list[tuple[str, ...]] = field(default_factory=list)
    data: str = ""
    made: str = ""
    notes: list[str] = field(default_factory=list)


def portfolio_row(monthly: Monthly, href: str, csv_href: str = "") -> dict[str, Any]:
    """One account's row: where it stands, by its worst measure, and the strips of all. Plain values, fit for JSON."""
    rows = findings.measures(monthly)
    place = {
        "account": monthly.account,
        "marketplace": monthly.marketplace,
        "marketplace_title": monthly.marketplace_title,
        "as_of": monthly.as_of.isoformat(),
    }
    return place | {"href": href, "csv_href": csv_href} | _stand(monthly, rows) | {"strips": _strips(rows)}


def _stand(monthly: Monthly, rows: list[Measure]) -> dict[str, Any]:
    """Where an account stands, by its worst measure, and the sentence on what its orders at fault share.

    `status` is the account's: what an enforced measure lacks outweighs all that is on target.
    """
    status = findings.verdict(monthly).status
    enforced_unjudged = findings.enforced_unjudged(monthly)
    furthest = max(rows, key=lambda row: row.at_fault, default=None)
    worst = next((row for row in rows if row.status in JUDGED), furthest)
    if status == "cannot be judged" and enforced_unjudged:
        worst = enforced_unjudged[0]
    if worst is None:
        nothing = {
            "status": status,
            "window": 0,
            "counted": 0,
            "at_fault": 0,
            "unjudged": len(enforced_unjudged),
            "whose": "",
        }
        return dict.fromkeys(("metric", "channel", "side", "first", "why"), "") | nothing | _NO_TARGET
    year = monthly.as_of.year
    spoken = worst.standing
    faults = findings.faults_of(monthly, worst)
    group = None if worst.is_theirs else findings.shared(
        faults, getattr(worst.rule, "clock", "ordered_on"), worst.window
    )  # fmt: skip
    return {
        "status": status, "metric": worst.metric, "channel": spoken.channel, "window": spoken.window,
        "counted": worst.counted, "at_fault": worst.at_fault, "side": worst.side, "target": worst.level,
        "headroom": worst.headroom, "value": spoken.value, "used": _finite(worst.used), "whose": worst.whose,
        "unjudged": len(enforced_unjudged), "missing": missing_files.titles(monthly),
        "why": "" if worst.status in JUDGED else worst.why(monthly.begins_on, monthly.ends_on),
        "first": wording.of_all(group, year) if group else wording.are_at_fault(worst.at_fault, worst.noun),
    }  # fmt: skip


_NO_TARGET = {"target": None, "headroom": None, "value": None, "used": None}


def _strips(rows: list[Measure]) -> dict[str, list[Bar]]:
    """Per measure the share of the limit used and the status, week by week; of several windows the worst one's."""
    strips: dict[str, list[Bar]] = {}
    for row in rows:
        target = getattr(row.rule, "target", None)
        if target is not None and row.is_rate:
            weeks = [
                None if week.silent else [_finite(target.share_used(week.counted, week.at_fault)) or 0.0, week.status]
                for week in row.weeks
            ]
            strips.setdefault(f"{row.metric} {row.channel}", weeks)
    return strips


def _finite(share: float | None) -> float | None:
    """A share that JSON can hold; past ten times the limit nobody counts."""
    return None if share is None else round(min(share, 10.0), 4)


def index(portfolio: Portfolio) -> Block:
    """All accounts, worst first; runs that failed in a list of their own."""
    accounts = sorted(findings.records(portfolio.rows), key=_rank)
    columns = _columns(accounts)
    counts = {status: sum(row["status"] == status for row in accounts) for status in wording.STATUSES}
    html = rendered(
        "index.html.j2",
        on=wording.long_day(portfolio.as_of, 0),
        accounts=wording.things(len(accounts) + len(portfolio.failures), "account"),
        where=wording.listed(sorted({row["marketplace_title"] for row in accounts})),
        sentences=_sentences(accounts, counts, len(portfolio.failures)),
        tally=[(n, wording.STATUSES[status]) for status, n in counts.items() if n],
        columns=[_column(column) for column in columns],
        rows=[_row(row, place, accounts, columns, portfolio.as_of) for place, row in enumerate(accounts)],
        failures=[(*one, "", "", "")[:6] for one in portfolio.failures],
        notes=portfolio.notes,
        failed_title=wording.failed_title(len(portfolio.failures), wording.month(portfolio.as_of)),
        made=[(name, text) for name, text in (("Data", portfolio.data), ("Made", portfolio.made)) if text],
        until=wording.day(portfolio.as_of),
    )
    return Block(html)


def _rank(row: dict[str, Any]) -> tuple[int, float, str, str]:
    """Worst first: by status, then by the share of the limit used, then by name."""
    status, _, used = severity(row["status"], False, findings.number(row["used"]))
    return status, used, row["account"], row["marketplace"]


def _standing(row: dict[str, Any]) -> Standing:
    asked = findings.text(row["side"]), findings.number(row["target"]), findings.whole(row["headroom"])
    where = findings.text(row["channel"]), int(row["window"])
    return Standing(
        row["metric"], int(row["counted"]), int(row["at_fault"]), *asked, *where, findings.number(row.get("value")),
        findings.number(row.get("used")), findings.text(row.get("whose")),
    )  # fmt: skip


def _sentences(accounts: list[dict[str, Any]], counts: dict[str, int], failed: int) -> list[tuple[str, Sentence]]:
    """Three sentences over all accounts: how many are off, which is furthest, where to begin."""
    wrong = wording.accounts_wrong(
        counts["off target"], counts["at risk"], counts["cannot be judged"], counts["on target"], failed
    )
    told = [("What is wrong", wrong)]
    worst = accounts[0] if accounts and accounts[0]["status"] in ("off target", "at risk") else None
    if worst is None and not counts["cannot be judged"]:
        worst = accounts[0] if accounts and accounts[0]["status"] in JUDGED else None
    if worst and worst["status"] == "off target":
        told.append(("Furthest off", wording.account_furthest(worst["account"], _standing(worst))))
    elif worst:
        told.append(("Nearest", wording.account_nearest(worst["account"], _standing(worst))))
    unjudged = next((row for row in accounts if row["status"] == "cannot be judged"), None)
    begin = (
        worst if worst and worst["at_fault"] else unjudged or next((row for row in accounts if row["at_fault"]), None)
    )
    if begin is not None and begin is unjudged:
        first = wording.portfolio.accounts_missing(begin["account"], counts["cannot be judged"], failed)
    else:
        first = wording.accounts_first(begin["first"] if begin else "", begin["account"] if begin else "", failed)
    return [*told, ("What to do first", first)]


def _columns(accounts: list[dict[str, Any]]) -> list[str]:
    """The measures that have a strip: those of most accounts, in the order of the words."""
    names = {name for row in accounts for name in row["strips"]}
    by_frequency = sorted(names, key=lambda name: (-sum(name in row["strips"] for row in accounts), name))[:STRIPS]
    places = list(wording.METRICS)
    return sorted(by_frequency, key=lambda name: (places.index(name.split()[0]), name.split()[1] == "amazon", name))


def _column(name: str) -> dict[str, str]:
    """A strip's heading; the channel is said where it is Amazon's."""
    metric, channel = name.split()
    words = wording.metric(metric)
    fits = max(map(len, words.label.split())) <= 9
    channel = "Amazon-fulfilled" if channel == "amazon" else ""
    return {"long": words.label, "head": words.label if fits else words.short, "short": words.short, "channel": channel}


def _row(
    row: dict[str, Any], place: int, accounts: list[dict[str, Any]], columns: list[str], until: date
) -> dict[str, Any]:
    """One account as the words and strips of its row."""
    judged = row["status"] in JUDGED
    standing = _standing(row) if row["metric"] else None
    ended = row.get("as_of") and date.fromisoformat(row["as_of"]) < until
    spoken = (
        wording.opening(wording.measure(standing.metric, standing.channel, standing.window))
        if standing
        else "No orders"
    )
    asked, left = _asked_and_left(standing) if standing and judged else ("", "")
    return {
        **{name: row[name] for name in ("account", "marketplace_title", "href", "csv_href")},
        "rank": place + 1,
        "status": wording.STATUSES[row["status"]],
        "group": place > 0 and accounts[place - 1]["status"] != row["status"],
        "nearest": f"{spoken} {standing.rate}" if standing and judged else spoken,
        "whose": findings.text(row.get("whose")) if judged else "",
        "ended": wording.portfolio.as_of(date.fromisoformat(row["as_of"])) if ended else "",
        "unjudged": wording.portfolio.unjudged(int(row.get("unjudged") or 0), row.get("missing") or []),
        "room": left or row["why"],
        "left": standing.headroom if standing and judged and standing.headroom is not None else 1_000_000_000,
        "json_href": row.get("json_href") or row["href"].removesuffix(".html") + ".json",
        "asked": asked,
        "strips": [(_column(name), _strip(name, row["strips"])) for name in columns],
    }


def _asked_and_left(standing: Standing) -> tuple[str, str]:
    """The target of a measure, and how far it is from that."""
    if standing.value is None:
        left = wording.headroom(standing.headroom, wording.metric(standing.metric).noun)
        return wording.target(standing.side, standing.target), left
    words, on_from = wording.account, int(standing.target or 0)
    return words.value_target(standing.metric, on_from), words.value_room(standing.metric, standing.value, on_from)


def _strip(name: str, strips: dict[str, list[Bar]]) -> Any:
    column = _column(name)
    return strip(f"{column['long']} {column['channel']}".strip(), strips.get(name) or [None])
