"""Generates the reports of a month: a page for each account and an index; a failed report stops no other."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from healthkit.batch import fork_client, output_files, pages, pdf, run_notebook
from healthkit.batch.deliveries import Deliveries, OldFiles, open_deliveries
from healthkit.batch.packages import Package, no_package_sentence, write_packages
from healthkit.batch.page_job import (
    Client,
    PageJob,
    PageRequest,
    PageResult,
    generate_page,
    lock_folder,
    make_warmup,
    record_failure,
)
from healthkit.batch.pages import Owner
from healthkit.files import temp_folders
from healthkit.report import model
from healthkit.report.html.block import HtmlBlock
from healthkit.report.html.page import html_page
from healthkit.report.html.portfolio import PortfolioPage, index_ranking, portfolio_index
from healthkit.report.text import stakes
from healthkit.report.text.mail import Summary
from healthkit.report.text.reasons import unjudged_stores_sentence
from healthkit.schema.accounts_file import AccountsFileError, find_accounts_file, read_accounts
from healthkit.schema.rates_file import Rates
from healthkit.store import Store
from healthkit.workspace import snapshot
from healthkit.workspace.workspace import Workspace

_LOG = logging.getLogger(__name__)

DEFAULT_CURE = "Read the message, correct the files or the name, and run the report of this account again."
CURE_BY_STATUS = {
    "timed out": "Run it again with a longer --deadline; its notebook beside the index shows how far it came.",
    "killed": "Give it more --memory or run fewer at once with --jobs, and run this account again.",
    "exited early": "Look at its notebook beside the index: it ended before its last cell.",
}
"""Sentence on what the user can do, by the status of the notebook."""
INDEX_CURE = "index.html, if it exists, is of an earlier run. Free disk space or give permission, and run it again."


@dataclass(frozen=True)
class ReportFailure:
    """A report that could not be generated: its account, the reason, what to do, and the status of its notebook.

    `page` is the page of an earlier run that is still in the folder, `data_version` the data that it shows.
    """

    account: str
    reason: str
    cure: str = DEFAULT_CURE
    status: str = "failed"
    notebook: str = ""
    marketplace: str = ""
    page: str = ""
    data_version: str = ""


@dataclass(frozen=True)
class BatchResult:
    """Result of a batch: the path of the index, the number of pages written, and the failures.

    `skipped` is the number of pages that were skipped because they are unchanged. `summaries` has the sentences of each
    page, the account to open first at the front, and `first` says which that is and why ("" if none is in danger).
    `packages` are the packages of accounts, and `package_errors` say which account has none. `removed` are packages,
    mails and summaries of earlier pages that were deleted; those of them that are written again are there again.
    `without_pdf` has reason and cure for each account and marketplace whose page has no PDF although one was requested.
    `notes` are sentences on the folder: pages of accounts that are gone, unusable files, files renamed to a
    backup. `index_error` says why the index was not written; empty if it was.
    """

    index: Path
    page_count: int
    failures: list[ReportFailure]
    skipped: int = 0
    summaries: list[Summary] = field(default_factory=list)
    without_pdf: dict[Owner, tuple[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    index_error: str = ""
    first: str = ""
    packages: list[Package] = field(default_factory=list)
    package_errors: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def generate_reports(
    workspace: Workspace,
    month: str,
    accounts: Iterable[str] | None = None,
    out: str | Path = "reports",
    *,
    console: Console | None = None,
    executor: Executor | None = None,
    request: PageRequest | None = None,
    rates: Path | None = None,
    accounts_file: Path | None = None,
    **request_fields: Any,
) -> BatchResult:
    """Write the reports of a month, and an index of all pages, into the folder `out/month/`.

    `month` is a month such as 2026-10, or a day such as 2026-10-14 for the reports of the week to it. The default is
    every account with orders in a window of the period. Options are a `PageRequest` or its fields as keywords.
    `rates` is a file that converts sales to one currency (default: `rates.csv` beside the store), `accounts_file` one
    with the tags of accounts (default: `accounts.yaml` beside the store).
    `executor` runs the jobs (see `cluster.connect_to_cluster`); the default is threads of this process.
    Raises MonthError if there is nothing to report and StoreError for an account that the store does not hold. A report
    that fails is listed on the index with its error, and its notebook is written; the page of an earlier run stays, but
    the index names it as not current.
    """
    request = request or PageRequest(**request_fields)
    clients = request.clients
    # Each job knows its own client only.
    request = replace(
        request, template=request.template.resolve(), separate=request.separate or request.package, clients={}
    )
    if not str(out).strip():
        raise run_notebook.BatchError(
            "The name of the folder for the reports is empty. Give a name, or leave the option out."
        )
    run_notebook.load_template(request.template)
    month = model.parse_period(month).text
    folder = (Path(out) / month).resolve()
    known_rates = workspace.rates(model.parse_period(month).last, rates)
    in_month, pairs, failures = _accounts_to_report(workspace, month, accounts)
    notes = (
        []
        if request.separate
        else output_files.write_signed(folder / output_files.VEGA_FILE_NAME, output_files.vega_bundle())
    )
    without_pdf: dict[Owner, tuple[str, str]] = {}
    replaced: list[tuple[str, str]] = []
    temp_folders.remove_abandoned(folder)
    data = _data_of_pages(workspace, in_month)
    all_jobs = [
        PageJob(
            account,
            code,
            month,
            "",
            data[account, code],
            workspace.policy_name or "",
            folder,
            request,
            clients.get(account, Client()),
        )
        for account, code in pairs
    ]
    jobs = [job for job in all_jobs if not (request.only_changed and job.is_up_to_date)]
    with _temporary_work_folder(workspace, request, executor is not None) as work:
        jobs = _with_snapshots(workspace, jobs, work, executor is not None)
        with _show_progress(console, len(jobs)) as step, _open_executor(executor, request, jobs) as running:
            for result in _run_jobs(running, jobs):
                if result.status != "done":
                    failures.append(_failure_of_result(result))
                if result.pdf_error:
                    without_pdf[result.job.owner] = result.pdf_error, result.cure
                notes += result.notes
                replaced += result.replaced
                step(result)
    temp_folders.remove_abandoned(folder)  # A worker of a cluster may have been killed while it wrote.
    packages, problems, moved = write_packages(folder, all_jobs) if request.package else ([], {}, [])
    notes += [*moved, *pages.replaced_sentences(sorted(replaced))]
    with lock_folder(folder), open_deliveries(folder) as deliveries:
        found = pages.read_folder(folder, month, in_month, _owners_in_store(workspace))
        found = found.drop_owners({(one.account, one.marketplace) for one in failures}).with_age(
            {owner: dict(items) for owner, items in data.items()}
        )
        failures = _add_manifest_details(failures, found.failed_runs)
        old_files = deliveries.remove_old_files()
        old = _old_deliveries(deliveries, old_files, found, failures, problems)
        tags, unusable_tags = _tags_by_account(workspace, accounts_file)
        index_notes = [*unusable_tags, *pages.old_delivery_sentences(old)]
        found, page = _build_index(workspace, month, found, failures, request.made, known_rates, tags, index_notes)
        earlier = {account: deliveries.files_of([(account, "")]) for account in problems}
        moved, index_failure = _write_index(folder / "index.html", page)
    notes += [*moved, *_folder_sentences(workspace, month, found)]
    reported = {name for names in earlier.values() for name in names}
    notes += pages.old_delivery_sentences([name for name in old if name not in reported])
    package_errors = [no_package_sentence(account, why, earlier[account]) for account, why in problems.items()]
    summaries, first = _summaries(found, {job.owner for job in all_jobs}, model.parse_period(month).last, known_rates)
    page_count, skipped = len(jobs) - _count_finished_runs(failures), len(all_jobs) - len(jobs)
    index = folder / "index.html"
    return BatchResult(
        index,
        page_count,
        failures,
        skipped,
        summaries,
        without_pdf,
        notes,
        index_failure,
        first,
        packages,
        package_errors,
        old_files.removed,
    )


def _old_deliveries(
    deliveries: Deliveries,
    old_files: OldFiles,
    report_folder: pages.ReportFolder,
    failures: list[ReportFailure],
    accounts_without_package: Iterable[str],
) -> list[str]:
    """Return the files for clients that stay and are not current.

    They are those of a page of which a later run failed, whose data changed since, or that is not of the store, and of
    accounts without package now.
    """
    failed = [*((one.account, one.marketplace) for one in failures), *(one.owner for one in report_folder.failed_runs)]
    absent = [*report_folder.not_in_store, *report_folder.without_orders]
    without = [(account, "") for account in accounts_without_package]
    not_current = deliveries.files_of([*failed, *report_folder.out_of_date, *absent, *without])
    return sorted({*old_files.kept, *not_current})


def _folder_sentences(workspace: Workspace, month: str, report_folder: pages.ReportFolder) -> list[str]:
    """Return the sentences on accounts without page and on files that the index cannot show."""
    kind = model.parse_period(month).kind
    return [
        *filter(None, [unjudged_stores_sentence(workspace.unjudged_stores())]),
        *(pages.ended_sentence(*one, kind) for one in model.accounts_ended_before(workspace, month)),
        *pages.absent_sentences(report_folder, kind),
        *pages.age_sentences(report_folder),
        *pages.unusable_sentences(report_folder),
        *pages.foreign_file_sentences(report_folder),
    ]


def _count_finished_runs(failures: list[ReportFailure]) -> int:
    """Return how many failures are of jobs that ran; the others never began."""
    return sum(bool(one.status) for one in failures)


def _data_of_pages(workspace: Workspace, owners: Iterable[Owner]) -> dict[Owner, tuple[tuple[str, str], ...]]:
    """Return the data that each page is made of: the version of the store, and digests of what is of its own account.

    These are the imports of the account with what their files cover, the rules of the marketplace, and the events.
    """
    imports = _require_store(workspace).reports_by_account()
    for row in workspace.counts.coverage.astype("str").itertuples(index=False):
        imports.setdefault(row.account, []).append("\t".join(row))
    digest_of_imports = cache(lambda account: _digest(imports[account]))
    rule_files = {code: policy.files for code, policy in workspace.policies.items()}
    digest_of_rules = cache(lambda code: _digest(Path(one).read_text("utf-8") for one in rule_files[code]))
    found, version = {}, str(workspace.store.version())
    for account, code in owners:
        data = [
            ("version", version), ("imports", digest_of_imports(account)),
            ("rules", digest_of_rules(code)),
        ]  # fmt: skip
        events = [str(event) for event in workspace.events if event.is_of(account, code)]
        found[account, code] = (*data, *([("events", _digest(events))] if events else []))
    return found


def _digest(texts: Iterable[str]) -> str:
    return output_files.sha256_hex("\n".join(texts).encode())


def _accounts_to_report(
    workspace: Workspace, month: str, accounts: Iterable[str] | None
) -> tuple[list[Owner], list[Owner], list[ReportFailure]]:
    """Return the accounts and marketplaces of the month, those to report, and failures of named ones that cannot be."""
    if accounts is None:
        in_month = model.accounts_to_report(workspace, month)
        return in_month, in_month, []
    named = list(dict.fromkeys(accounts))
    workspace.store.check_accounts(named, workspace.accounts)
    with suppress(model.MonthError):
        in_month = model.accounts_to_report(workspace, month)
        reportable = [pair for pair in in_month if pair[0] in named]
        failures = [
            ReportFailure(one, _reason_for_no_report(workspace, one, month), status="")
            for one in named
            if one not in dict(reportable)
        ]
        if reportable:
            return in_month, reportable, failures
    raise model.MonthError(" ".join(_reason_for_no_report(workspace, account, month) for account in named))


def _reason_for_no_report(workspace: Workspace, account: str, month: str) -> str:
    """Return why an account has no report of a month."""
    coverage = workspace.counts.coverage[workspace.counts.coverage["account"] == account]
    no_rules = unjudged_stores_sentence(workspace.unjudged_stores([account]))
    judged = coverage[coverage["marketplace"].isin(list(workspace.policies))]
    if judged.empty and no_rules:
        return f"{account} has no report for {model.parse_period(month).name}. {no_rules}"
    coverage = coverage if judged.empty else judged
    with_orders = coverage[coverage["orders"] > 0]
    rows = coverage if with_orders.empty else with_orders
    days = model.order_days_clause(len(with_orders), rows["begins_on"].min().date(), rows["ends_on"].max().date())
    return f"{account} has no orders to report for {model.parse_period(month).name}: {days}."


# -- the work -----------------------------------------------------------------------------------------------------


@contextmanager
def _temporary_work_folder(workspace: Workspace, request: PageRequest, shared: bool) -> Iterator[Path]:
    """Yield a private folder for the rows that the reports read; it is removed afterwards.

    Raises BatchError if other machines must read it (`shared`) and no folder is known that they reach.
    """
    below = (
        request.work_folder
        if request.work_folder is not None
        else _folder_shared_with_workers(workspace)
        if shared
        else None
    )
    if below is not None:
        below.mkdir(parents=True, exist_ok=True)
    work = temp_folders.make(temp_folders.BATCH_PREFIX, below)
    try:
        yield work.resolve()
    finally:
        temp_folders.remove(work)


def _folder_shared_with_workers(workspace: Workspace) -> Path:
    """Return the folder of the store, which the workers of a cluster read. Raises BatchError if it is not writable."""
    folder = workspace.store.folder
    if not isinstance(folder, Path) or not os.access(folder, os.W_OK):
        raise run_notebook.BatchError(
            f"The workers of a cluster need a folder that all of them reach, and nothing can be written into {folder}. "
            "Name one with --work."
        )
    return folder


def _with_snapshots(workspace: Workspace, jobs: list[PageJob], work: Path, shared: bool) -> list[PageJob]:
    """Write a snapshot of the store for the jobs and return them with it; `shared` if other machines must read it."""
    if not jobs:
        return []
    names = list(dict.fromkeys(job.account for job in jobs))
    snapshot.write_snapshot(
        _require_store(workspace), names, workspace.ensure_counts_saved(work, shared), work / "excerpt",
        workspace.events,
    )  # fmt: skip
    return [replace(job, snapshot=str(work / "excerpt")) for job in jobs]


def _require_store(workspace: Workspace) -> Store:
    """Return the store of a workspace. Raises BatchError for a workspace that reads a snapshot."""
    if not isinstance(workspace.store, Store):
        raise run_notebook.BatchError(
            f"{workspace.store.snapshot_folder} is a snapshot; a batch needs the store itself."
        )
    return workspace.store


@contextmanager
def _open_executor(executor: Executor | None, request: PageRequest, jobs: list[PageJob]) -> Iterator[Executor]:
    """Yield the executor of the caller, or threads of this process that each wait for a fork."""
    if executor is not None:
        yield executor
    else:
        if jobs and request.engine == run_notebook.FORK_ENGINE and fork_client.CAN_FORK:
            fork_client.set_warmup(dict(make_warmup(jobs[0], len(jobs))))
        thread_count = max(1, min(len(jobs), request.jobs or os.cpu_count() or 1))
        pool, wait = ThreadPoolExecutor(thread_count), True
        try:
            yield pool
        except SystemExit:
            # Do not wait for the kernels of papermill's own engine; they end with this process.
            wait = request.engine == run_notebook.FORK_ENGINE
            raise
        finally:
            # After Ctrl-C or SIGTERM, cancel what has not begun and kill what runs.
            pool.shutdown(wait=False, cancel_futures=True)
            fork_client.stop_server()
            pdf.stop_browsers()
            pool.shutdown(wait=wait)
            fork_client.set_warmup(None)


def _run_jobs(executor: Executor, jobs: list[PageJob]) -> Iterator[PageResult]:
    """Run the jobs and yield their results as they end."""
    waiting: dict[Future[PageResult], PageJob] = {executor.submit(generate_page, job): job for job in jobs}
    for done in as_completed(waiting):
        error = done.exception()
        result = (
            done.result()
            if error is None
            else record_failure(waiting[done], "killed", f"Its worker was lost: {error}.")
        )
        _LOG.log(
            logging.INFO if result.status == "done" else logging.WARNING,
            "report of %s, %s: %s", result.job.account, result.job.marketplace, result.message or result.status,
        )  # fmt: skip
        yield result


def _failure_of_result(result: PageResult) -> ReportFailure:
    cure, job = CURE_BY_STATUS.get(result.status, DEFAULT_CURE), result.job
    return ReportFailure(job.account, result.message or result.status, cure, result.status, marketplace=job.marketplace)


# -- the index ----------------------------------------------------------------------------------------------------


def _build_index(
    workspace: Workspace,
    month: str,
    report_folder: pages.ReportFolder,
    failures: list[ReportFailure],
    made: str,
    rates: Rates | None,
    tags: dict[str, tuple[str, ...]],
    notes: list[str],
) -> tuple[pages.ReportFolder, str]:
    """Return the pages that the index can show, and the HTML of the index of current pages and failures."""
    earlier = [
        _failure_of_earlier_run(one) for one in report_folder.failed_runs if not _has_failure_of(failures, one.owner)
    ]
    coverage = workspace.counts.coverage
    portfolio = PortfolioPage(
        month=month,
        as_of=model.parse_period(month).last,
        rows=pd.DataFrame(dtype=object),
        failures=[
            (one.account, one.reason, one.cure, one.notebook, one.page, one.data_version)
            for one in sorted([*failures, *earlier], key=lambda one: (one.account, one.marketplace))
        ],
        data=f"version {workspace.store.version()} of the store, {int(coverage['orders'].sum()):,} orders",
        made=made,
        tags=tags,
        rates=rates,
        ended=len(model.accounts_ended_before(workspace, month)),
    )
    report_folder = _drop_unusable_rows(portfolio, report_folder)
    notes = [
        *notes,
        *pages.missing_pdf_sentences(report_folder.without_pdf),
        *_folder_sentences(workspace, month, report_folder),
    ]
    return report_folder, html_page(
        f"Account health, {month}", [_index_block(portfolio, report_folder.index_rows, notes)], landscape=True,
        is_index=True,
    )  # fmt: skip


def _tags_by_account(workspace: Workspace, given: Path | None) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Return the tags of each account in the accounts file, and a sentence if that file cannot be used."""
    try:
        path = find_accounts_file(given, workspace.store.folder)
        return {one.name: one.tags for one in read_accounts(path)} if path is not None else {}, []
    except (AccountsFileError, OSError) as error:
        return {}, [f"The index has no tags: {error}"]


