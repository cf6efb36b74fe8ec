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
    AccountsOption,
    DataOption,
    ErrorReporter,
    FormatOption,
    OutputFormat,
    PolicyOption,
    VersionOption,
    app,
    check_seconds,
    err,
    exit_with_error,
    open_workspace,
    out,
    parse_month,
    parse_path,
    write_rows,
)
from healthkit.report.text import figures, labels, reasons, sentences
from healthkit.report.text import portfolio as portfolio_text


class SummaryFormat(StrEnum):
    """How a summary for an e-mail is written."""

    text = "text"
    html = "html"


MAX_DEADLINE = 7 * 86_400
"""The longest deadline of a notebook. [seconds]"""


class EngineName(StrEnum):
    """What runs the notebooks."""

    healthkit = "healthkit"
    nbclient = "nbclient"


@app.command("report", epilog="Example: `python -m healthkit report --month 2026-10 --data data/sample_store`")
def report(
    month: Annotated[
        str, typer.Option(parser=parse_month, metavar="YYYY-MM", help="The month; its last day is the as-of day.")
    ],
    account: AccountsOption = None,
    policy: PolicyOption = None,
    version: VersionOption = None,
    template: Annotated[
        Path | None,
        typer.Option(parser=parse_path, metavar="FILE", help="Print this notebook instead of the kit's own template."),
    ] = None,
    out_dir: Annotated[
        Path, typer.Option("--out", parser=parse_path, metavar="PATH", help="Folder for the pages.")
    ] = Path("reports"),
    made: Annotated[str, typer.Option(help="When the report was made, as it is to stand in its footer.")] = "",
    jobs: Annotated[int | None, typer.Option(min=1, help="So many at once. Default: one for each core.")] = None,
    only_changed: Annotated[
        bool, typer.Option("--only-changed", help="Leave pages whose data, rules, template and code are the same.")
    ] = False,
    deadline: Annotated[
        float,
        typer.Option(
            min=1,
            max=MAX_DEADLINE,
            callback=check_seconds,
            metavar="SECONDS",
            help="A notebook that takes longer is ended.",
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
    summary: Annotated[SummaryFormat | None, typer.Option(help="Print what is wrong, fit for an e-mail.")] = None,
    engine: Annotated[
        EngineName, typer.Option(help="healthkit forks a process; nbclient starts a kernel for each notebook.")
    ] = EngineName.healthkit,
    cluster: Annotated[
        str, typer.Option(metavar="ADDRESS", help="A Dask scheduler whose workers print: tcp://….")
    ] = "",
    work: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="FOLDER",
            help="Where the rows of the reports stand while they are printed. Default: with the temporary files; for a "
            "cluster, in the folder of the store.",
        ),
    ] = None,
    data: DataOption = None,
) -> None:
    """Write the monthly report of each account as an HTML page that opens offline, and an index over all."""
    with ErrorReporter():
        wish = hk.batch.PageRequest(
            made, jobs, only_changed, deadline, memory, engine.value, template or hk.batch.TEMPLATE,
            alone=self_contained, code=code, pdf=pdf, separate=separate, work_folder=work,
        )  # fmt: skip
        with _cluster_executor(cluster) as executor:
            printed = hk.batch.generate_reports(
                open_workspace(data, policy, version),
                month,
                account,
                out_dir,
                console=err,
                executor=executor,
                request=wish,
            )
    for failure in printed.failures:
        stays = f" {failure.page}, of an earlier run, stays and is not current." if failure.page else ""
        err.print(f"failed  {failure.account}: {failure.what}{stays}", style="red", soft_wrap=True, markup=False)
    for sentence in (*hk.batch.missing_pdf_sentences(printed.without_pdf), printed.index_error):
        if sentence:
            err.print(sentence, style="red", soft_wrap=True, markup=False)
    for sentence in printed.notes:
        err.print(sentence, soft_wrap=True, markup=False)
    if summary is not None:
        typer.echo(portfolio_text.email_summary(printed.verdicts, summary is SummaryFormat.html))
    unchanged = f", {printed.skipped:,} unchanged" if printed.skipped else ""
    without = f", {len(printed.without_pdf):,} without PDF" if printed.without_pdf else ""
    out.print(
        f"{figures.format_quantity(printed.pages, 'report')}, {len(printed.failures):,} failed{without}{unchanged}."
    )
    typer.echo(str(printed.index))
    if printed.failures or printed.without_pdf or printed.index_error:
        raise typer.Exit(1)


@contextmanager
def _cluster_executor(address: str) -> Iterator[Any]:
    """The workers of a cluster; none where no address is given, and this machine prints."""
    if not address:
        yield None
        return
    try:
        held = hk.cluster.connect_to_cluster(address)
    except ImportError:
        exit_with_error("A cluster needs Dask: pip install 'healthkit[cluster]'.")
    with held as executor:
        yield executor


@app.command("check", epilog="Example: `python -m healthkit check --month 2026-10 --data data/sample_store`")
def check(
    month: Annotated[
        str, typer.Option(parser=parse_month, metavar="YYYY-MM", help="The month; its last day is the as-of day.")
    ],
    account: AccountsOption = None,
    policy: PolicyOption = None,
    form: FormatOption = OutputFormat.table,
    data: DataOption = None,
) -> None:
    """Name each measure that is off target, at risk or cannot be judged, by the worst figure that is known.

    Exit code 0: every enforced measure of every account is on target. 1: one is off target or at risk. 3: none is, and
    one cannot be judged, for its files are missing or end too early.
    """
    with ErrorReporter():
        book = open_workspace(data, policy)
        accounts = hk.model.month_verdicts(book, month, account)
        ended = hk.model.accounts_ended_before(book, month, account)
        if not accounts and not ended:
            # The sentence that says which months there are.
            hk.accounts_to_report(book, month)
    if not write_rows(_alert_rows(accounts), form):
        _print_alerts(accounts, hk.last_day_of_month(month), ended)
    statuses = {one.status for verdict in accounts for one in verdict.measures}
    if statuses & {"off target", "at risk"}:
        raise typer.Exit(1)
    if (
        not accounts
        or ended
        or any(verdict.enforced_unjudged or verdict.status == "cannot be judged" for verdict in accounts)
    ):
        raise typer.Exit(EXIT_NOT_ALL_KNOWN)


