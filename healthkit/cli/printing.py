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
from healthkit.cli.asking import (
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
    sentences,
    written,
)


class Summary(StrEnum):
    """How a summary for an e-mail is written."""

    text = "text"
    html = "html"


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
    out_dir: Annotated[Path, typer.Option("--out", parser=path, metavar="PATH", help="Folder for the pages.")] = Path(
        "reports"
    ),
    made: Annotated[str, typer.Option(help="When the report was made, as it is to stand in its footer.")] = "",
    jobs: Annotated[int | None, typer.Option(min=1, help="So many at once. Default: one for each core.")] = None,
    only_changed: Annotated[
        bool, typer.Option("--only-changed", help="Leave pages whose data, rules, template and code are the same.")
    ] = False,
    deadline: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="A notebook that takes longer is ended.")
    ] = 300,
    memory: Annotated[int, typer.Option(min=100, metavar="MIB", help="A notebook that needs more is ended.")] = 4096,
    self_contained: Annotated[
        bool, typer.Option("--self-contained", help="Put the charts' script into every page, not beside them.")
    ] = False,
    code: Annotated[bool, typer.Option("--code", help="Show each cell's code, one click away.")] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="Make a PDF of each page too, by an installed Chromium.")] = False,
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
        wish = hk.press.Wish(
            made, jobs, only_changed, deadline, memory, engine.value, alone=self_contained, code=code, pdf=pdf,
            work=work,
        )  # fmt: skip
        with _workers(cluster) as executor:
            printed = hk.press.print_month(
                desk(data, policy, version), month, account, out_dir, console=err, executor=executor, wish=wish
            )
    for failure in printed.failures:
        err.print(f"failed  {failure.account}: {failure.what}", style="red", soft_wrap=True, markup=False)
    if summary is not None:
        typer.echo(hk.wording.portfolio.summary(printed.verdicts, summary is Summary.html))
    unchanged = f", {printed.skipped:,} unchanged" if printed.skipped else ""
    out.print(f"{hk.wording.things(printed.pages, 'report')}, {len(printed.failures):,} failed{unchanged}.")
    typer.echo(str(printed.index))
    if printed.failures:
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
    """Say in a line each which measures are off target or at risk; exit code 1 where there are any, for alerts."""
    with sentences():
        book = desk(data, policy)
        pairs = set(hk.accounts_in(book, month))
        rows = book.score(hk.last_day_of(month), account)
    rows = rows[[pair in pairs for pair in zip(rows["account"], rows["marketplace"], strict=True)]]
    rows = rows[rows["status"].isin(["off target", "at risk"])]
    worst = rows.sort_values(["status", "account", "marketplace"], ascending=[False, True, True], kind="stable")
    if not written(worst, form):
        for row in worst.itertuples():
            typer.echo(hk.wording.portfolio.alert(_standing(row), row.account, row.marketplace, row.status))
        if worst.empty:
            typer.echo("Every measure is on target, or cannot be judged.")
    if len(worst):
        raise typer.Exit(1)


def _standing(row: Any) -> Any:
    """One row of SCORES as sentences speak of it."""
    side = row.side if isinstance(row.side, str) else ""
    room, value = hk.tables.plain(row.headroom), hk.tables.plain(row.value)
    channel = "" if row.channel in ("seller", "all") else row.channel
    return hk.wording.Standing(
        row.metric, row.counted, row.at_fault, side, row.target, room, channel, row.window, value
    )


@app.command(
    "lab",
    epilog="Example: `python -m healthkit lab`",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def lab(context: typer.Context) -> None:
    """Open JupyterLab in notebooks/, on this machine only (127.0.0.1, with its token).

    Other options go to JupyterLab, such as --allow-root in a container or --no-browser.
    """
    folder = Path("notebooks")
    if not folder.is_dir():
        fail("There is no folder notebooks/ here. Run this in the folder of the project.")
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={folder.resolve()}",
    ]
    raise typer.Exit(subprocess.call(command))
