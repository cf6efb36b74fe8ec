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
from healthkit.batch.page_job import Job, Outcome, failed, locked, print_page, warming
from healthkit.batch.pages import Owner
from healthkit.files import temp_folders
from healthkit.report import blocks, model
from healthkit.store import Store
from healthkit.workspace import snapshot
from healthkit.workspace.workspace import Desk

_LOG = logging.getLogger(__name__)

CURE = "Read the sentence, mend the files or the name, and run the report of this account again."
CURES = {
    "timed out": "Run it again with a longer --deadline; its notebook beside the index shows how far it came.",
    "killed": "Give it more --memory or run fewer at once with --jobs, and run this account again.",
    "exited early": "Look at its notebook beside the index: it ended before its last cell.",
}
"""What to do, by how a notebook ended."""
INDEX_CURE = "index.html, where there is one, is of an earlier run. Make room or give permission, and run it again."


@dataclass(frozen=True)
class Failure:
    """A report that was not made: whose, what happened, what to do about it, how its notebook ended.

    `page` is the page of an earlier run that is still in the folder, `made_of` says of which data it was made.
    """

    account: str
    what: str
    cure: str = CURE
    status: str = "failed"
    notebook: str = ""
    marketplace: str = ""
    page: str = ""
    made_of: str = ""


