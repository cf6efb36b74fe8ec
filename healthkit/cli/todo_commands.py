"""The command todo: what to do about measures off target or at risk, in order, until when, and what it brings."""

from __future__ import annotations

from datetime import date
from typing import Any

import healthkit as hk
from healthkit.cli.options import (
    AccountsOption,
    AsOfOption,
    DataOption,
    ErrorReporter,
    FormatOption,
    MarketplaceOption,
    OutputFormat,
    PolicyOption,
    account_labels,
    app,
    exit_with_error,
    make_table,
    no_orders_error,
    open_workspace,
    print_wide,
    status_label,
    warn_of_unjudged_stores,
    write_answer,
)
from healthkit.report.text import outlook as outlook_text
from healthkit.report.text import todo as todo_text

MAX_IDS = 3
"""Maximum number of orders that a cell of the table names; CSV and JSON name all."""


@app.command("todo", epilog="Example: `python -m healthkit todo --as-of 2026-10-31 --data data/sample_store`")
def todo(
    as_of: AsOfOption,
    account: AccountsOption = None,
    marketplace: MarketplaceOption = "",
    policy: PolicyOption = None,
    form: FormatOption = OutputFormat.table,
    data: DataOption = None,
) -> None:
    """Print what to do, in order: actions for the orders at fault, their last days, and what each brings."""
    with ErrorReporter():
        workspace = open_workspace(data, policy)
        scored = workspace.score(as_of, account)
        found = workspace.verdicts(as_of, account, scored=scored)
        verdicts = [one for one in found if marketplace in ("", one.marketplace)]
        rows = [row for verdict in verdicts for row in _account_rows(workspace, verdict, scored)]
    if not verdicts:
        exit_with_error(no_orders_error(workspace, as_of, account))
    table = hk.todo_list.todo_frame(rows)
    if not write_answer(form, table, lambda: hk.todo_list.todo_as_data(rows)):
        _print_rows(rows, table, as_of)
    warn_of_unjudged_stores(workspace, account)


def _account_rows(workspace: Any, verdict: Any, scored: Any) -> Any:
    view = workspace.account(verdict.account, verdict.marketplace)
    own = scored[(scored["account"] == verdict.account) & (scored["marketplace"] == verdict.marketplace)]
    return hk.todo_list.account_todo(view, verdict.as_of, verdict=verdict, scored=own.reset_index(drop=True))


def _print_rows(rows: list[Any], frame: Any, as_of: date) -> None:
    """Print the rows as a table, then what is likely for each measure without them, and what is not sure."""
    if not rows:
        print_wide(todo_text.NOTHING)
        return
    names = account_labels(frame)
    table = make_table({"": "right", "Account": "left", "Measure": "long", "What to do": "long", "Orders": "long",
                     "Until": "long", "What it brings": "long"})  # fmt: skip
    for row in rows:
        table.add_row(
            f"{row.position}", names[row.account, row.marketplace], f"{status_label(row.status)} {row.measure}",
            row.action, _orders_cell(row), row.until, "; ".join(filter(None, (row.brings, row.past))),
        )  # fmt: skip
    likely = dict.fromkeys(
        f"{names[row.account, row.marketplace]}, {row.measure}. {outlook_text.as_it_goes_on_sentence(row.likely)}"
        for row in rows
        if row.likely
    )
    print_wide(table, "", *likely, *todo_text.notes(rows, as_of))


def _orders_cell(row: Any) -> str:
    """Return how many orders a row takes, and the first of them."""
    ids = [one.order_id for one in row.first_orders]
    more = f" and {len(ids) - MAX_IDS:,} more" if len(ids) > MAX_IDS else ""
    return f"{row.orders_phrase}: {', '.join(ids[:MAX_IDS])}{more}" if ids else row.orders_phrase
