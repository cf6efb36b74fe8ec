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
    local_day,
    make_table,
    parse_path,
    print_line,
    print_wide,
    write_json,
    write_workbook,
)
from healthkit.report.text import figures

store_app = typer.Typer(help="Maintain the store: check, repair, compact, versions, remove.", no_args_is_help=True)
app.add_typer(store_app, name="store")
MAX_LISTED = 20
"""Maximum number of raw files or problems that a command lists."""


def _open_store(data: Path | None) -> hk.store.Store:
    return hk.store.Store(hk.workspace.find_store_folder(data))


@store_app.command("check", epilog="Example: `python -m healthkit store check --data data/sample_store`")
def check(data: DataOption = None) -> None:
    """Read every data file and compare files, logs and imports; exit code 1 if there is any problem."""
    with ErrorReporter():
        store = _open_store(data)
        found = hk.store.check(store)
    for line in _check_sentences(store, found):
        print_line(line)
    if not found.damages:
        print_line("Nothing is wrong.")
        return
    _print_first(f"{one.table}: {one.problem}." for one in found.damages)
    if found.lost_files:
        files = figures.format_quantity(len(found.lost_files), "raw file")
        print_line(f"The rows of {files} are lost in part or whole:")
        _print_first(found.lost_files)
    exit_with_error(
        f"The store is damaged. Mend it with `python -m healthkit store repair --data {store.folder}`, "
        "which says which raw files to import again."
    )


def _check_sentences(store: hk.store.Store, check_result: hk.store.CheckResult) -> Iterator[str]:
    """Return sentences on what a check read, and on findings that are no damage."""
    things = figures.format_quantity
    yield f"{store.folder}: {things(check_result.files, 'data file')}, {check_result.rows:,} rows read."
    if check_result.orphan_rows:
        yield (
            f"{check_result.orphan_rows:,} rows are of imports that were cut short, or of raw files that a repair left "
            "out, and are never read; `store compact` removes those older than a day."
        )
    if check_result.rows_of_removed_files:
        yield (
            f"{check_result.rows_of_removed_files:,} rows are of raw files that were removed; only older versions read "
            "them. `store remove --purge` takes them from disk."
        )
    if check_result.files_without_row_counts:
        yield (
            f"{things(check_result.files_without_row_counts, 'raw file')} came from an older healthkit, which did "
            "not say how many rows they "
            "hold: whether all are there cannot be known. Import them into a new store to know."
        )
    if check_result.unnamed_data_files:
        files = things(check_result.unnamed_data_files, "file")
        yield f"{files} belong to no table; `store compact` removes those older than a day."


@store_app.command("repair", epilog="Example: `python -m healthkit store repair --data data/sample_store`")
def repair(data: DataOption = None) -> None:
    """Make a damaged store readable: write what can be read anew and forget the raw files that lost rows."""
    with ErrorReporter():
        store = _open_store(data)
        lost, unnamed = hk.store.repair(store)
    if lost:
        others = "" if unnamed else "; all others are as they were"
        print_line(f"Import {figures.format_quantity(len(lost), 'raw file')} again{others}:")
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
    """Merge small data files and delete those that no version needs; no figure changes."""
    with ErrorReporter():
        made = hk.store.compact(_open_store(data))
    print_line(
        f"{figures.format_quantity(made.before, 'data file')} before, {made.after:,} now; {made.removed:,} removed "
        f"(those that nobody needed for {hk.store.maintenance.UNNEEDED_FILE_HOURS} hours)."
    )


@store_app.command("versions", epilog="Example: `python -m healthkit store versions --data data/sample_store`")
def versions(form: FormatOption = OutputFormat.table, data: DataOption = None) -> None:
    """List the versions of the store, newest first; `scores --version N` and `report --version N` read one."""
    with ErrorReporter():
        made = hk.store.versions(_open_store(data))
    if form is OutputFormat.json:
        write_json([one._asdict() for one in made])
        return
    if form is OutputFormat.csv:
        print_line("number,at,added,what")
        for one in made:
            print_line(f"{one.number},{one.at:%Y-%m-%dT%H:%M:%SZ},{one.added},{one.what}")
        return
    if form is OutputFormat.xlsx:
        rows = [one._asdict() | {"at": f"{one.at:%Y-%m-%d %H:%M:%S}"} for one in made]
        write_workbook(hk.tables.records_to_frame(rows, ["number", "at", "added", "what"]))
        return
    table = make_table({"version": "right", "at (UTC)": "left", "raw files": "right", "what": "left"})
    for one in made:
        table.add_row(str(one.number), f"{one.at:%Y-%m-%d %H:%M}", f"{one.added:,}", one.what)
    print_wide(table)