def _write_index(path: Path, page: str) -> tuple[list[str], str]:
    """Write the index; return notes on files renamed to a backup, and why it could not be written."""
    try:
        return output_files.write_signed(path, page), ""
    except OSError as error:
        return [], f"The index could not be written ({error.strerror}). The reports are written. {INDEX_CURE}"


def _drop_unusable_rows(portfolio: PortfolioPage, report_folder: pages.ReportFolder) -> pages.ReportFolder:
    """Return the folder with the rows that the index can show; other rows become unusable files."""
    with suppress(Exception):
        _index_block(portfolio, report_folder.index_rows)
        return report_folder
    shown, unusable = [], list(report_folder.unusable_files)
    for row in report_folder.index_rows:
        try:
            _index_block(portfolio, [row])
            shown.append(row)
        except Exception as error:
            _LOG.warning("%s: no row for the index: %r", row["json_href"], error)
            unusable.append(
                (row["json_href"], "its row for the index is of another version of this kit", pages.RUN_AGAIN)
            )
    return replace(report_folder, index_rows=shown, unusable_files=unusable)


def _index_block(portfolio: PortfolioPage, rows: list[dict[str, Any]], notes: Sequence[str] = ()) -> HtmlBlock:
    return portfolio_index(replace(portfolio, rows=pd.DataFrame(rows, dtype=object), notes=list(notes)))


