"""What a notebook hands to the press beside its HTML: the index row, the figures, the orders behind them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from healthkit.report.blocks import portfolio_row, verdict_lines
from healthkit.report.model import Monthly
from healthkit.schema import tables

MIME = "application/vnd.healthkit.month+json"


@dataclass(frozen=True)
class Twin:
    """The report of one month as data; a notebook shows it in its last cell.

    `stem` is the name of the page without its ending, by which page, CSV and JSON find each other.
    """

    monthly: Monthly
    stem: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """The data for the press, and a line for whoever looks at the notebook."""
        monthly = self.monthly
        row = portfolio_row(monthly, f"{self.stem}.html", f"{self.stem}_orders.csv")
        figures = {
            "account": monthly.account,
            "marketplace": monthly.marketplace,
            "as_of": monthly.as_of.isoformat(),
            "policy": monthly.policy,
            "verdict": verdict_lines(monthly),
            "scores": _records(monthly.scores),
            "reported": _records(monthly.reported),
            "reconciled": [_reconciled(one) for one in monthly.reconciled],
            "states": _records(monthly.states),
            "violations": _records(monthly.violations),
            "standings": [_keyed(key) | _standing(held) for key, held in monthly.standings.items()],
            "outlook": [
                _keyed(key) | _outlook(held, monthly.futures.get(key)) for key, held in monthly.calendars.items()
            ],
            "drivers": [_keyed(key) | {"groups": _records(held)} for key, held in monthly.drivers.items()],
        }
        title = f"{monthly.account}, {monthly.marketplace_title}: account health on {monthly.as_of.isoformat()}"
        bundle = {"title": title, "row": row, "figures": figures, "orders": tables.as_csv(monthly.at_fault)}
        return {MIME: bundle, "text/plain": f"The data of this report, for {self.stem}.html"}


def _keyed(key: tuple[str, str, int]) -> dict[str, Any]:
    """What names a measure."""
    return dict(zip(("metric", "channel", "window"), key, strict=True))


def _standing(held: Any) -> dict[str, Any]:
    """For how long a measure is off target, and the stage that its rule describes for it."""
    stage = held.stage
    return {
        "days": held.days, "since": _plain(held.since), "at_least": held.at_least, "source": held.source,
        "stage": None if stage is None else stage.stage, "says": None if stage is None else stage.says,
    }  # fmt: skip


def _outlook(held: Any, futures: Any) -> dict[str, Any]:
    """When a measure is back if nothing new goes wrong, its days ahead, and what simulated futures say."""
    days = held.days[["day", "counted", "at_fault", "headroom", "status"]]
    told = {"back_on": _plain(held.back_on), "days": _records(days)}
    if futures is None:
        return told
    back = {str(share): _plain(day) for share, day in futures.back.items()}
    breach = {str(ahead): chance for ahead, chance in futures.breach.items()}
    return told | {"futures": {"draws": futures.draws, "seed": futures.seed, "breach": breach, "back": back}}


def _reconciled(one: Any) -> dict[str, Any]:
    """Ours beside the marketplace's count of one measure."""
    sides = {
        name: dict(zip(("counted", "at_fault"), counts, strict=True))
        for name, counts in (("ours", one.ours), ("theirs", one.theirs))
    }
    named = ("metric", "channel", "window", "as_of", "first_day", "last_day", "status", "their_status",
             "contradiction", "proxy")  # fmt: skip
    told = [reason._asdict() | {"order_ids": list(reason.order_ids)} for reason in one.differences]
    return {name: _plain(getattr(one, name)) for name in named} | sides | {"differences": told}


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON holds them: days as ISO text, nothing known as null."""
    return [{name: _plain(value) for name, value in row.items()} for row in tables.records(rows)]


def _plain(value: Any) -> Any:
    """A value that JSON holds."""
    if isinstance(value, date):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value