@store_app.command("remove", epilog="Example: `python -m healthkit store remove --file acme/all_orders.txt`")
def remove(
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--file", help="A raw file by its name in the store, such as acme/orders.txt; the option can be repeated."
        ),
    ] = None,
    account: Annotated[
        str | None, typer.Option(help="All raw files of an account; with --file, only those files.")
    ] = None,
    purge: Annotated[
        bool, typer.Option("--purge", help="Also delete the rows from disk; all older versions are lost.")
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
    """Remove raw files from the store: no figure uses their rows any more, and they can be imported again."""
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
        pages = hk.batch.find_pages(found.accounts, [reports])
    print_line(f"Purged: {figures.format_quantity(purged.removed, 'file')} removed from {store.folder}.")
    _print_left_files(purged, pages, reports)


def _removal_lines(store: hk.store.Store, removal: hk.store.Removal, purge: bool) -> Iterator[str]:
    """Return lines on what will be removed."""
    things = figures.format_quantity
    yield f"To be removed from {store.folder}:"
    yield from _first_lines(str(one) for one in removal.files)
    yield from _first_lines(f"{one}, removed before" for one in removal.already_removed)
    days = f", {removal.first_day} to {removal.last_day}" if removal.first_day else ""
    stay = (
        f" ({removal.orders_in_other_files:,} of them stay: other files cover them too)"
        if removal.orders_in_other_files
        else ""
    )
    files, orders = things(len(removal.files), "raw file"), things(removal.orders, "order")
    yield f"{files}, {orders}{stay} of {_name_accounts(removal.accounts)}{days}."
    if removal.emptied_accounts:
        yield f"No raw file is left of {_name_accounts(removal.emptied_accounts)}."
    if purge:
        yield (
            f"Purge: all versions before this one go for every account, and with them damaged files that repairs left. "
            f"It cannot be undone. {PURGE_LIMITS}"
        )


PURGE_LIMITS = "Not reached: backups and other copies of the folder, snapshots of the disk, pages that were printed."
"""Sentence that names what a purge does not delete."""


def _name_accounts(names: list[str]) -> str:
    """Return the names of accounts; their number if they are many."""
    return ", ".join(names) if len(names) <= MAX_LISTED else figures.format_quantity(len(names), "account")


def _confirm(yes: bool) -> None:
    """Ask for confirmation; without a terminal and without `--yes`, end with an error."""
    if yes:
        return
    if not _can_ask():
        exit_with_error(
            "Nothing was removed: there is no terminal to ask on. Add --yes to remove this without a question."
        )
    if not typer.confirm("Remove it?"):
        exit_with_error("Nothing was removed.")


def _can_ask() -> bool:
    """Return whether standard input is a terminal."""
    return sys.stdin.isatty()


def _print_left_files(purge_result: hk.store.PurgeResult, pages: list[Path], reports: Path) -> None:
    """Print what a purge left: foreign files in the store, and reports of the accounts."""
    if purge_result.files_left:
        files = figures.format_quantity(len(purge_result.files_left), "file")
        print_line(f"{files} in the folders of its tables are not the store's, and were left:")
        _print_first(map(str, purge_result.files_left))
    if pages:
        print_line("What was printed of it was left. Delete it with the files beside it, and print the index again:")
        _print_first(map(str, pages))
    else:
        print_line(f"No page of it lies in {reports}.")
    print_line(PURGE_LIMITS)


def _print_first(lines: Iterable[str]) -> None:
    """Print the first MAX_LISTED lines, and the number of the others."""
    for line in _first_lines(lines):
        print_line(line)


def _first_lines(lines: Iterable[str]) -> Iterator[str]:
    """Return the first MAX_LISTED lines, and a line with the number of the others."""
    all_lines = list(lines)
    yield from (f"  {line}" for line in all_lines[:MAX_LISTED])
    if len(all_lines) > MAX_LISTED:
        yield f"  and {len(all_lines) - MAX_LISTED:,} more"


@app.command("doctor", epilog="Example: `python -m healthkit doctor --data data/sample_store`")
def doctor(
    data: DataOption = None,
    whole: Annotated[bool, typer.Option("--check", help="Also read the whole store, as `store check` does.")] = False,
    account: Annotated[
        list[str] | None,
        typer.Option("--account", help="Print which files an account lacks; the option can be repeated."),
    ] = None,
) -> None:
    """Print the installed versions, the content of the store, what is missing and what to do about it.

    With --account: the measures of that account that cannot be judged or are estimates, and the files that are missing,
    where to get them and for how many days.
    """
    with ErrorReporter():
        folder = hk.workspace.find_store_folder(data)
        lines = [] if account else hk.doctor.examine_installation(folder, whole)
        if account:
            workspace = hk.workspace.Workspace(folder)
            lines = [
                line
                for name in account
                for line in hk.doctor.examine_account(workspace, name, latest_day(), local_day())
            ]
    for line in lines:
        print_line(f"{line.symbol} {line.text}")
        if line.cure:
            print_line(f"    {line.cure}")
    if not account:
        command = f"python -m healthkit doctor --account NAME --data {folder}"
        print_line(f"Which files an account lacks: {command}")
    if not account and any(line.symbol == hk.doctor.WRONG for line in lines):
        raise typer.Exit(1)
