"""Commands that write reports, check accounts and open notebooks: report, check, lab."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

import healthkit as hk
from healthkit.cli import delivery
from healthkit.cli.options import (
    AccountsFileOption,
    AccountsOption,
    DataOption,
    ErrorReporter,
    FormatOption,
    MonthOption,
    OutputFormat,
    PolicyOption,
    RatesOption,
    VersionOption,
    WeekOption,
    app,
    check_seconds,
    choose_period,
    err,
    exit_with_error,
    measure_key,
    named_channel,
    open_workspace,
    out,
    parse_path,
    print_error,
    print_line,
    unjudged_reason,
    write_answer,
)
from healthkit.report.text import figures, labels, reasons, sentences, stakes
from healthkit.report.text import mail as mail_text
from healthkit.report.text import portfolio as portfolio_text


class SummaryFormat(StrEnum):
    """Values of the option --summary: the format of the summary for an e-mail."""

    text = "text"
    html = "html"


MAX_DEADLINE = 7 * 86_400
"""Longest time limit of a notebook that the command `report` accepts. [seconds]"""


class EngineName(StrEnum):
    """Values of the option --engine: the papermill engine that runs the notebooks."""

    healthkit = "healthkit"
    nbclient = "nbclient"


@app.command("report", epilog="Example: `python -m healthkit report --month 2026-10 --data data/sample_store`")
def report(
    month: MonthOption = None,
    as_of: WeekOption = None,
    account: AccountsOption = None,
    policy: PolicyOption = None,
    version: VersionOption = None,
    template: Annotated[
        Path | None,
        typer.Option(parser=parse_path, metavar="FILE", help="Notebook to run instead of healthkit's template."),
    ] = None,
    out_dir: Annotated[
        Path, typer.Option("--out", parser=parse_path, metavar="PATH", help="Folder for the reports.")
    ] = Path("reports"),
    made: Annotated[str, typer.Option(help="Text of the footer on when the report was made.")] = "",
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Reports that run at once. Default: one for each core.")
    ] = None,
    only_changed: Annotated[
        bool, typer.Option("--only-changed", help="Skip reports whose data, rules, template and code are unchanged.")
    ] = False,
    deadline: Annotated[
        float,
        typer.Option(
            min=1,
            max=MAX_DEADLINE,
            callback=check_seconds,
            metavar="SECONDS",
            help="Time limit of a notebook.",
        ),
    ] = 300,
    memory: Annotated[int, typer.Option(min=100, metavar="MIB", help="Memory limit of a notebook.")] = 4096,
    self_contained: Annotated[
        bool, typer.Option("--self-contained", help="Put the chart script into every report instead of a shared file.")
    ] = False,
    code: Annotated[bool, typer.Option("--code", help="Include the code of each cell, folded.")] = False,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Also write a PDF of each report with an installed Chromium.")
    ] = False,
    separate: Annotated[
        bool,
        typer.Option("--separate", help="Write a folder for each account and marketplace that can be sent on its own."),
    ] = False,
    package: Annotated[
        bool,
        typer.Option(
            "--package",
            help="Write a zip file for each account, with its name and logo from accounts.yaml and nothing of others.",
        ),
    ] = False,
    mail: Annotated[
        bool, typer.Option("--mail", help="Also write a ready mail (.eml) with summary and package for each account.")
    ] = False,
    send: Annotated[
        bool, typer.Option("--send", help="Also send the mails over the SMTP server that accounts.yaml names.")
    ] = False,
    resend: Annotated[
        bool, typer.Option("--resend", help="With --send: send a report again to whom it was sent before.")
    ] = False,
    summary: Annotated[
        SummaryFormat | None,
        typer.Option(help="Print a summary of each account and marketplace, worst first, and write each into a file."),
    ] = None,
    engine: Annotated[
        EngineName, typer.Option(help="healthkit forks a process for each notebook; nbclient starts a kernel.")
    ] = EngineName.healthkit,
    cluster: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Dask scheduler whose workers run the reports: tcp://….")
    ] = "",
    work: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="FOLDER",
            help="Folder for the rows that the reports read, while they run. Default: among the temporary files; for a "
            "cluster, in the folder of the store.",
        ),
    ] = None,
    rates: RatesOption = None,
    accounts_file: AccountsFileOption = None,
    data: DataOption = None,
) -> None:
    """Write the report of each account as an HTML page that opens offline, and an index of all.

    A report is of a month (--month) or of the 7 days to a day (--as-of); each has a folder of its own.
    """
    with ErrorReporter():
        period = choose_period(month, as_of)
        request = hk.batch.PageRequest(
            made, jobs, only_changed, deadline, memory, engine.value, template or hk.batch.TEMPLATE,
            self_contained=self_contained, show_code=code, pdf=pdf, separate=separate, work_folder=work,
            package=package or mail or send,
        )  # fmt: skip
        with _cluster_executor(cluster) as executor:
            workspace = open_workspace(data, policy, version)
            clients = delivery.Clients()
            if request.package or accounts_file is not None:
                clients = delivery.read_clients(accounts_file, workspace.store.folder)
                request = replace(request, clients=clients.for_pages(account))
            if send:
                delivery.check_server(clients)
            result = hk.batch.generate_reports(
                workspace, period.text, account, out_dir, console=err, executor=executor, request=request, rates=rates,
                accounts_file=accounts_file,
            )  # fmt: skip
    for failure in result.failures:
        earlier = f" {failure.page} of an earlier run stays and is not current." if failure.page else ""
        print_error(f"failed  {failure.account}: {failure.reason}{earlier}")
    problems = (*hk.batch.missing_pdf_sentences(result.without_pdf), result.index_error, *result.package_errors)
    for sentence in filter(None, problems):
        print_error(sentence)
    for sentence in result.notes:
        print_error(sentence, None)
    if summary is not None:
        with ErrorReporter():
            delivery.print_summaries(result, summary is SummaryFormat.html)
    with ErrorReporter():
        mailed = not (mail or send) or delivery.mail_packages(result, clients, period, send, resend)
    gone = [name for name in result.removed if not (result.index.parent / name).exists()]
    for sentence in hk.batch.removed_delivery_sentences(gone):
        print_error(sentence, None)
    unchanged = f", {result.skipped:,} unchanged" if result.skipped else ""
    without = f", {len(result.without_pdf):,} without PDF" if result.without_pdf else ""
    out.print(
        f"{figures.format_quantity(result.page_count, 'report')}, {len(result.failures):,} failed{without}{unchanged}."
    )
    typer.echo(str(result.index))
    if result.failures or result.without_pdf or result.index_error or result.package_errors or not mailed:
        raise typer.Exit(1)


@contextmanager
def _cluster_executor(address: str) -> Iterator[Any]:
    """Yield an executor for the cluster at an address; None without address, when this machine runs the reports."""
    if not address:
        yield None
        return
    try:
        connection = hk.cluster.connect_to_cluster(address)
    except ImportError:
        exit_with_error("A cluster needs Dask: pip install 'healthkit[cluster]'.")
    with connection as executor:
        yield executor


@app.command("check", epilog="Example: `python -m healthkit check --month 2026-10 --data data/sample_store`")
def check(
    month: MonthOption = None,
    as_of: WeekOption = None,
    account: AccountsOption = None,
    policy: PolicyOption = None,
    form: FormatOption = OutputFormat.table,
    rates: RatesOption = None,
    notify: Annotated[
        list[str] | None,
        typer.Option(
            "--notify", metavar="URL", help="Also send what is printed to an address of apprise; can be repeated."
        ),
    ] = None,
    data: DataOption = None,
) -> None:
    """Print each measure that is off target, at risk or cannot be judged, by the worst known figure.

    Accounts stand in the order in which to open them, by expected harm, and the last line says which is the first.

    Exit code 0: every enforced measure of every account is on target. 1: a measure is off target or at risk. 3: none
    is, and one cannot be judged, because its files are missing or end too early. With --notify the same lines go out as
    a notification unless the exit code is 0; whether it is delivered does not change the exit code.
    """
    if notify:
        delivery.require_notifier()
    with ErrorReporter():
        period = choose_period(month, as_of)
        workspace = open_workspace(data, policy)
        accounts = hk.model.month_verdicts(workspace, period.text, account)
        ended = hk.model.accounts_ended_before(workspace, period.text, account)
        no_rules = reasons.unjudged_stores_sentence(workspace.unjudged_stores(account))
        if not accounts and not ended and not no_rules:
            # Raises the error that lists the months of the store.
            hk.accounts_to_report(workspace, period.text)
        ranking = workspace.rank(accounts, workspace.rates(period.last, rates))
    if not write_answer(form, _alert_rows(accounts, ranking)):
        _print_alerts(accounts, period, ended, ranking)
    if no_rules:
        print_error(no_rules, None)
    code = _exit_code(accounts, bool(ended or no_rules))
    if notify and code:
        lines = [*_alert_lines(accounts, period, ended, ranking), *filter(None, [no_rules])]
        alerted = {(one.account, one.marketplace) for one in _measures_to_alert(accounts, ranking)}
        title = mail_text.notification_title(
            len({account for account, _ in alerted} | {one[0] for one in ended}),
            portfolio_text.period_name(period.text, period.last),
        )
        delivery.notify(notify, title, "\n".join(lines))
    if code:
        raise typer.Exit(code)


def _exit_code(account_verdicts: list[Any], more_is_unknown: bool) -> int:
    """Return the exit code of `check`; `more_is_unknown` if accounts have no verdict at all."""
    statuses = {one.status for verdict in account_verdicts for one in verdict.measures}
    if statuses & {"off target", "at risk"}:
        return 1
    unjudged = any(one.enforced_unjudged or one.status == "cannot be judged" for one in account_verdicts)
    return EXIT_NOT_ALL_KNOWN if not account_verdicts or more_is_unknown or unjudged else 0


EXIT_NOT_ALL_KNOWN = 3
"""Exit code of `check` if no known figure is off target or at risk, but some figures are unknown."""


def _measures_to_alert(account_verdicts: list[Any], ranking: Any) -> list[Any]:
    """Return the measures that are off target, at risk, or enforced and not judged: by account, the worst first."""
    places = ranking.places()
    alerts = [
        one
        for account in account_verdicts
        for one in account.measures
        if one.status in ("off target", "at risk") or measure_key(one) in map(measure_key, account.enforced_unjudged)
    ]
    return sorted(alerts, key=lambda one: (places[one.account, one.marketplace], one.worst_first_key))


def _alert_rows(account_verdicts: list[Any], ranking: Any) -> Any:
    """Return the measures to alert on as rows of SCORES, with `status` by the worst known figure and `reason`."""
    rows = []
    for one in _measures_to_alert(account_verdicts, ranking):
        row = {name: one.decisive_row.get(name) for name in hk.tables.SCORES.columns}
        status = one.status if one.decided_by else "cannot be judged"
        rows.append(row | {"as_of": one.as_of, "status": status, "reason": _alert_reason(one)})
    return hk.tables.records_to_frame(rows, [*hk.tables.SCORES.columns, "reason"])


def _alert_reason(verdict: Any) -> str:
    """Return why a measure cannot be judged; empty if it is judged."""
    return "" if verdict.reason is None or verdict.decided_by else unjudged_reason(verdict)


def _print_alerts(account_verdicts: list[Any], period: Any, ended_accounts: list[Any], ranking: Any) -> None:
    """Print a line for each measure to alert on, then which files end early and what they do not cover."""
    for line in _alert_lines(account_verdicts, period, ended_accounts, ranking):
        typer.echo(line)


def _alert_lines(account_verdicts: list[Any], period: Any, ended_accounts: list[Any], ranking: Any) -> Iterator[str]:
    """Yield a line for each measure to alert on, then which files end early and what they do not cover."""
    alerts = _measures_to_alert(account_verdicts, ranking)
    for one in alerts:
        standing = _measure_standing(one)
        if one.decided_by:
            yield portfolio_text.alert_line(standing, one.account, one.marketplace, one.status)
        else:
            yield portfolio_text.unjudged_alert_line(standing, one.account, one.marketplace, _alert_reason(one))
    for account in account_verdicts:
        if account.as_of < period.last:
            yield portfolio_text.files_end_line(account.account, account.marketplace, account.as_of, period.last)
        if account.not_covered:
            company = labels.company_of(account.marketplace)
            names = [labels.lowercase_first(labels.metric_words(name, company).label) for name in account.not_covered]
            yield portfolio_text.not_covered_line(account.account, account.marketplace, names)
    for name, marketplace, last in ended_accounts:
        yield portfolio_text.no_data_line(name, marketplace, last, period.kind)
    alerted = {(one.account, one.marketplace) for one in alerts}
    unjudged = [one for one in account_verdicts if one.status == "cannot be judged"]
    for account in unjudged:
        if (account.account, account.marketplace) not in alerted:
            yield portfolio_text.no_verdict_line(account.account, account.marketplace)
    first = stakes.first_line(ranking)
    if first:
        yield first
    if account_verdicts and not ended_accounts and not alerts and not unjudged:
        yield "Every measure that a rule enforces is on target."


def _measure_standing(verdict: Any) -> Any:
    """Return the verdict on a measure as the input of the wording functions."""
    row = verdict.decisive_row
    side = row["side"] if isinstance(row["side"], str) else ""
    headroom, whose, company = row["headroom"], "", labels.company_of(verdict.marketplace)
    if verdict.decided_by == hk.verdicts.AMAZON:
        reported_on, year = verdict.theirs["reported_on"], verdict.as_of.year
        whose = reasons.own_figure_phrase(reported_on, verdict.figure_age, year, company)
        if verdict.rule is not None and verdict.rule.target is not None and row["counted"]:
            headroom = verdict.rule.target.headroom(row["counted"], row["at_fault"])
    return sentences.MeasureStanding(
        verdict.metric, row["counted"], row["at_fault"], side, row["target"], headroom, named_channel(verdict.channel),
        verdict.window, row["value"], verdict.share_used, whose, company,
    )  # fmt: skip


NOTEBOOKS_COPY_FOLDER = Path("healthkit-notebooks")
"""Folder into which `lab` copies the notebooks if the current folder is not a checkout."""


@app.command(
    "lab",
    epilog="Example: `python -m healthkit lab --no-browser --port 8890`",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def lab(context: typer.Context) -> None:
    """Open JupyterLab in notebooks/, on this machine only (127.0.0.1, with its token).

    Outside of a checkout the notebooks are first copied to healthkit-notebooks/ in the current folder; existing files
    are not changed. All options go to JupyterLab, such as --allow-root in a container, --no-browser or --port.
    """
    with ErrorReporter():
        folder = _find_or_copy_notebooks()
    server = [f"--ServerApp.root_dir={folder.resolve()}", "--ServerApp.ip=127.0.0.1"]
    command = [sys.executable, "-m", "jupyterlab", *server, *context.args]
    sys.stdout.flush()
    raise typer.Exit(subprocess.call(command))


def _find_or_copy_notebooks() -> Path:
    """Return the folder of the notebooks: that of the checkout, or a copy in the current folder."""
    checkout = Path("notebooks")
    if any((checkout / Path(name).name).is_file() for name in hk.package_files.NOTEBOOKS):
        return checkout
    copied, different = hk.package_files.copy_notebooks(NOTEBOOKS_COPY_FOLDER)
    print_line(f"Notebooks: {NOTEBOOKS_COPY_FOLDER.resolve()}")
    if copied:
        out.print(f"{figures.format_quantity(len(copied), 'file')} copied there.", soft_wrap=True)
    for notebook in different:
        print_line(f"{notebook} differs from the notebook of this version and stays. Rename it to get the new one.")
    return NOTEBOOKS_COPY_FOLDER
