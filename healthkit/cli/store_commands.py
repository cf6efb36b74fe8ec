"""Commands that maintain the store (check, repair, compact, versions, remove) and report problems (doctor)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

import healthkit as hk
from healthkit.cli.options import (
    DataOption,
    ErrorReporter,
    FormatOption,
    OutputFormat,
    app,
    exit_with_error,
    latest_day,
    make_table,
    out,
    parse_path,
    print_line,
    print_wide,
    write_json,
)

store_app = typer.Typer(help="Look after the store: check, repair, compact, versions, remove.", no_args_is_help=True)
app.add_typer(store_app, name="store")
MAX_LISTED = 20
"""Raw files or problems that a command lists at most."""


def _open_store(data: Path | None) -> hk.store.Store:
    return hk.store.Store(hk.workspace.find_store_folder(data))


@store_app.command("check", epilog="Example: `python -m healthkit store check --data data/sample_store`")
def check(data: DataOption = None) -> None:
    """Read every data file and hold files, logs and imports against each other; exit code 1 where anything is wrong."""
    with ErrorReporter():
        store = _open_store(data)
        found = hk.store.check(store)
    for line in _check_sentences(store, found):
        print_line(line)
    if not found.damages:
        print_line("Nothing is wrong.")
        return
    _print_first(f"{one.table}: {one.what}." for one in found.damages)
    if found.lost_files:
        files = hk.wording.format_quantity(len(found.lost_files), "raw file")
        print_line(f"The rows of {files} are lost in part or whole:")
        _print_first(found.lost_files)
    exit_with_error(
        f"The store is damaged. Mend it with `python -m healthkit store repair --data {store.folder}`, "
        "which says which raw files to import again."
    )


def _check_sentences(store: hk.store.Store, check_result: hk.store.CheckResult) -> Iterator[str]:
    """What a check read, and what is no damage but worth knowing, in sentences."""
    things = hk.wording.format_quantity
    yield f"{store.folder}: {things(check_result.files, 'data file')}, {check_result.rows:,} rows read."
    if check_result.unread:
        yield (
            f"{check_result.unread:,} rows are of imports that were cut short, or of raw files that a repair "
            "forgot, and are "
            "never read; `store compact` removes those older than a day."
        )
    if check_result.removed:
        yield (
            f"{check_result.removed:,} rows are of raw files that were removed; only older versions read them. "
            "`store remove --purge` takes them from disk."
        )
    if check_result.files_without_row_counts:
        yield (
            f"{things(check_result.files_without_row_counts, 'raw file')} came from an older healthkit, which did "
            "not say how many rows they "
            "hold: whether all are there cannot be told. Import them into a new store to know."
        )
    if check_result.unnamed_data_files:
        files = things(check_result.unnamed_data_files, "file")
        yield f"{files} belong to no table; `store compact` removes those older than a day."


@store_app.command("repair", epilog="Example: `python -m healthkit store repair --data data/sample_store`")
def repair(data: DataOption = None) -> None:
    """Make a damaged store readable: what is broken is moved aside, and raw files that lost rows are forgotten."""
    with ErrorReporter():
        store = _open_store(data)
        lost, unnamed = hk.store.repair(store)
    if lost:
        others = "" if unnamed else "; all others are as they were"
        print_line(f"Import {hk.wording.format_quantity(len(lost), 'raw file')} again{others}:")
        _print_first(lost)
    if unnamed:
        print_line(
            "The list of raw files was damaged, and some may be known by name no more. Import all that you have: those "
            "that the store holds add nothing."
        )
    elif not lost:
        print_line("No raw file lost a row: there is nothing to import again.")


@store_app.command("compact", epilog="Example: `python -m healthkit store compact --data data/sample_store`")
def compact(data: DataOption = None) -> None:
    """Join many small data files into few and remove those that no version needs; no figure changes."""
    with ErrorReporter():
        made = hk.store.compact(_open_store(data))
    print_line(
        f"{hk.wording.format_quantity(made.before, 'data file')} before, {made.after:,} now; {made.removed:,} removed "
        f"(those that nobody needed for {hk.store.maintenance.UNNEEDED_FILE_HOURS} hours)."
    )


@store_app.command("versions", epilog="Example: `python -m healthkit store versions --data data/sample_store`")
def versions(form: FormatOption = OutputFormat.table, data: DataOption = None) -> None:
    """List the states of the store, the newest first: `scores --version N` and `report --version N` read one again."""
    with ErrorReporter():
        made = hk.store.versions(_open_store(data))
    if form is OutputFormat.json:
        write_json([one._asdict() for one in made])
        return
    if form is OutputFormat.csv:
        out.print("number,at,added,what")
        for one in made:
            out.print(f"{one.number},{one.at:%Y-%m-%dT%H:%M:%SZ},{one.added},{one.what}")
        return
    table = make_table({"version": "right", "at (UTC)": "left", "raw files": "right", "what": "left"})
    for one in made:
        table.add_row(str(one.number), f"{one.at:%Y-%m-%d %H:%M}", f"{one.added:,}", one.what)
    print_wide(table)


@store_app.command("remove", epilog="Example: `python -m healthkit store remove --file acme/all_orders.txt`")
def remove(
    file: Annotated[
        list[str] | None,
        typer.Option("--file", help="A raw file, as the store names it: acme/orders.txt; may be given several times."),
    ] = None,
    account: Annotated[str | None, typer.Option(help="All raw files of an account; with --file, only those.")] = None,
    purge: Annotated[
        bool, typer.Option("--purge", help="Also from disk and from every older version, which all go with it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    reports: Annotated[
        Path,
        typer.Option(
            parser=parse_path,
            metavar="PATH",
            help="Folder of printed pages: the accounts' are named, none is removed.",
        ),
    ] = Path("reports"),
    data: DataOption = None,
) -> None:
    """Take raw files out of the store again: their rows are in no figure any more, and they can be imported again."""
    with ErrorReporter():
        store = hk.store.Store(data or hk.workspace.USER_STORE)
        found = hk.removal.find_removal(store, file or (), account, with_earlier=purge)
    for line in _removal_lines(store, found, purge):
        print_line(line)
    _confirm(yes)
    with ErrorReporter():
        if not purge:
            hk.removal.remove(store, found)
            print_line(
                "Removed. Older versions can still be read (`store versions`); `store remove --purge` takes the rows "
                "from disk."
            )
            return
        purged = hk.removal.purge(store, found, [reports])
        pages = hk.removal.find_pages(found.accounts, [reports])
    print_line(f"Purged: {hk.wording.format_quantity(purged.removed, 'file')} removed from {store.folder}.")
    _print_left_files(purged, pages, reports)


def _removal_lines(store: hk.store.Store, removal: hk.store.Removal, purge: bool) -> Iterator[str]:
    """What goes, in lines."""
    things = hk.wording.format_quantity
    yield f"To be removed from {store.folder}:"
    yield from _first_lines(str(one) for one in removal.files)
    yield from _first_lines(f"{one}, removed before" for one in removal.earlier)
    days = f", {removal.first_day} to {removal.last_day}" if removal.first_day else ""
    stay = (
        f" ({removal.orders_in_other_files:,} of them stay: other files tell of them too)"
        if removal.orders_in_other_files
        else ""
    )
    files, orders = things(len(removal.files), "raw file"), things(removal.orders, "order")
    yield f"{files}, {orders}{stay} of {_name_accounts(removal.accounts)}{days}."
    if removal.emptied_accounts:
        yield f"No raw file is left of {_name_accounts(removal.emptied_accounts)}."
    if purge:
        yield (
            f"Purge: all versions before this one go for every account, and with them what repairs moved aside. "
            f"It cannot be undone. {PURGE_LIMITS}"
        )


PURGE_LIMITS = "Not reached: backups and other copies of the folder, snapshots of the disk, pages that were printed."
"""What a purge leaves."""


def _name_accounts(names: list[str]) -> str:
    """Some accounts by name, or how many they are."""
    return ", ".join(names) if len(names) <= MAX_LISTED else hk.wording.format_quantity(len(names), "account")


def _confirm(yes: bool) -> None:
    """Ask whether to go on; without a terminal only `--yes` does."""
    if yes:
        return
    if not _can_ask():
        exit_with_error(
            "Nothing was removed: there is no terminal to ask on. Add --yes to remove this without a question."
        )
    if not typer.confirm("Remove it?"):
        exit_with_error("Nothing was removed.")


def _can_ask() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


def _print_left_files(purge_result: hk.store.PurgeResult, pages: list[Path], reports: Path) -> None:
    """What a purge did not remove: files that may be the user's own, and pages that were printed."""
    if purge_result.left:
        files = hk.wording.format_quantity(len(purge_result.left), "file")
        print_line(f"{files} in the folders of its tables are not the store's, and were left:")
        _print_first(map(str, purge_result.left))
    if pages:
        print_line("Printed pages of it were left. Delete them with the files beside them, and print the index again:")
        _print_first(map(str, pages))
    else:
        print_line(f"No page of it lies in {reports}.")
    print_line(PURGE_LIMITS)


