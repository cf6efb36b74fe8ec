"""Commands on events, which are what an account changed: add, list, remove, effect."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace
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
    account_labels,
    app,
    exit_with_error,
    make_table,
    measure_label,
    no_orders_error,
    open_workspace,
    print_line,
    print_wide,
    write_answer,
)
from healthkit.report.text import events as event_text
from healthkit.report.text import figures, labels

event_app = typer.Typer(
    help="What an account changed (events.csv), and whether it helped: add, list, remove, effect.",
    no_args_is_help=True,
)
app.add_typer(event_app, name="event")

AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account, as named in the store.")]
DayArgument = Annotated[str, typer.Argument(metavar="DAY", help="The first day of the change, such as 2026-09-03.")]
NoteArgument = Annotated[str, typer.Argument(metavar="NOTE", help='What changed, such as "new carrier".')]
EventMarketplaceOption = Annotated[
    str, typer.Option("--marketplace", help="The marketplace of the event. Default: all of the account's.")
]


def _events_path(data: Path | None) -> Path:
    return Path(hk.schema.events_file.find_events_file(hk.workspace.find_store_folder(data)))


@event_app.command(
    "add", epilog='Example: `python -m healthkit event add lantern-hill-lighting 2026-09-03 "new carrier"`'
)
def add(
    account: AccountArgument,
    day: DayArgument,
    note: NoteArgument,
    marketplace: EventMarketplaceOption = "",
    anyway: Annotated[bool, typer.Option("--anyway", help="Also for an account that the store does not hold.")] = False,
    data: DataOption = None,
) -> None:
    """Add an event to events.csv beside the store; what the file holds already stays as it is."""
    with ErrorReporter():
        event = hk.schema.events_file.make_event(account, day, note, marketplace)
        folder = hk.workspace.find_store_folder(data)
        if not anyway and hk.store.Store(folder).exists():
            _check_account(hk.workspace.Workspace(folder), event)
        path = _events_path(data)
        is_new = hk.workspace.event_log.add_event(path, event)
    name = f"{event.account}, {event.day}: {event.note}"
    print_line(f"Added to {path}: {name}." if is_new else f"{path} holds this event already: {name}.")


def _check_account(workspace: Any, event: Any) -> None:
    """Raise an error for an event of an account that the store does not hold, or of a marketplace not its own."""
    if event.account not in workspace.accounts:
        exit_with_error(
            f"The store holds no account {event.account!r}. There are: {', '.join(workspace.accounts[:20])}. Correct "
            "the name, or add the event with --anyway."
        )
    if not event.marketplace:
        return
    coverage = workspace.counts.coverage
    own = sorted(coverage.loc[coverage["account"] == event.account, "marketplace"].unique())
    if event.marketplace not in own:
        exit_with_error(
            f"{event.account} has no orders in {event.marketplace}. There are: {', '.join(own)}. Correct the "
            "marketplace, or add the event with --anyway."
        )


@event_app.command(
    "remove", epilog='Example: `python -m healthkit event remove lantern-hill-lighting 2026-09-03 "new carrier"`'
)
def remove(
    account: AccountArgument,
    day: DayArgument,
    note: Annotated[str, typer.Argument(metavar="NOTE", help="Its note; needed if the day has several events.")] = "",
    data: DataOption = None,
) -> None:
    """Remove an event from events.csv; every other line stays as it is."""
    with ErrorReporter():
        path = _events_path(data)
        wanted = hk.schema.events_file.make_event(account, day, note or "any")
        found = [
            event for event in hk.schema.events_file.read_events(path)
            if (event.account, event.day) == (wanted.account, wanted.day) and (not note or event.note == wanted.note)
        ]  # fmt: skip
        if len(found) != 1:
            notes = "; ".join(
                f"{event.note}{f' ({event.marketplace})' if event.marketplace else ''}" for event in found
            )
            exit_with_error(
                f"{path} holds {len(found)} such events: {notes}. Say which by its note, or edit the file."
                if found
                else f"{path} holds no such event. See `python -m healthkit event list`."
            )
        hk.workspace.event_log.remove_event(path, found[0])
    print_line(f"Removed from {path}: {found[0].account}, {found[0].day}: {found[0].note}.")


@event_app.command("list", epilog="Example: `python -m healthkit event list`")
def list_events(
    account: AccountsOption = None, form: FormatOption = OutputFormat.table, data: DataOption = None
) -> None:
    """List the events of events.csv, the newest first."""
    with ErrorReporter():
        path = _events_path(data)
        events = [
            event for event in reversed(hk.schema.events_file.read_events(path))
            if account is None or event.account in account
        ]  # fmt: skip
    columns = ["account", "marketplace", "day", "note"]
    records = [{name: getattr(event, name) for name in columns} for event in events]
    if write_answer(form, hk.tables.records_to_frame(records, columns)):
        return
    table = make_table({"Account": "left", "Marketplace": "left", "Day": "left", "Event": "long"})
    for event in events:
        table.add_row(event.account, event.marketplace or "all", str(event.day), event.note)
    print_wide(*([table, "", f"From {path}."] if events else [event_text.NO_EVENTS]))


@event_app.command("effect", epilog="Example: `python -m healthkit event effect --as-of 2026-10-31`")
def effect(
    as_of: AsOfOption,
    account: AccountsOption = None,
    policy: PolicyOption = None,
    form: FormatOption = OutputFormat.table,
    data: DataOption = None,
) -> None:
    """Compare each measure before and after each event: both rates, the interval, the chance, and whether it helped."""
    with ErrorReporter():
        workspace = open_workspace(data, policy)
        rows = _effects(workspace, as_of, account)
    if write_answer(form, rows):
        return
    if not len(rows):
        has_orders = len(workspace.score(as_of, account))
        events = [event for event in workspace.events if not account or event.account in account]
        why = event_text.no_effects_sentence(events, as_of, hk.analysis.event_effects.LOOK_BACK_DAYS)
        print_wide(why if has_orders else no_orders_error(workspace, as_of, account))
        return
    names = account_labels(rows)
    table = make_table(
        {"Account": "left", "Event": "long", "Measure": "long", "Age": "right", "Before": "right", "After": "right",
         "Interval": "left", "By chance": "right", "": "left"}
    )  # fmt: skip
    for row in rows.to_dict("records"):
        table.add_row(names[row["account"], row["marketplace"]], *_effect_cells(row, as_of))
    print_wide(table, "", event_text.COMPARISON_NOTE)


def _effects(workspace: Any, as_of: date, accounts: list[str] | None) -> Any:
    """Return the effects of the events of some accounts, by default of all, in all their marketplaces."""
    workspace.store.check_accounts(accounts or [], workspace.accounts)
    with_events = {event.account for event in workspace.events}
    names = [name for name in workspace.accounts if name in with_events and (accounts is None or name in accounts)]
    views = [view for name in names for view in workspace.account_views(name)]
    return hk.analysis.event_effects.join_tables(view.event_effects(as_of) for view in views)


def _effect_cells(row: dict[str, Any], as_of: date) -> list[str]:
    """Return the cells of the table of effects for one row, without the account."""
    name = event_text.event_name(event_text.as_day(row["day"]), row["notes"], as_of.year)
    rates = [
        figures.format_rate(row[f"{side}_counted"], row[f"{side}_at_fault"], row["side"])
        for side in ("before", "after")
    ]
    compared = row["chance"] == row["chance"]
    interval = event_text.interval_phrase(row).removeprefix("interval ") if compared else labels.DASH
    chance = f"{row['corrected_chance']:.2g}" if compared else labels.DASH
    return [
        name, measure_label(SimpleNamespace(**row)), figures.format_quantity(row["known_within"], "day"),
        *rates, interval, chance,
        event_text.VERDICT_LABELS[row["verdict"]],
    ]  # fmt: skip
