"""All accounts of a month: a page each, an index over them; one that fails stops no other."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from healthkit.batch import fork_client, output_files, pages, pdf, run_notebook
from healthkit.batch.page_job import PageJob, PageResult, generate_page, lock_folder, make_warmup, record_failure
from healthkit.batch.pages import Owner
from healthkit.files import temp_folders
from healthkit.report import model
from healthkit.report.html.block import HtmlBlock
from healthkit.report.html.page import html_page
from healthkit.report.html.portfolio import PortfolioPage, portfolio_index
from healthkit.store import Store
from healthkit.workspace import snapshot
from healthkit.workspace.workspace import Workspace

_LOG = logging.getLogger(__name__)

DEFAULT_CURE = "Read the sentence, mend the files or the name, and run the report of this account again."
CURE_BY_STATUS = {
    "timed out": "Run it again with a longer --deadline; its notebook beside the index shows how far it came.",
    "killed": "Give it more --memory or run fewer at once with --jobs, and run this account again.",
    "exited early": "Look at its notebook beside the index: it ended before its last cell.",
}
"""What to do, by how a notebook ended."""
INDEX_CURE = "index.html, where there is one, is of an earlier run. Make room or give permission, and run it again."


@dataclass(frozen=True)
class ReportFailure:
    """A report that was not made: whose, what happened, what to do about it, how its notebook ended.

    `page` is the page of an earlier run that is still in the folder, `made_of` says of which data it was made.
    """

    account: str
    what: str
    cure: str = DEFAULT_CURE
    status: str = "failed"
    notebook: str = ""
    marketplace: str = ""
    page: str = ""
    made_of: str = ""


@dataclass(frozen=True)
class BatchResult:
    """What a batch made: the index, how many pages, how many were left as they are, and what failed.

    `without_pdf` has reason and cure for each account and marketplace whose page was printed in this batch without the
    PDF that was wanted. `notes` are sentences on the folder: pages of accounts that are gone, files that cannot be
    used, files that were moved aside. `index_failure` says why the index was not written; it is empty where it was.
    """

    index: Path
    pages: int
    failures: list[ReportFailure]
    skipped: int = 0
    verdicts: dict[str, list[list[str]]] = field(default_factory=dict)
    without_pdf: dict[Owner, tuple[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    index_error: str = ""


@dataclass(frozen=True)
class PageRequest:
    """How a batch is to be printed.

    `made` stands in the footers as given. `jobs` run at once; `only_changed` leaves pages that were made of just the
    same. `deadline` [seconds] and `memory` [MiB] end a notebook that passes them. `alone` puts Vega into every page,
    `code` shows the cells' code, one click away; `pdf` makes a PDF of each page; `separate` gives each account and
    marketplace a folder of its own, which can be sent. `work` is the folder below which the rows that the reports need
    of the store stand while the batch runs (default: among the temporary files; for an executor, which may reach other
    machines, the folder of the store).
    """

    made: str = ""
    jobs: int | None = None
    only_changed: bool = False
    deadline: float | None = 300.0
    memory: int | None = 4096
    engine: str = run_notebook.FORK_ENGINE
    template: Path = run_notebook.TEMPLATE
    alone: bool = False
    code: bool = False
    pdf: bool = False
    separate: bool = False
    work_folder: Path | None = None


def generate_reports(
    workspace: Workspace,
    month: str,
    accounts: Iterable[str] | None = None,
    out: str | Path = "reports",
    *,
    console: Console | None = None,
    executor: Executor | None = None,
    request: PageRequest | None = None,
    **request_fields: Any,
) -> BatchResult:
    """Print the reports of a month into `out/month/`, and an index over all that the folder then holds.

    All accounts that have orders in a window of the month, or those named. How is said by a `Wish`, or by its fields as
    keywords. `executor` runs the pages (of a cluster, say: see `cluster.workers`), threads of this process where none
    is given. Raises MonthError where there is nothing to report, StoreError for an account that the store does not
    hold; a report that fails later stands on the index with its error, and leaves its notebook. The page of an earlier
    run stays where it is, but is not current: the index names it beside the failure and not among the pages.
    """
    request = request or PageRequest(**request_fields)
    if not str(out).strip():
        raise run_notebook.BatchError(
            "The folder for the pages is an empty name. Name it, or leave it out for reports."
        )
    run_notebook.load_template(request.template)
    folder = (Path(out) / month).resolve()
    in_month, pairs, failures = _accounts_to_report(workspace, month, accounts)
    notes = (
        []
        if request.separate
        else output_files.write_signed(folder / output_files.VEGA_FILE_NAME, output_files.vega_bundle())
    )
    without_pdf: dict[Owner, tuple[str, str]] = {}
    temp_folders.remove_abandoned(folder)
    every = [_make_job(workspace, month, account, code, folder, request) for account, code in pairs]
    left = [job for job in every if not (request.only_changed and job.is_up_to_date)]
    with _temporary_work_folder(workspace, request, executor is not None) as work:
        jobs = _with_snapshots(workspace, left, work, executor is not None)
        with _show_progress(console, len(jobs)) as step, _open_executor(executor, request, jobs) as held:
            for outcome in _run_jobs(held, jobs):
                if outcome.status != "done":
                    failures.append(_failure_of_result(outcome))
                if outcome.without_pdf:
                    without_pdf[outcome.job.owner] = outcome.without_pdf, outcome.cure
                notes += outcome.moved
                step(outcome)
    temp_folders.remove_abandoned(folder)  # A worker of a cluster may have been killed while it wrote a page.
    with lock_folder(folder):
        found = pages.read_folder(folder, month, in_month, _owners_in_store(workspace))
        found = found.without({(one.account, one.marketplace) for one in failures})
        failures = _add_manifest_details(failures, found.failed)
        found, page = _build_index(workspace, month, found, failures, request.made)
        moved, index_failure = _write_index(folder / "index.html", page)
    ended = [pages.ended_sentence(*one) for one in model.accounts_ended_before(workspace, month)]
    notes += [
        *moved,
        *ended,
        *pages.absent_sentences(found),
        *pages.unusable_sentences(found),
        *pages.foreign_file_sentences(found),
    ]
    verdicts = _verdicts_by_account(found, [job.owner for job in every])
    made = len(left) - _count_finished_runs(failures)
    index = folder / "index.html"
    return BatchResult(index, made, failures, len(every) - len(left), verdicts, without_pdf, notes, index_failure)


def _count_finished_runs(failures: list[ReportFailure]) -> int:
    """How many of the failures are runs; the others never began."""
    return sum(bool(one.status) for one in failures)


def _make_job(
    workspace: Workspace, month: str, account: str, marketplace: str, folder: Path, request: PageRequest
) -> PageJob:
    data = ("version", str(workspace.store.version())), ("counts", workspace.counts_folder.name)
    return PageJob(
        account, marketplace, month, "", data, workspace.policy_name or "", request.made, str(folder),
        str(request.template.resolve()),
        request.engine, request.deadline, request.memory, request.alone, request.code, request.pdf, request.separate,
    )  # fmt: skip


def _accounts_to_report(
    workspace: Workspace, month: str, accounts: Iterable[str] | None
) -> tuple[list[Owner], list[Owner], list[ReportFailure]]:
    """The accounts and marketplaces of the month, those to print, and those that were named and cannot be."""
    if accounts is None:
        in_month = model.accounts_to_report(workspace, month)
        return in_month, in_month, []
    named = list(dict.fromkeys(accounts))
    workspace.store.check_accounts(named, workspace.accounts)
    with suppress(model.MonthError):
        in_month = model.accounts_to_report(workspace, month)
        able = [pair for pair in in_month if pair[0] in named]
        failures = [
            ReportFailure(one, _reason_for_no_report(workspace, one, month), status="")
            for one in named
            if one not in dict(able)
        ]
        if able:
            return in_month, able, failures
    raise model.MonthError(" ".join(_reason_for_no_report(workspace, account, month) for account in named))


def _reason_for_no_report(workspace: Workspace, account: str, month: str) -> str:
    """Why an account has no report of a month."""
    reach = workspace.counts.coverage[workspace.counts.coverage["account"] == account]
    return (
        f"{account} has no orders to report for {month}: its orders reach from "
        f"{reach['begins_on'].min():%Y-%m-%d} to {reach['ends_on'].max():%Y-%m-%d}."
    )


# -- the work -----------------------------------------------------------------------------------------------------


@contextmanager
def _temporary_work_folder(workspace: Workspace, request: PageRequest, shared: bool) -> Iterator[Path]:
    """A private folder for what the reports need of the store, never among the pages; it is removed in the end.

    Raises PressError where others must reach it and none is known that they do.
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
    """The folder of the store, which the workers of a cluster reach."""
    folder = workspace.store.folder
    if not isinstance(folder, Path) or not os.access(folder, os.W_OK):
        raise run_notebook.BatchError(
            f"The workers of a cluster need a folder that all of them reach, and nothing can be written into {folder}. "
            "Name one with --work."
        )
    return folder


