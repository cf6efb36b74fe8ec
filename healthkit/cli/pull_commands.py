"""Commands that pull accounts from Amazon and list the configured accounts: pull, accounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

import healthkit as hk
from healthkit.cli.options import (
    AccountsFileOption,
    AccountsOption,
    DataOption,
    ErrorReporter,
    FormatOption,
    OutputFormat,
    app,
    err,
    exit_with_error,
    latest_day,
    make_table,
    parse_day,
    print_error,
    print_line,
    print_wide,
    write_answer,
)
from healthkit.report.text import figures


@app.command(epilog="Example: `python -m healthkit pull --accounts accounts.yaml --dry-run`")
def pull(
    accounts: AccountsFileOption = None,
    account: AccountsOption = None,
    since: Annotated[
        date | None,
        typer.Option(parser=parse_day, metavar="DAY", help="Pull everything from this day on. Default: 180 days back."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be asked, in how many calls and how long.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only try each authorisation, and say which roles are missing.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Bring accounts up to date from Amazon's API; exit code 1 if any account failed in part.

    What was pulled is not asked for again, and a run that was stopped goes on where it was.
    """
    folder = hk.store.parse_folder(data or hk.workspace.USER_STORE)
    with ErrorReporter():
        store = hk.store.Store(folder)
        chosen = _choose_accounts(_read_accounts(accounts, folder), account)
        start = _start_instant(since)
        if check:
            _print_checks(hk.ingest.amazon_api.access_check.check_accesses(chosen, store))
        elif dry_run:
            now = datetime.fromtimestamp(hk.ingest.amazon_api.call_scheduler.Clock().time(), UTC)
            _print_plan(hk.ingest.amazon_api.pull.plan_pull(chosen, store, start, now))
        else:
            _pull_accounts(chosen, store, start)


def _read_accounts(given: Path | None, folder: Any) -> list[Any]:
    """Return the accounts of the accounts file. Raises an error that says how to write one if there is none."""
    path = hk.schema.accounts_file.find_accounts_file(given, folder)
    if path is None:
        raise hk.schema.accounts_file.AccountsFileError(
            "There is no accounts file. Write accounts.yaml (docs/pull.md shows one) beside the store or in this "
            "folder, or name it with --accounts."
        )
    return list(hk.schema.accounts_file.read_accounts(path))


def _choose_accounts(configured: list[Any], wanted: Sequence[str] | None) -> list[Any]:
    """Return the accounts to pull: the wanted ones, else all that have an authorisation."""
    by_name = {one.name: one for one in configured}
    unknown = [name for name in wanted or () if name not in by_name]
    if unknown:
        exit_with_error(
            f"The accounts file has no account {', '.join(map(repr, unknown))}. There are: {', '.join(by_name)}."
        )
    chosen = [one for one in configured if one.amazon and (not wanted or one.name in wanted)]
    if not chosen:
        exit_with_error("No account has a block amazon in the accounts file, so there is nothing to pull.")
    return chosen


def _start_instant(since: date | None) -> datetime:
    """Return the instant from which on everything is pulled."""
    today = latest_day()
    if since is not None and since > today:
        raise typer.BadParameter(f"--since {since} has not begun yet.")
    days = timedelta(hk.ingest.amazon_api.requests_plan.HISTORY_DAYS)
    return datetime.combine(since or today - days, time(), UTC)


def _pull_accounts(chosen: list[Any], store: Any, start: datetime) -> None:
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"),
        console=err, transient=True, disable=not err.is_terminal,
    )  # fmt: skip
    task = bar.add_task("Pulling", left="")

    def show_progress(progress: Any) -> None:
        left = timedelta(seconds=progress.seconds_left)
        words = f"at least {hk.ingest.amazon_api.failures.format_duration(left)} left at Amazon's rates" if left else ""
        bar.update(task, completed=progress.done, total=progress.total, left=words)

    try:
        with bar:
            results = hk.ingest.amazon_api.pull.Pull(store, start, on_progress=show_progress).run(chosen)
    except KeyboardInterrupt:
        print_error("Stopped. What was fetched is in the store, and the next pull goes on from there.", style=None)
        raise typer.Exit(130) from None
    for result in results:
        _print_result(result)
    failed = [result.account for result in results if result.failures]
    print_line(
        f"{figures.format_quantity(len(results), 'account')} pulled into {store.folder}, {len(failed):,} with failures."
    )
    if failed:
        raise typer.Exit(1)


