"""All accounts of a month: a page each, an index over them; one that fails stops no other."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from healthkit import blocks, monthly
from healthkit.desk import Desk
from healthkit.press import run, shelf, twin


@dataclass(frozen=True)
class Failure:
    """A report that was not made: whose, what happened, what to do about it."""

    account: str
    what: str
    cure: str = "Read the sentence, mend the files or the name, and run the report of this account again."


@dataclass(frozen=True)
class Printed:
    """What a batch made: the index, how many pages, and what failed."""

    index: Path
    pages: int
    failures: list[Failure]


@dataclass(frozen=True)
class _Job:
    """One page to print."""

    account: str
    marketplace: str
    month: str
    data: str
    policy: str | None
    made: str
    folder: str
    template: str


def print_month(
    desk: Desk,
    month: str,
    accounts: Iterable[str] | None = None,
    out: str | Path = "reports",
    *,
    made: str = "",
    jobs: int | None = None,
    template: Path = run.TEMPLATE,
    console: Console | None = None,
) -> Printed:
    """Print the reports of a month into `out/month/`, and an index over all that the folder then holds.

    All accounts that have orders in a window of the month, or those named. Raises MonthError where there is
    nothing to report, StoreError for an account that the store does not hold; a report that fails later
    stands on the index with its error, and leaves no page.
    """
    folder = Path(out) / month
    pairs, failures = _pairs(desk, month, accounts)
    policy = desk.policy_name
    data = str(desk.store.folder)
    work = [_Job(account, code, month, data, policy, made, str(folder), str(template)) for account, code in pairs]
    shelf.write(folder / shelf.BUNDLE, shelf.bundle())
    printed = 0
    with _bar(console, len(work)) as step:
        for job, error in _each(max(1, min(len(work), jobs or os.cpu_count() or 1)), work):
            if error is None:
                printed += 1
            else:
                failures.append(Failure(job.account, _sentence(error)))
            step()
    rows = _rows(folder)
    portfolio = blocks.Portfolio(
        month=month,
        as_of=monthly.last_day_of(month),
        rows=pd.DataFrame(rows, dtype=object),
        failures=[(one.account, one.what, one.cure) for one in sorted(failures, key=lambda one: one.account)],
        data=f"version {desk.store.version()} of the store, {len(desk.store.reports()):,} files",
        made=made,
    )
    page = blocks.page(f"Account health, {month}", [blocks.index(portfolio)], landscape=True)
    shelf.write(folder / "index.html", page)
    return Printed(folder / "index.html", printed, failures)


def _pairs(desk: Desk, month: str, accounts: Iterable[str] | None) -> tuple[list[tuple[str, str]], list[Failure]]:
    """The accounts and marketplaces to print, and those that were named and cannot be."""
    if accounts is None:
        return monthly.accounts_in(desk, month), []
    named = list(dict.fromkeys(accounts))
    desk.store.check_accounts(named, desk.accounts)
    with suppress(monthly.MonthError):
        able = [pair for pair in monthly.accounts_in(desk, month) if pair[0] in named]
        failures = [Failure(one, _why_not(desk, one, month)) for one in named if one not in dict(able)]
        if able:
            return able, failures
    raise monthly.MonthError(" ".join(_why_not(desk, account, month) for account in named))


def _why_not(desk: Desk, account: str, month: str) -> str:
    """Why an account has no report of a month."""
    reach = desk.counts.coverage[desk.counts.coverage["account"] == account]
    return (
        f"{account} has no orders to report for {month}: its orders reach from "
        f"{reach['begins_on'].min():%Y-%m-%d} to {reach['ends_on'].max():%Y-%m-%d}."
    )


def _rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of the index: one for each page in the folder, as its figures hold it."""
    twins = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    rows = [held["row"] for held in twins if (folder / held["row"]["href"]).is_file()]
    return sorted(rows, key=lambda row: (row["account"], row["marketplace"]))


def _print(job: _Job) -> None:
    """Print one page with its orders and figures beside it."""
    stem, folder = shelf.stem(job.account, job.marketplace), Path(job.folder)
    # What an earlier run left must not be taken for this one's, should this one fail.
    for name in (f"{stem}.html", f"{stem}.json", f"{stem}_orders.csv"):
        (folder / name).unlink(missing_ok=True)
    notebook = run.run_template(
        {
            "account": job.account, "marketplace": job.marketplace, "month": job.month, "data": job.data,
            "policy": job.policy or "", "made": job.made, "stem": stem,
        },
        Path(job.template),
    )  # fmt: skip
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    html = [output.data["text/html"] for output in shown if "text/html" in output.get("data", {})]
    data = next((output.data[twin.MIME] for output in shown if twin.MIME in output.get("data", {})), None)
    if data is None:
        raise run.PressError(f"{job.template} shows no hk.press.Twin(monthly, stem); its last cell must.")
    shelf.write(folder / f"{stem}_orders.csv", data["orders"])
    shelf.write(
        folder / f"{stem}.json", json.dumps(data["figures"] | {"row": data["row"]}, ensure_ascii=False, indent=1) + "\n"
    )
    shelf.write(folder / f"{stem}.html", blocks.page(data["title"], html, vega_href=shelf.BUNDLE))


def _sentence(error: BaseException) -> str:
    """What went wrong, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _processes(many: int) -> ProcessPoolExecutor:
    """Processes that print; each pays for its imports once."""
    return ProcessPoolExecutor(many, mp_context=multiprocessing.get_context("spawn"))


def _each(many: int, work: list[_Job]) -> Iterator[tuple[_Job, BaseException | None]]:
    """Jobs as they are done, each with what went wrong, if anything.

    A process that dies takes the jobs of the others with it; those are run again, each in a process of its own.
    """
    again = []
    with _processes(many) as pool:
        waiting = {pool.submit(_print, job): job for job in work}
        for done in as_completed(waiting):
            error = done.exception()
            if isinstance(error, BrokenProcessPool):
                again.append(waiting[done])
            else:
                yield waiting[done], error
    for job in again:
        with _processes(1) as pool:
            error = pool.submit(_print, job).exception()
        died = run.PressError("The process that ran this report died, as it does when memory runs out.")
        yield job, died if isinstance(error, BrokenProcessPool) else error


@contextmanager
def _bar(console: Console | None, work: int) -> Iterator[Any]:
    """A progress bar on a terminal; elsewhere silence."""
    if console is None or not console.is_terminal:
        yield lambda: None
        return
    columns = TextColumn("Printing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=work)
        yield lambda: bar.update(task, advance=1)