def _with_snapshots(workspace: Workspace, jobs: list[PageJob], work: Path, shared: bool) -> list[PageJob]:
    """The jobs, each with what its notebook needs of the store; `shared` says that other machines must reach that."""
    if not jobs:
        return []
    names = list(dict.fromkeys(job.account for job in jobs))
    snapshot.write_snapshot(
        _require_store(workspace), names, workspace.ensure_counts_saved(work, shared), work / "excerpt"
    )
    return [PageJob(**{**job.__dict__, "excerpt": str(work / "excerpt")}) for job in jobs]


def _require_store(workspace: Workspace) -> Store:
    """The store of a desk; a batch is not printed from an excerpt."""
    if not isinstance(workspace.store, Store):
        raise run_notebook.BatchError(
            f"{workspace.store.snapshot_folder} is an excerpt; a batch needs the store itself."
        )
    return workspace.store


@contextmanager
def _open_executor(executor: Executor | None, request: PageRequest, jobs: list[PageJob]) -> Iterator[Executor]:
    """Who prints: the one given, or threads of this process, each of which waits for a fork."""
    if executor is not None:
        yield executor
    else:
        if jobs and request.engine == run_notebook.FORK_ENGINE and fork_client.CAN_FORK:
            fork_client.set_warmup(dict(make_warmup(jobs[0], len(jobs))))
        many = max(1, min(len(jobs), request.jobs or os.cpu_count() or 1))
        pool, wait = ThreadPoolExecutor(many), True
        try:
            yield pool
        except SystemExit:
            # Kernels of papermill's own engine end with this process; they are not waited for.
            wait = request.engine == run_notebook.FORK_ENGINE
            raise
        finally:
            # On the way out by Ctrl-C or SIGTERM what has not begun does not begin, and what runs is ended.
            pool.shutdown(wait=False, cancel_futures=True)
            fork_client.stop_server()
            pdf.stop_browsers()
            pool.shutdown(wait=wait)
            fork_client.set_warmup(None)


