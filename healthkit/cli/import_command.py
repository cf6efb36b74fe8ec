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
from healthkit.report.text import downloads as downloads_text
from healthkit.report.text import figures, labels, reasons, sentences


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
        str | None, typer.Option(help="The marketplace, such as US or DE, of files that do not name one.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes that read small files. Default: one for each core.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also import files or order ids that another account has.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Import raw reports into the store. The header identifies the kind of a file; importing it twice adds nothing."""
    folder = data or hk.workspace.USER_STORE
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TransferSpeedColumn(),
        TimeRemainingColumn(), console=err, transient=True, disable=not err.is_terminal,
    )  # fmt: skip
    task = bar.add_task("Reading")

    def set_total(sources: list[Any]) -> None:
        bar.update(task, total=sum(source.size for source in sources) or 1)

    progress_in_file = 0

    def advance(size: int) -> None:
        nonlocal progress_in_file
        progress_in_file += size
        bar.advance(task, size)

    def finish_file(source: Any) -> None:
        nonlocal progress_in_file
        # The progress inside a large file is counted already.
        bar.update(task, advance=source.size - progress_in_file, description=f"Read {escape(source.name)}")
        progress_in_file = 0

    with ErrorReporter(), bar:
        store, process_count = hk.store.Store(folder), jobs or os.cpu_count() or 1
        # Keep only the messages, not the rows, of thousands of files.
        outcomes = hk.importer.import_files(
            paths,
            store,
            account,
            marketplace,
            set_total,
            finish_file,
            advance,
            process_count,
            anyway,
            import_day=latest_day(),
        )
        results = [_report_file(one) for one in outcomes]
    _print_reports(results, folder)
    if not results:
        exit_with_error(f"No file to import was found in {', '.join(map(str, paths))}.")
    _print_advice(store, {one.account: one.marketplace for one in results if one.account}, folder)
    if any(one.refused for one in results):
        raise typer.Exit(1)


MAX_ADVISED_ACCOUNTS, MAX_ADVISED_FILES = 3, 3
"""Maximum number of accounts, and of files per account, for which an import prints advice on missing files."""


def _print_advice(store: Any, marketplaces: dict[str, str], folder: Any) -> None:
    """Print the status and missing files of imported accounts; for many, the command that prints them.

    `marketplaces` maps each account to the marketplace of its files.
    """
    accounts = sorted(marketplaces)
    if not accounts:
        return
    command = f"python -m healthkit doctor --account NAME --data {folder}"
    if len(accounts) > MAX_ADVISED_ACCOUNTS or len(store.group_accounts(accounts)) > 1:
        print_line(f"Which files an account lacks: {command}")
        return
    with ErrorReporter():
        workspace = hk.workspace.Workspace(folder)
        for name in accounts:
            if name not in workspace.accounts:
                first_file = hk.downloads.downloads_for("orders", marketplaces[name])[0]
                print_line(downloads_text.no_orders_file_sentence(name, first_file))
        known = [name for name in accounts if name in workspace.accounts]
        for verdict in workspace.verdicts(latest_day(), known, at_last_known_day=True) if known else ():
            for line in _advice_lines(workspace, verdict, command.replace("NAME", verdict.account)):
                print_line(line)
        if no_rules := reasons.unjudged_stores_sentence(workspace.unjudged_stores(known)):
            print_line(no_rules)


def _advice_lines(workspace: Any, verdict: Any, command: str) -> Iterator[str]:
    """Return lines on an account's status, its unjudged measures and the first files to download."""
    yield f"{verdict.account} ({verdict.marketplace}), {figures.format_long_day(verdict.as_of, 0)}: {verdict.status}."
    if verdict.enforced_unjudged:
        names = dict.fromkeys(
            sentences.measure_phrase(one.metric, company=labels.company_of(verdict.marketplace))
            for one in verdict.enforced_unjudged
        )
        yield f"  {labels.capitalise_first(reasons.unjudged_measures_clause(list(names), 12))}."
    files = hk.downloads.recommend_downloads(verdict.missing_evidence(), verdict.marketplace)
    yield from (f"  {downloads_text.advice_sentence(one)}" for one in files[:MAX_ADVISED_FILES])
    if len(files) > MAX_ADVISED_FILES:
        yield f"  {figures.format_quantity(len(files) - MAX_ADVISED_FILES, 'more file')}: {command}"


class _FileReport(NamedTuple):
    """Messages on one file: lines if it was imported, its name if it was stored already, or why it was refused."""

    imported: list[str]
    already_stored: str
    refused: str
    account: str = ""
    marketplace: str = ""


def _report_file(result: Any) -> _FileReport:
    """Return the messages on the import of one file."""
    if result.refused:
        return _FileReport([], "", result.refused)
    if result.parsed_file is None:
        return _FileReport([], result.name, "")
    parsed = result.parsed_file
    rows = {name: table.num_rows for name, table in parsed.tables.items() if table.num_rows}
    contents = ", ".join(f"{count:,} {name}" for name, count in rows.items()) or "no rows"
    skipped = [f"    skipped {count:,}: {reason}" for reason, count in parsed.skipped.items()]
    notes = [f"    note: {note}" for note in parsed.notes]
    notes += [f"    warning: {warning}" for warning in result.warnings]
    return _FileReport(
        [f"[bold]{escape(parsed.name)}[/]  {parsed.kind}: {contents}", *map(escape, skipped + notes)],
        "",
        "",
        parsed.account or "",
        _marketplace_of_file(parsed),
    )


def _marketplace_of_file(parsed: Any) -> str:
    """Return the marketplace that a parsed file or its first row states, the first one of several; by default US."""
    of_rows = (
        table["marketplace"][0].as_py()
        for table in parsed.tables.values()
        if table.num_rows and "marketplace" in getattr(table, "column_names", ())  # A large file has no columns here.
    )
    stated = parsed.stated_marketplace or next(filter(None, of_rows), None)
    return (stated or "US").split("+")[0]


def _print_reports(reports: list[_FileReport], folder: Path) -> None:
    """Print what was imported, skipped and refused, with reasons."""
    for line in (line for one in reports for line in one.imported):
        out.print(line, soft_wrap=True)
    already_stored = [one.already_stored for one in reports if one.already_stored]
    for name in already_stored if len(already_stored) <= 5 else ():
        print_line(f"{name}  already in the store, nothing added")
    refused = [one.refused for one in reports if one.refused]
    for why in refused:
        print_error(f"refused  {why}")
    files = figures.format_quantity(sum(bool(one.imported) for one in reports), "file")
    out.print(
        f"{files} imported into {folder}, {len(already_stored):,} already there, {len(refused):,} refused.",
        soft_wrap=True,
    )