def _print_result(result: Any) -> None:
    """Print what was pulled for one account, the notes on it, and what failed."""
    stored = f"{figures.format_quantity(result.files, 'file')} with {figures.format_quantity(result.rows, 'row')}"
    already = f", {result.already_stored:,} already there" if result.already_stored else ""
    nothing = "nothing pulled" if result.failures else "nothing new"
    print_line(f"{result.account}  {stored if result.files else nothing}{already}")
    for note in result.notes:
        print_line(f"    note: {note}")
    for sentence in result.failures:
        print_error(f"failed  {sentence}")


def _print_checks(checks: list[Any]) -> None:
    """Print what each authorisation may do; exit with code 1 if one lacks anything."""
    for one in checks:
        print_line(
            f"{one.access.account} ({one.access.region}: {', '.join(one.access.marketplaces)})  credentials from "
            f"{one.place or 'nowhere'}; permitted: {', '.join(one.permitted) or 'nothing'}."
        )
        for problem in one.problems:
            print_error(f"failed  {problem}")
    if any(one.problems for one in checks):
        raise typer.Exit(1)
    print_line("Every authorisation works.")


def _print_plan(plans: list[Any]) -> None:
    """Print what a pull would ask for."""
    amazon = hk.ingest.amazon_api
    table = make_table({"account": "left", "region": "left", "asks for": "long", "calls": "long", "at least": "right"})
    for one in plans:
        titles = Counter(request.kind.title for request in one.requests)
        wanted = [f"{count} x {title}" if count > 1 else title for title, count in titles.items()]
        wanted += [f"{one.open_reports} asked for before"] if one.open_reports else []
        calls = ", ".join(f"{count} {name}" for name, count in one.calls.items())
        seconds = timedelta(seconds=amazon.rate_limits.seconds_at_published_rates(one.calls))
        table.add_row(
            one.access.account, one.access.region, ", ".join(wanted), calls, amazon.failures.format_duration(seconds)
        )
    print_wide(table)
    longest = max((amazon.rate_limits.seconds_at_published_rates(one.calls) for one in plans), default=0.0)
    total = sum(sum(one.calls.values()) for one in plans)
    print_line(
        f"{total:,} calls at least. At the published rates they take at least "
        f"{amazon.failures.format_duration(timedelta(seconds=longest))}: sellers do not wait for each other. More "
        f"calls come with more than {amazon.published.orders_per_page()} orders a span, with settlement files, and "
        "with reports that take long. Nothing was asked for."
    )


@app.command(epilog="Example: `python -m healthkit accounts --accounts accounts.yaml`")
def accounts(
    accounts: AccountsFileOption = None, output_format: FormatOption = OutputFormat.table, data: DataOption = None
) -> None:  # fmt: skip
    """List the configured accounts with their tags, credentials, last pull, last order, and what is missing."""
    folder = hk.store.parse_folder(data or hk.workspace.USER_STORE)
    with ErrorReporter():
        rows = hk.ingest.amazon_api.account_status.list_account_statuses(
            _read_accounts(accounts, folder), hk.store.Store(folder)
        )
    frame = hk.ingest.amazon_api.account_status.statuses_as_frame(rows)
    if write_answer(output_format, frame, lambda: [one.as_row() for one in rows]):
        return
    table = make_table({
        "account": "left", "name": "long", "tags": "long", "region": "left", "marketplaces": "long",
        "credentials": "long", "last pull": "left", "last order": "left", "missing": "long",
    })  # fmt: skip
    for row in rows:
        cells = row.as_row().values()
        table.add_row(*("; ".join(cell) if isinstance(cell, list) else cell or "-" for cell in cells))
    print_wide(table)
