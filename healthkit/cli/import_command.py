"""Command that imports raw reports into the store: import."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

import healthkit as hk
from healthkit.cli.options import (
    DataOption,
    ErrorReporter,
    app,
    err,
    exit_with_error,
    latest_day,
    out,
    parse_path,
    print_error,
    print_line,
)


@app.command("import", epilog="Example: `python -m healthkit import data/sample --data data/sample_store`")
def import_(
    paths: Annotated[
        list[Path],
        typer.Argument(
            parser=parse_path, metavar="PATHS...", help="Files or folders with the marketplace's raw reports."
        ),
    ],
    account: Annotated[str | None, typer.Option(help="The account. Default: the name of the file's folder.")] = None,
    marketplace: Annotated[
        str | None, typer.Option(help="The marketplace, such as US or DE, where a file does not say.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="So many processes read many small files. Default: one for each core.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also take files, or order ids, that another account has.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Take raw reports into the store. The kind of a file is known by its header; the same file twice adds nothing."""
    folder = data or hk.workspace.USER_STORE
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TransferSpeedColumn(),
        TimeRemainingColumn(), console=err, transient=True, disable=not err.is_terminal,
    )  # fmt: skip
    task = bar.add_task("Reading")

    def begun(sources: list[Any]) -> None:
        bar.update(task, total=sum(source.size for source in sources) or 1)

    within = 0

    def moved(size: int) -> None:
        nonlocal within
        within += size
        bar.advance(task, size)

    def done(source: Any) -> None:
        nonlocal within
        # What was told of a large file on the way is done already.
        bar.update(task, advance=source.size - within, description=f"Read {escape(source.name)}")
        within = 0

    with ErrorReporter(), bar:
        store, many = hk.store.Store(folder), jobs or os.cpu_count() or 1
        # What was read of thousands of files is not kept, but what is to be said of each.
        outcomes = hk.importer.import_files(
            paths, store, account, marketplace, begun, done, moved, many, anyway, import_day=latest_day()
        )
        results = [_report_file(one) for one in outcomes]
    _print_reports(results, folder)
    if not results:
        exit_with_error(f"No file to import was found in {', '.join(map(str, paths))}.")
    _print_advice(store, sorted({one.account for one in results if one.account}), folder)
    if any(one.refused for one in results):
        raise typer.Exit(1)


MAX_ADVISED_ACCOUNTS, MAX_ADVISED_FILES = 3, 3
"""After an import of no more accounts it is said what each lacks, and no more files of each."""


def _print_advice(store: Any, accounts: list[str], folder: Any) -> None:
    """Say of the accounts of an import where they stand and which files they lack; of many, how to ask."""
    if not accounts:
        return
    command = f"python -m healthkit doctor --account NAME --data {folder}"
    if len(accounts) > MAX_ADVISED_ACCOUNTS or len(store.groups(accounts)) > 1:
        print_line(f"Which files an account lacks: {command}")
        return
    with ErrorReporter():
        book = hk.workspace.Workspace(folder)
        for name in accounts:
            if name not in book.accounts:
                print_line(hk.wording.downloads.no_orders_file_sentence(name))
        known = [name for name in accounts if name in book.accounts]
        for verdict in book.verdicts(latest_day(), known, at_last_known_day=True) if known else ():
            for line in _advice_lines(book, verdict, command.replace("NAME", verdict.account)):
                print_line(line)


def _advice_lines(workspace: Any, verdict: Any, command: str) -> Iterator[str]:
    """Where an account stands, which enforced measures cannot be judged, and the first files to get."""
    words = hk.wording
    yield f"{verdict.account} ({verdict.marketplace}), {words.format_long_day(verdict.as_of, 0)}: {verdict.status}."
    if verdict.enforced_unjudged:
        names = dict.fromkeys(words.measure_phrase(one.metric) for one in verdict.enforced_unjudged)
        yield f"  {words.capitalise_first(words.reasons.unjudged_measures_clause(list(names), 12))}."
    files = workspace.advice(verdict)
    yield from (f"  {words.downloads.advice_sentence(*one)}" for one in files[:MAX_ADVISED_FILES])
    if len(files) > MAX_ADVISED_FILES:
        yield f"  {words.format_quantity(len(files) - MAX_ADVISED_FILES, 'more file')}: {command}"


class _FileReport(NamedTuple):
    """What is to be said of one file: that it was taken, and how; that it was there already; why it was refused."""

    taken: list[str]
    again: str
    refused: str
    account: str = ""


def _report_file(result: Any) -> _FileReport:
    """One outcome in words."""
    if result.refused:
        return _FileReport([], "", result.refused)
    if result.taken is None:
        return _FileReport([], result.name, "")
    one = result.taken
    rows = {name: table.num_rows for name, table in one.tables.items() if table.num_rows}
    held = ", ".join(f"{count:,} {name}" for name, count in rows.items()) or "no rows"
    skipped = [f"    skipped {count:,}: {reason}" for reason, count in one.skipped.items()]
    notes = [f"    note: {note}" for note in one.notes]
    notes += [f"    warning: {warning}" for warning in result.warnings]
    return _FileReport(
        [f"[bold]{escape(one.name)}[/]  {one.kind}: {held}", *map(escape, skipped + notes)], "", "", one.account or ""
    )


def _print_reports(reports: list[_FileReport], folder: Path) -> None:
    """What was taken, skipped and refused, each with its reason."""
    for line in (line for one in reports for line in one.taken):
        out.print(line, soft_wrap=True)
    again = [one.again for one in reports if one.again]
    for name in again if len(again) <= 5 else ():
        print_line(f"{name}  already in the store, nothing added")
    refused = [one.refused for one in reports if one.refused]
    for why in refused:
        print_error(f"refused  {why}")
    files = hk.wording.format_quantity(sum(bool(one.taken) for one in reports), "file")
    out.print(f"{files} taken into {folder}, {len(again):,} already there, {len(refused):,} refused.", soft_wrap=True)