def _print_first(lines: Iterable[str]) -> None:
    """Name the first of many lines, and say how many more there are."""
    for line in _first_lines(lines):
        print_line(line)


def _first_lines(lines: Iterable[str]) -> Iterator[str]:
    """The first of many lines, and how many more there are."""
    every = list(lines)
    yield from (f"  {line}" for line in every[:MAX_LISTED])
    if len(every) > MAX_LISTED:
        yield f"  and {len(every) - MAX_LISTED:,} more"


@app.command("doctor", epilog="Example: `python -m healthkit doctor --data data/sample_store`")
def doctor(
    data: DataOption = None,
    whole: Annotated[bool, typer.Option("--check", help="Also read the whole store, as `store check` does.")] = False,
    account: Annotated[
        list[str] | None,
        typer.Option("--account", help="Say which files an account lacks; may be given several times."),
    ] = None,
) -> None:
    """Say which versions run here, what the store holds, what is missing, and what to do about it.

    With --account: which measures of that account cannot be judged or are estimates, and which file would tell, where
    to get it and for how many days.
    """
    with ErrorReporter():
        folder = hk.workspace.find_store_folder(data)
        lines = [] if account else hk.doctor.examine_installation(folder, whole)
        if account:
            book = hk.workspace.Workspace(folder)
            lines = [line for name in account for line in hk.doctor.examine_account(book, name, latest_day())]
    for line in lines:
        print_line(f"{line.symbol} {line.text}")
        if line.cure:
            print_line(f"    {line.cure}")
    if not account:
        command = f"python -m healthkit doctor --account NAME --data {folder}"
        print_line(f"Which files an account lacks: {command}")
    if not account and any(line.symbol == hk.doctor.WRONG for line in lines):
        raise typer.Exit(1)
