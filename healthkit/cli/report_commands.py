"""Pages and notebooks: report, check, lab."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

import healthkit as hk
from healthkit.cli.options import (
    Accounts,
    Data,
    Form,
    Format,
    PolicyName,
    Version,
    app,
    desk,
    err,
    fail,
    month_of,
    out,
    path,
    seconds,
    sentences,
    written,
)


class Summary(StrEnum):
    """How a summary for an e-mail is written."""

    text = "text"
    html = "html"


LONGEST = 7 * 86_400
"""The longest deadline of a notebook. [seconds]"""


class Engine(StrEnum):
    """What runs the notebooks."""

    healthkit = "healthkit"
    nbclient = "nbclient"


@app.command("report", epilog="Example: `python -m healthkit report --month 2026-10 --data data/sample_store`")
def report(
    month: Annotated[
        str, typer.Option(parser=month_of, metavar="YYYY-MM", help="The month; its last day is the as-of day.")
    ],
    account: Accounts = None,
    policy: PolicyName = None,
    version: Version = None,
    template: Annotated[
        Path | None,
        typer.Option(parser=path, metavar="FILE", help="Print this notebook instead of the kit's own template."),
    ] = None,
    out_dir: Annotated[Path, typer.Option("--out", parser=path, metavar="PATH", help="Folder for the pages.")] = Path(
        "reports"
    ),
    made: Annotated[str, typer.Option(help="When the report was made, as it is to stand in its footer.")] = "",
    jobs: Annotated[int | None, typer.Option(min=1, help="So many at once. Default: one for each core.")] = None,
    only_changed: Annotated[
        bool, typer.Option("--only-changed", help="Leave pages whose data, rules, template and code are the same.")
    ] = False,
    deadline: Annotated[
        float,
        typer.Option(
            min=1, max=LONGEST, callback=seconds, metavar="SECONDS", help="A notebook that takes longer is ended."
        ),
    ] = 300,
    memory: Annotated[int, typer.Option(min=100, metavar="MIB", help="A notebook that needs more is ended.")] = 4096,
    self_contained: Annotated[
        bool, typer.Option("--self-contained", help="Put the charts' script into every page, not beside them.")
    ] = False,
    code: Annotated[bool, typer.Option("--code", help="Show each cell's code, one click away.")] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="Make a PDF of each page too, by an installed Chromium.")] = False,
    separate: Annotated[
        bool, typer.Option("--separate", help="Make a folder for each account and marketplace that can be sent alone.")
    ] = False,
    summary: Annotated[Summary | None, typer.Option(help="Print what is wrong, fit for an e-mail.")] = None,
    engine: Annotated[
        Engine, typer.Option(help="healthkit forks a process; nbclient starts a kernel for each notebook.")
    ] = Engine.healthkit,
    cluster: Annotated[
        str, typer.Option(metavar="ADDRESS", help="A Dask scheduler whose workers print: tcp://….")
    ] = "",
    work: Annotated[
        Path | None,
        typer.Option(
            parser=path,
            metavar="FOLDER",
            help="Where the rows of the reports stand while they are printed. Default: with the temporary files; for a "
            "cluster, in the folder of the store.",
        ),
    ] = None,
    data: Data = None,
) -> None:
    """Write the monthly report of each account as an HTML page that opens offline, and an index over all."""
    with sentences():
        wish = hk.batch.Wish(
            made, jobs, only_changed, deadline, memory, engine.value, template or hk.batch.TEMPLATE,
            alone=self_contained, code=code, pdf=pdf, separate=separate, work=work,
        )  # fmt: skip
        with _workers(cluster) as executor:
            printed = hk.batch.print_month(
                desk(data, policy, version), month, account, out_dir, console=err, executor=executor, wish=wish
            )
    for failure in printed.failures:
        stays = f" {failure.page}, of an earlier run, stays and is not current." if failure.page else ""
        err.print(f"failed  {failure.account}: {failure.what}{stays}", style="red", soft_wrap=True, markup=False)
    for sentence in (*hk.batch.printed_without_pdf(printed.without_pdf), printed.index_failure):
        if sentence:
            err.print(sentence, style="red", soft_wrap=True, markup=False)
    for sentence in printed.notes:
        err.print(sentence, soft_wrap=True, markup=False)
    if summary is not None:
        typer.echo(hk.wording.portfolio.summary(printed.verdicts, summary is Summary.html))
    unchanged = f", {printed.skipped:,} unchanged" if printed.skipped else ""
    without = f", {len(printed.without_pdf):,} without PDF" if printed.without_pdf else ""
    out.print(f"{hk.wording.things(printed.pages, 'report')}, {len(printed.failures):,} failed{without}{unchanged}.")
    typer.echo(str(printed.index))
    if printed.failures or printed.without_pdf or printed.index_failure:
        raise typer.Exit(1)


@contextmanager
def _workers(address: str) -> Iterator[Any]:
    """The workers of a cluster; none where no address is given, and this machine prints."""
    if not address:
        yield None
        return
    try:
        held = hk.cluster.workers(address)
    except ImportError:
        fail("A cluster needs Dask: pip install 'healthkit[cluster]'.")
    with held as executor:
        yield executor


@app.command("check", epilog="Example: `python -m healthkit check --month 2026-10 --data data/sample_store`")
def check(
    month: Annotated[
        str, typer.Option(parser=month_of, metavar="YYYY-MM", help="The month; its last day is the as-of day.")
    ],
    account: Accounts = None,
    policy: PolicyName = None,
    form: Form = Format.table,
    data: Data = None,
) -> None:
    """Name each measure that is off target, at risk or cannot be judged, by the worst figure that is known.

    Exit code 0: every enforced measure of every account is on target. 1: one is off target or at risk. 3: none is, and
    one cannot be judged, for its files are missing or end too early.
    """
    with sentences():
        book = desk(data, policy)
        accounts = hk.model.month_verdicts(book, month, account)
        ended = hk.model.ended_before(book, month, account)
        if not accounts and not ended:
            # The sentence that says which months there are.
            hk.accounts_in(book, month)
    if not written(_alerts(accounts), form):
        _print_alerts(accounts, hk.last_day_of(month), ended)
    statuses = {one.status for verdict in accounts for one in verdict.measures}
    if statuses & {"off target", "at risk"}:
        raise typer.Exit(1)
    if (
        not accounts
        or ended
        or any(verdict.enforced_unjudged or verdict.status == "cannot be judged" for verdict in accounts)
    ):
        raise typer.Exit(UNKNOWN)


UNKNOWN = 3
"""The exit code that says that nothing is off target as far as is known, and not everything is known."""


def _alerted(account: Any) -> list[Any]:
    """The measures of an account that need a look, worst first: off target, at risk, enforced and not judged."""
    unjudged = {(one.metric, one.channel, one.window) for one in account.enforced_unjudged}
    return [
        one for one in account.measures
        if one.status in ("off target", "at risk") or (one.metric, one.channel, one.window) in unjudged
    ]  # fmt: skip


def _alerts(accounts: list[Any]) -> Any:
    """The measures that need a look as rows of SCORES, with `status` by the worst known figure and `reason`."""
    rows = []
    for one in sorted((one for account in accounts for one in _alerted(account)), key=_worst_first):
        row = {name: one.shown.get(name) for name in hk.tables.SCORES.columns}
        status = one.status if one.whose else "cannot be judged"
        rows.append(row | {"as_of": one.as_of, "status": status, "reason": _why(one)})
    return hk.tables.framed(rows, [*hk.tables.SCORES.columns, "reason"])


def _worst_first(one: Any) -> tuple[Any, ...]:
    return one.rank[0], one.account, one.marketplace, one.rank


def _why(one: Any) -> str:
    """Why a measure cannot be judged, in words; empty where it is."""
    if one.reason is None or one.whose:
        return ""
    words, row = hk.wording, one.ours
    noun = words.metric(one.metric).noun
    minimum = None if one.rule is None else one.rule.minimum
    return str(words.reasons.why(one.reason, noun, row["first_day"], row["last_day"], one.as_of.year, minimum))


def _print_alerts(accounts: list[Any], month_end: Any, ended: list[Any]) -> None:
    """A line for each measure that needs a look, then what is stale and what is not covered."""
    words = hk.wording
    for one in sorted((one for account in accounts for one in _alerted(account)), key=_worst_first):
        standing = _standing(one)
        if one.whose:
            typer.echo(words.portfolio.alert(standing, one.account, one.marketplace, one.status))
        else:
            typer.echo(words.portfolio.alert_unjudged(standing, one.account, one.marketplace, _why(one)))
    for account in accounts:
        if account.as_of < month_end:
            typer.echo(words.portfolio.stale(account.account, account.marketplace, account.as_of, month_end))
        if account.not_covered:
            names = [words.inside(words.metric(name).label) for name in account.not_covered]
            typer.echo(words.portfolio.not_covered(account.account, account.marketplace, names))
    for name, marketplace, last in ended:
        typer.echo(words.portfolio.nothing_known(name, marketplace, last))
    if accounts and not ended and not any(_alerted(account) for account in accounts):
        typer.echo("Every measure that a rule enforces is on target.")


def _standing(one: Any) -> Any:
    """One verdict as sentences speak of it."""
    row = one.shown
    side = row["side"] if isinstance(row["side"], str) else ""
    room = row["headroom"]
    if one.whose == hk.verdicts.AMAZON and one.rule is not None and one.rule.target is not None and row["counted"]:
        room = one.rule.target.headroom(row["counted"], row["at_fault"])
    channel = "" if one.channel in ("seller", "all") else one.channel
    whose = ""
    if one.whose == hk.verdicts.AMAZON:
        whose = hk.wording.reasons.by_amazon(one.theirs["reported_on"], one.age, one.as_of.year)
    return hk.wording.Standing(
        one.metric, row["counted"], row["at_fault"], side, row["target"], room, channel, one.window, row["value"],
        one.used, whose,
    )  # fmt: skip


OWN_NOTEBOOKS = Path("healthkit-notebooks")
"""The folder into which `lab` copies the notebooks where the current folder is no checkout."""


@app.command(
    "lab",
    epilog="Example: `python -m healthkit lab --no-browser --port 8890`",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def lab(context: typer.Context) -> None:
    """Open JupyterLab in notebooks/, on this machine only (127.0.0.1, with its token).

    Outside of a checkout the notebooks are copied to healthkit-notebooks/ in the current folder first; a file that is
    there already stays as it is. All options go to JupyterLab, such as --allow-root in a container, --no-browser or
    --port.
    """
    with sentences():
        folder = _notebooks()
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={folder.resolve()}",
        *context.args,
    ]
    sys.stdout.flush()
    raise typer.Exit(subprocess.call(command))


def _notebooks() -> Path:
    """Return the folder of the notebooks: that of a checkout, or the user's own with a copy of each notebook."""
    checkout = Path("notebooks")
    if any((checkout / Path(name).name).is_file() for name in hk.package_files.NOTEBOOKS):
        return checkout
    copied, different = hk.package_files.copy_notebooks(OWN_NOTEBOOKS)
    out.print(f"Notebooks: {OWN_NOTEBOOKS.resolve()}", soft_wrap=True, markup=False)
    if copied:
        out.print(f"{hk.wording.things(len(copied), 'file')} copied there.", soft_wrap=True)
    for notebook in different:
        out.print(
            f"{notebook} differs from the notebook of this version and stays. Rename it to get the new one.",
            soft_wrap=True, markup=False,
        )  # fmt: skip
    return OWN_NOTEBOOKS