@dataclass(frozen=True)
class Printed:
    """What a batch made: the index, how many pages, how many were left as they are, and what failed.

    `without_pdf` has reason and cure for each account and marketplace whose page was printed in this batch without the
    PDF that was wanted. `notes` are sentences on the folder: pages of accounts that are gone, files that cannot be
    used, files that were moved aside. `index_failure` says why the index was not written; it is empty where it was.
    """

    index: Path
    pages: int
    failures: list[Failure]
    skipped: int = 0
    verdicts: dict[str, list[list[str]]] = field(default_factory=dict)
    without_pdf: dict[Owner, tuple[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    index_failure: str = ""


@dataclass(frozen=True)
class Wish:
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
    engine: str = run_notebook.ENGINE
    template: Path = run_notebook.TEMPLATE
    alone: bool = False
    code: bool = False
    pdf: bool = False
    separate: bool = False
    work: Path | None = None


def print_month(
    desk: Desk,
    month: str,
    accounts: Iterable[str] | None = None,
    out: str | Path = "reports",
    *,
    console: Console | None = None,
    executor: Executor | None = None,
    wish: Wish | None = None,
    **wishes: Any,
) -> Printed:
    """Print the reports of a month into `out/month/`, and an index over all that the folder then holds.

    All accounts that have orders in a window of the month, or those named. How is said by a `Wish`, or by its fields as
    keywords. `executor` runs the pages (of a cluster, say: see `cluster.workers`), threads of this process where none
    is given. Raises MonthError where there is nothing to report, StoreError for an account that the store does not
    hold; a report that fails later stands on the index with its error, and leaves its notebook. The page of an earlier
    run stays where it is, but is not current: the index names it beside the failure and not among the pages.
    """
    wish = wish or Wish(**wishes)
    if not str(out).strip():
        raise run_notebook.PressError(
            "The folder for the pages is an empty name. Name it, or leave it out for reports."
        )
    run_notebook.load_template(wish.template)
    folder = (Path(out) / month).resolve()
    in_month, pairs, failures = _pairs(desk, month, accounts)
    notes = [] if wish.separate else output_files.write_signed(folder / output_files.BUNDLE, output_files.bundle())
    without_pdf: dict[Owner, tuple[str, str]] = {}
    temp_folders.sweep(folder)
    every = [_job(desk, month, account, code, folder, wish) for account, code in pairs]
    left = [job for job in every if not (wish.only_changed and job.is_done)]
    with _working(desk, wish, executor is not None) as work:
        jobs = _with_excerpts(desk, left, work, executor is not None)
        with _bar(console, len(jobs)) as step, _executor(executor, wish, jobs) as held:
            for outcome in _each(held, jobs):
                if outcome.status != "done":
                    failures.append(_failure(outcome))
                if outcome.without_pdf:
                    without_pdf[outcome.job.owner] = outcome.without_pdf, outcome.cure
                notes += outcome.moved
                step(outcome)
    temp_folders.sweep(folder)  # A worker of a cluster may have been killed while it wrote a page.
    with locked(folder):
        found = pages.read(folder, month, in_month, _stored(desk))
        found = found.without({(one.account, one.marketplace) for one in failures})
        failures = _with_manifests(failures, found.failed)
        found, page = _index(desk, month, found, failures, wish.made)
        moved, index_failure = _write_index(folder / "index.html", page)
    ended = [pages.ended(*one) for one in model.ended_before(desk, month)]
    notes += [*moved, *ended, *pages.absent(found), *pages.unusable(found), *pages.not_ours(found)]
    verdicts = _verdicts(found, [job.owner for job in every])
    made = len(left) - _ran(failures)
    index = folder / "index.html"
    return Printed(index, made, failures, len(every) - len(left), verdicts, without_pdf, notes, index_failure)


def _ran(failures: list[Failure]) -> int:
    """How many of the failures are runs; the others never began."""
    return sum(bool(one.status) for one in failures)


def _job(desk: Desk, month: str, account: str, code: str, folder: Path, wish: Wish) -> Job:
    data = ("version", str(desk.store.version())), ("counts", desk.counts_place.name)
    return Job(
        account, code, month, "", data, desk.policy_name or "", wish.made, str(folder), str(wish.template.resolve()),
        wish.engine, wish.deadline, wish.memory, wish.alone, wish.code, wish.pdf, wish.separate,
    )  # fmt: skip


def _pairs(desk: Desk, month: str, accounts: Iterable[str] | None) -> tuple[list[Owner], list[Owner], list[Failure]]:
    """The accounts and marketplaces of the month, those to print, and those that were named and cannot be."""
    if accounts is None:
        in_month = model.accounts_in(desk, month)
        return in_month, in_month, []
    named = list(dict.fromkeys(accounts))
    desk.store.check_accounts(named, desk.accounts)
    with suppress(model.MonthError):
        in_month = model.accounts_in(desk, month)
        able = [pair for pair in in_month if pair[0] in named]
        failures = [Failure(one, _why_not(desk, one, month), status="") for one in named if one not in dict(able)]
        if able:
            return in_month, able, failures
    raise model.MonthError(" ".join(_why_not(desk, account, month) for account in named))


def _why_not(desk: Desk, account: str, month: str) -> str:
    """Why an account has no report of a month."""
    reach = desk.counts.coverage[desk.counts.coverage["account"] == account]
    return (
        f"{account} has no orders to report for {month}: its orders reach from "
        f"{reach['begins_on'].min():%Y-%m-%d} to {reach['ends_on'].max():%Y-%m-%d}."
    )


# -- the work -----------------------------------------------------------------------------------------------------


@contextmanager
def _working(desk: Desk, wish: Wish, shared: bool) -> Iterator[Path]:
    """A private folder for what the reports need of the store, never among the pages; it is removed in the end.

    Raises PressError where others must reach it and none is known that they do.
    """
    below = wish.work if wish.work is not None else _reached(desk) if shared else None
    if below is not None:
        below.mkdir(parents=True, exist_ok=True)
    work = temp_folders.make(temp_folders.BATCH, below)
    try:
        yield work.resolve()
    finally:
        temp_folders.remove(work)


def _reached(desk: Desk) -> Path:
    """The folder of the store, which the workers of a cluster reach."""
    folder = desk.store.folder
    if not isinstance(folder, Path) or not os.access(folder, os.W_OK):
        raise run_notebook.PressError(
            f"The workers of a cluster need a folder that all of them reach, and nothing can be written into {folder}. "
            "Name one with --work."
        )
    return folder


def _with_excerpts(desk: Desk, jobs: list[Job], work: Path, shared: bool) -> list[Job]:
    """The jobs, each with what its notebook needs of the store; `shared` says that other machines must reach that."""
    if not jobs:
        return []
    names = list(dict.fromkeys(job.account for job in jobs))
    snapshot.write(_whole(desk), names, desk.saved_counts(work, shared), work / "excerpt")
    return [Job(**{**job.__dict__, "excerpt": str(work / "excerpt")}) for job in jobs]


def _whole(desk: Desk) -> Store:
    """The store of a desk; a batch is not printed from an excerpt."""
    if not isinstance(desk.store, Store):
        raise run_notebook.PressError(f"{desk.store.place} is an excerpt; a batch needs the store itself.")
    return desk.store


@contextmanager
def _executor(given: Executor | None, wish: Wish, jobs: list[Job]) -> Iterator[Executor]:
    """Who prints: the one given, or threads of this process, each of which waits for a fork."""
    if given is not None:
        yield given
    else:
        if jobs and wish.engine == run_notebook.ENGINE and fork_client.CAN_FORK:
            fork_client.warm_with(dict(warming(jobs[0], len(jobs))))
        many = max(1, min(len(jobs), wish.jobs or os.cpu_count() or 1))
        pool, wait = ThreadPoolExecutor(many), True
        try:
            yield pool
        except SystemExit:
            # Kernels of papermill's own engine end with this process; they are not waited for.
            wait = wish.engine == run_notebook.ENGINE
            raise
        finally:
            # On the way out by Ctrl-C or SIGTERM what has not begun does not begin, and what runs is ended.
            pool.shutdown(wait=False, cancel_futures=True)
            fork_client.stop()
            pdf.stop()
            pool.shutdown(wait=wait)
            fork_client.warm_with(None)


def _each(executor: Executor, jobs: list[Job]) -> Iterator[Outcome]:
    """How each job ended, as they do."""
    waiting: dict[Future[Outcome], Job] = {executor.submit(print_page, job): job for job in jobs}
    for done in as_completed(waiting):
        error = done.exception()
        ended = done.result() if error is None else failed(waiting[done], "killed", f"Its worker was lost: {error}.")
        _LOG.log(
            logging.INFO if ended.status == "done" else logging.WARNING,
            "report of %s, %s: %s", ended.job.account, ended.job.marketplace, ended.says or ended.status,
        )  # fmt: skip
        yield ended


def _failure(outcome: Outcome) -> Failure:
    cure = CURES.get(outcome.status, CURE)
    return Failure(
        outcome.job.account, outcome.says or outcome.status, cure, outcome.status, marketplace=outcome.job.marketplace
    )


# -- the index ----------------------------------------------------------------------------------------------------


def _index(desk: Desk, month: str, found: pages.Pages, failures: list[Failure], made: str) -> tuple[pages.Pages, str]:
    """The index over all current pages of the folder and all that failed; what of the folder it could show."""
    earlier = [_earlier(one) for one in found.failed if not _has(failures, one.owner)]
    coverage = desk.counts.coverage
    portfolio = blocks.Portfolio(
        month=month,
        as_of=model.last_day_of(month),
        rows=pd.DataFrame(dtype=object),
        failures=[
            (one.account, one.what, one.cure, one.notebook, one.page, one.made_of)
            for one in sorted([*failures, *earlier], key=lambda one: (one.account, one.marketplace))
        ],
        data=f"version {desk.store.version()} of the store, {int(coverage['orders'].sum()):,} orders",
        made=made,
    )
    found = _drawable(portfolio, found)
    ended = [pages.ended(*one) for one in model.ended_before(desk, month)]
    notes = [*ended, *pages.printed_without_pdf(found.without_pdf), *pages.absent(found), *pages.unusable(found)]
    notes += pages.not_ours(found)
    return found, blocks.page(f"Account health, {month}", [_drawn(portfolio, found.rows, notes)], landscape=True)


def _write_index(path: Path, page: str) -> tuple[list[str], str]:
    """Write the index; return what was moved aside for it, and why it could not be written."""
    try:
        return output_files.write_signed(path, page), ""
    except OSError as error:
        return [], f"The index could not be written ({error.strerror}). The pages are printed. {INDEX_CURE}"


def _drawable(portfolio: blocks.Portfolio, found: pages.Pages) -> pages.Pages:
    """The pages whose rows the index can show; a row that it cannot, of another version of the kit, is named."""
    with suppress(Exception):
        _drawn(portfolio, found.rows)
        return found
    shown, broken = [], list(found.broken)
    for row in found.rows:
        try:
            _drawn(portfolio, [row])
            shown.append(row)
        except Exception as error:
            _LOG.warning("%s: no row for the index: %r", row["json_href"], error)
            broken.append((row["json_href"], "its row for the index is of another version of this kit", pages.AGAIN))
    return replace(found, rows=shown, broken=broken)


def _drawn(portfolio: blocks.Portfolio, rows: list[dict[str, Any]], notes: Sequence[str] = ()) -> blocks.Block:
    return blocks.index(replace(portfolio, rows=pd.DataFrame(rows, dtype=object), notes=list(notes)))


def _stored(desk: Desk) -> list[Owner]:
    """All accounts and marketplaces of the store."""
    return list(desk.counts.coverage[["account", "marketplace"]].astype("str").itertuples(index=False, name=None))


def _with_manifests(failures: list[Failure], known: list[pages.NotCurrent]) -> list[Failure]:
    """The failures of this batch, each with its notebook and the page of an earlier run, as the manifests name them."""
    by_owner = {one.owner: one for one in known}
    return [
        replace(one, notebook=manifest_of.notebook, page=manifest_of.page, made_of=manifest_of.made_of)
        if (manifest_of := by_owner.get((one.account, one.marketplace)))
        else one
        for one in failures
    ]


def _has(failures: list[Failure], owner: Owner) -> bool:
    return any((one.account, one.marketplace) == owner for one in failures)


def _earlier(one: pages.NotCurrent) -> Failure:
    """The failure of an earlier batch: it stays on the index until the account is printed."""
    cure, (account, code) = CURES.get(one.status, CURE), one.owner
    return Failure(account, one.what, cure, one.status, one.notebook, code, one.page, one.made_of)


def _verdicts(found: pages.Pages, owners: list[Owner]) -> dict[str, list[list[str]]]:
    """The three sentences of each page of this batch, by account; with its marketplace where it has several."""
    many = Counter(account for account, _ in owners)
    return {
        owner[0] if many[owner[0]] == 1 else pages.named(owner): found.verdicts[owner]
        for owner in owners
        if owner in found.verdicts
    }


@contextmanager
def _bar(console: Console | None, work: int) -> Iterator[Callable[[Outcome], None]]:
    """How many are done, failed and left, and for how long yet, on a terminal; elsewhere silence."""
    if console is None or not console.is_terminal or not work:
        yield lambda _: None
        return
    failed = 0
    columns = (
        TextColumn("Printing"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[failed]} failed"),
        TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=work, failed=0)

        def step(outcome: Outcome) -> None:
            nonlocal failed
            failed += outcome.status != "done"
            bar.update(task, advance=1, failed=failed)

        yield step