def _run_jobs(executor: Executor, jobs: list[PageJob]) -> Iterator[PageResult]:
    """How each job ended, as they do."""
    waiting: dict[Future[PageResult], PageJob] = {executor.submit(generate_page, job): job for job in jobs}
    for done in as_completed(waiting):
        error = done.exception()
        ended = (
            done.result()
            if error is None
            else record_failure(waiting[done], "killed", f"Its worker was lost: {error}.")
        )
        _LOG.log(
            logging.INFO if ended.status == "done" else logging.WARNING,
            "report of %s, %s: %s", ended.job.account, ended.job.marketplace, ended.says or ended.status,
        )  # fmt: skip
        yield ended


def _failure_of_result(outcome: PageResult) -> ReportFailure:
    cure = CURE_BY_STATUS.get(outcome.status, DEFAULT_CURE)
    return ReportFailure(
        outcome.job.account, outcome.says or outcome.status, cure, outcome.status, marketplace=outcome.job.marketplace
    )


# -- the index ----------------------------------------------------------------------------------------------------


def _build_index(
    workspace: Workspace, month: str, report_folder: pages.ReportFolder, failures: list[ReportFailure], made: str
) -> tuple[pages.ReportFolder, str]:
    """The index over all current pages of the folder and all that failed; what of the folder it could show."""
    earlier = [_failure_of_earlier_run(one) for one in report_folder.failed if not _has_failure_of(failures, one.owner)]
    coverage = workspace.counts.coverage
    portfolio = PortfolioPage(
        month=month,
        as_of=model.last_day_of_month(month),
        rows=pd.DataFrame(dtype=object),
        failures=[
            (one.account, one.what, one.cure, one.notebook, one.page, one.made_of)
            for one in sorted([*failures, *earlier], key=lambda one: (one.account, one.marketplace))
        ],
        data=f"version {workspace.store.version()} of the store, {int(coverage['orders'].sum()):,} orders",
        made=made,
    )
    report_folder = _drop_unusable_rows(portfolio, report_folder)
    ended = [pages.ended_sentence(*one) for one in model.accounts_ended_before(workspace, month)]
    notes = [
        *ended,
        *pages.missing_pdf_sentences(report_folder.without_pdf),
        *pages.absent_sentences(report_folder),
        *pages.unusable_sentences(report_folder),
    ]
    notes += pages.foreign_file_sentences(report_folder)
    return report_folder, html_page(
        f"Account health, {month}", [_index_block(portfolio, report_folder.rows, notes)], landscape=True
    )


