"""What a notebook hands to the press beside its HTML: the index row, the figures, the orders behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from healthkit.blocks import portfolio_row
from healthkit.monthly import Monthly

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
            "scores": _records(monthly.scores),
            "not_computed": monthly.not_computed,
        }
        title = f"{monthly.account}, {monthly.marketplace_title}: account health on {monthly.as_of.isoformat()}"
        bundle = {"title": title, "row": row, "figures": figures, "orders": _csv(monthly.at_fault)}
        return {MIME: bundle, "text/plain": f"The data of this report, for {self.stem}.html"}


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values, days as ISO text, nothing known as null."""
    days = rows.select_dtypes("datetime").columns
    plain = rows.assign(**{name: rows[name].dt.strftime("%Y-%m-%d") for name in days})
    return [{name: _plain(value) for name, value in row.items()} for row in plain.to_dict("records")]


def _plain(value: Any) -> Any:
    """A value that JSON holds."""
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def _csv(rows: pd.DataFrame) -> str:
    """Orders at fault as CSV; a text that a spreadsheet would take for a formula is led by an apostrophe."""
    texts = [name for name in rows.columns if pd.api.types.is_string_dtype(rows[name])]
    safe = rows.assign(**{name: rows[name].str.replace(r"^([=+\-@\t\r])", r"'\1", regex=True) for name in texts})
    return str(safe.to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%d"))