def _owners_in_store(workspace: Workspace) -> list[Owner]:
    """Return all accounts and marketplaces of the store."""
    return list(workspace.counts.coverage[["account", "marketplace"]].astype("str").itertuples(index=False, name=None))


def _add_manifest_details(failures: list[ReportFailure], known: list[pages.FailedRun]) -> list[ReportFailure]:
    """Return the failures of this batch with the notebook and the page of an earlier run that their manifests name."""
    by_owner = {one.owner: one for one in known}
    return [
        replace(one, notebook=manifest_of.notebook, page=manifest_of.page, data_version=manifest_of.data_version)
        if (manifest_of := by_owner.get((one.account, one.marketplace)))
        else one
        for one in failures
    ]


def _has_failure_of(failures: list[ReportFailure], owner: Owner) -> bool:
    return any((one.account, one.marketplace) == owner for one in failures)


def _failure_of_earlier_run(run: pages.FailedRun) -> ReportFailure:
    """Return the failure of an earlier batch; the index shows it until the account has a page."""
    cure, (account, code) = CURE_BY_STATUS.get(run.status, DEFAULT_CURE), run.owner
    return ReportFailure(account, run.reason, cure, run.status, run.notebook, code, run.page, run.data_version)


def _summaries(
    report_folder: pages.ReportFolder, owners: Set[Owner], last: date, rates: Rates | None
) -> tuple[list[Summary], str]:
    """Return the summaries of the pages of some accounts and marketplaces in the order of the index, and the first.

    The second result is a line on the account to open first.
    """
    rows = [row for row in report_folder.index_rows if (row["account"], row["marketplace"]) in owners]
    ranking = index_ranking(rows, rates)
    places = ranking.places()
    rows.sort(key=lambda row: places.get((row["account"], row["marketplace"]), len(places) + 1))
    summaries = [
        Summary(
            row["account"],
            row["marketplace"],
            row["marketplace_title"],
            date.fromisoformat(row["as_of"]) if row.get("as_of") else last,
            row["status"],
            tuple((heading, text) for heading, text in report_folder.verdicts[row["account"], row["marketplace"]]),
            last,
        )
        for row in rows
    ]
    return summaries, stakes.first_line(ranking)


@contextmanager
def _show_progress(console: Console | None, total: int) -> Iterator[Callable[[PageResult], None]]:
    """Show a progress bar on a terminal; yield a function to call with each result."""
    if console is None or not console.is_terminal or not total:
        yield lambda _: None
        return
    failed = 0
    columns = (
        TextColumn("Reports"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[failed]} failed"),
        TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total, failed=0)

        def step(result: PageResult) -> None:
            nonlocal failed
            failed += result.status != "done"
            bar.update(task, advance=1, failed=failed)

        yield step