def _write_index(path: Path, page: str) -> tuple[list[str], str]:
    """Write the index; return what was moved aside for it, and why it could not be written."""
    try:
        return output_files.write_signed(path, page), ""
    except OSError as error:
        return [], f"The index could not be written ({error.strerror}). The pages are printed. {INDEX_CURE}"


def _drop_unusable_rows(portfolio: PortfolioPage, report_folder: pages.ReportFolder) -> pages.ReportFolder:
    """The pages whose rows the index can show; a row that it cannot, of another version of the kit, is named."""
    with suppress(Exception):
        _index_block(portfolio, report_folder.rows)
        return report_folder
    shown, broken = [], list(report_folder.broken)
    for row in report_folder.rows:
        try:
            _index_block(portfolio, [row])
            shown.append(row)
        except Exception as error:
            _LOG.warning("%s: no row for the index: %r", row["json_href"], error)
            broken.append(
                (row["json_href"], "its row for the index is of another version of this kit", pages.RUN_AGAIN)
            )
    return replace(report_folder, rows=shown, broken=broken)


def _index_block(portfolio: PortfolioPage, rows: list[dict[str, Any]], notes: Sequence[str] = ()) -> HtmlBlock:
    return portfolio_index(replace(portfolio, rows=pd.DataFrame(rows, dtype=object), notes=list(notes)))


def _owners_in_store(workspace: Workspace) -> list[Owner]:
    """All accounts and marketplaces of the store."""
    return list(workspace.counts.coverage[["account", "marketplace"]].astype("str").itertuples(index=False, name=None))


def _add_manifest_details(failures: list[ReportFailure], known: list[pages.FailedRun]) -> list[ReportFailure]:
    """The failures of this batch, each with its notebook and the page of an earlier run, as the manifests name them."""
    by_owner = {one.owner: one for one in known}
    return [
        replace(one, notebook=manifest_of.notebook, page=manifest_of.page, made_of=manifest_of.made_of)
        if (manifest_of := by_owner.get((one.account, one.marketplace)))
        else one
        for one in failures
    ]


def _has_failure_of(failures: list[ReportFailure], owner: Owner) -> bool:
    return any((one.account, one.marketplace) == owner for one in failures)


def _failure_of_earlier_run(run: pages.FailedRun) -> ReportFailure:
    """The failure of an earlier batch: it stays on the index until the account is printed."""
    cure, (account, code) = CURE_BY_STATUS.get(run.status, DEFAULT_CURE), run.owner
    return ReportFailure(account, run.what, cure, run.status, run.notebook, code, run.page, run.made_of)


def _verdicts_by_account(report_folder: pages.ReportFolder, owners: list[Owner]) -> dict[str, list[list[str]]]:
    """The three sentences of each page of this batch, by account; with its marketplace where it has several."""
    many = Counter(account for account, _ in owners)
    return {
        owner[0] if many[owner[0]] == 1 else pages.owner_label(owner): report_folder.verdicts[owner]
        for owner in owners
        if owner in report_folder.verdicts
    }


@contextmanager
def _show_progress(console: Console | None, total: int) -> Iterator[Callable[[PageResult], None]]:
    """How many are done, failed and left, and for how long yet, on a terminal; elsewhere silence."""
    if console is None or not console.is_terminal or not total:
        yield lambda _: None
        return
    failed = 0
    columns = (
        TextColumn("Printing"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[failed]} failed"),
        TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total, failed=0)

        def step(outcome: PageResult) -> None:
            nonlocal failed
            failed += outcome.status != "done"
            bar.update(task, advance=1, failed=failed)

        yield step