EXIT_NOT_ALL_KNOWN = 3
"""The exit code that says that nothing is off target as far as is known, and not everything is known."""


def _measures_to_alert(account_verdict: Any) -> list[Any]:
    """The measures of an account that need a look, worst first: off target, at risk, enforced and not judged."""
    unjudged = {(one.metric, one.channel, one.window) for one in account_verdict.enforced_unjudged}
    return [
        one for one in account_verdict.measures
        if one.status in ("off target", "at risk") or (one.metric, one.channel, one.window) in unjudged
    ]  # fmt: skip


def _alert_rows(account_verdicts: list[Any]) -> Any:
    """The measures that need a look as rows of SCORES, with `status` by the worst known figure and `reason`."""
    rows = []
    for one in sorted(
        (one for account in account_verdicts for one in _measures_to_alert(account)), key=_worst_first_key
    ):
        row = {name: one.decisive_row.get(name) for name in hk.tables.SCORES.columns}
        status = one.status if one.decided_by else "cannot be judged"
        rows.append(row | {"as_of": one.as_of, "status": status, "reason": _unjudged_reason(one)})
    return hk.tables.records_to_frame(rows, [*hk.tables.SCORES.columns, "reason"])


def _worst_first_key(verdict: Any) -> tuple[Any, ...]:
    return verdict.worst_first_key[0], verdict.account, verdict.marketplace, verdict.worst_first_key


def _unjudged_reason(verdict: Any) -> str:
    """Why a measure cannot be judged, in words; empty where it is."""
    if verdict.reason is None or verdict.decided_by:
        return ""
    row = verdict.ours
    noun = labels.metric_words(verdict.metric).noun
    minimum = None if verdict.rule is None else verdict.rule.minimum
    year = verdict.as_of.year
    return reasons.unjudged_reason(verdict.reason, noun, row["first_day"], row["last_day"], year, minimum)


def _print_alerts(account_verdicts: list[Any], month_end: Any, ended_accounts: list[Any]) -> None:
    """A line for each measure that needs a look, then what is stale and what is not covered."""
    for one in sorted(
        (one for account in account_verdicts for one in _measures_to_alert(account)), key=_worst_first_key
    ):
        standing = _measure_standing(one)
        if one.decided_by:
            typer.echo(portfolio_text.alert_line(standing, one.account, one.marketplace, one.status))
        else:
            reason = _unjudged_reason(one)
            typer.echo(portfolio_text.unjudged_alert_line(standing, one.account, one.marketplace, reason))
    for account in account_verdicts:
        if account.as_of < month_end:
            typer.echo(portfolio_text.files_end_line(account.account, account.marketplace, account.as_of, month_end))
        if account.not_covered:
            names = [labels.lowercase_first(labels.metric_words(name).label) for name in account.not_covered]
            typer.echo(portfolio_text.not_covered_line(account.account, account.marketplace, names))
    for name, marketplace, last in ended_accounts:
        typer.echo(portfolio_text.no_data_line(name, marketplace, last))
    if account_verdicts and not ended_accounts and not any(_measures_to_alert(account) for account in account_verdicts):
        typer.echo("Every measure that a rule enforces is on target.")


def _measure_standing(verdict: Any) -> Any:
    """One verdict as sentences speak of it."""
    row = verdict.decisive_row
    side = row["side"] if isinstance(row["side"], str) else ""
    room = row["headroom"]
    if (
        verdict.decided_by == hk.verdicts.AMAZON
        and verdict.rule is not None
        and verdict.rule.target is not None
        and row["counted"]
    ):
        room = verdict.rule.target.headroom(row["counted"], row["at_fault"])
    channel = "" if verdict.channel in ("seller", "all") else verdict.channel
    whose = ""
    if verdict.decided_by == hk.verdicts.AMAZON:
        whose = reasons.amazons_figure_phrase(verdict.theirs["reported_on"], verdict.figure_age, verdict.as_of.year)
    return sentences.MeasureStanding(
        verdict.metric, row["counted"], row["at_fault"], side, row["target"], room, channel, verdict.window,
        row["value"],
        verdict.share_used, whose,
    )  # fmt: skip


NOTEBOOKS_COPY_FOLDER = Path("healthkit-notebooks")
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
    with ErrorReporter():
        folder = _find_or_copy_notebooks()
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


def _find_or_copy_notebooks() -> Path:
    """Return the folder of the notebooks: that of a checkout, or the user's own with a copy of each notebook."""
    checkout = Path("notebooks")
    if any((checkout / Path(name).name).is_file() for name in hk.package_files.NOTEBOOKS):
        return checkout
    copied, different = hk.package_files.copy_notebooks(NOTEBOOKS_COPY_FOLDER)
    out.print(f"Notebooks: {NOTEBOOKS_COPY_FOLDER.resolve()}", soft_wrap=True, markup=False)
    if copied:
        out.print(f"{figures.format_quantity(len(copied), 'file')} copied there.", soft_wrap=True)
    for notebook in different:
        out.print(
            f"{notebook} differs from the notebook of this version and stays. Rename it to get the new one.",
            soft_wrap=True, markup=False,
        )  # fmt: skip
    return NOTEBOOKS_COPY_FOLDER
