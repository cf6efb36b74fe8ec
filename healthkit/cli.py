"""The commands: import, scores, report, lab. Thin: each reads its words, calls one room, prints the answer.

Exit codes: 0 fine; 1 the data or the accounts have a problem, which is named; 2 wrong usage.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

import healthkit as hk

app = typer.Typer(
    help="Account health of marketplace sellers: import raw reports, ask for scores, print monthly reports.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
out, err = Console(highlight=False), Console(stderr=True, highlight=False)


LONGEST = 36_500
"""No window is asked for that is longer. [days]"""


class Format(StrEnum):
    """How scores are printed."""

    table = "table"
    csv = "csv"
    json = "json"


def _day(text: str) -> date:
    """A day as the command line gives it."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day; write it as 2026-10-31.") from None


def _month(text: str) -> str:
    """A month as the command line gives it."""
    try:
        datetime.strptime(text, "%Y-%m")
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a month; write it as 2026-10.") from None
    return text


Data = Annotated[Path | None, typer.Option("--data", help="Folder of the store. Default: data/store.")]
Accounts = Annotated[list[str] | None, typer.Option("--account", help="An account; may be given several times.")]
PolicyName = Annotated[
    str | None,
    typer.Option("--policy", help="Judge all by this policy (a name or a YAML file) instead of the marketplace's."),
]


@app.command("import", epilog="Example: `python -m healthkit import data/sample --data data/sample_store`")
def import_(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders with the marketplace's raw reports.")],
    account: Annotated[str | None, typer.Option(help="The account. Default: the name of the file's folder.")] = None,
    marketplace: Annotated[
        str | None, typer.Option(help="The marketplace, such as US or DE, where a file does not say.")
    ] = None,
    data: Data = None,
) -> None:
    """Take raw reports into the store. The kind of a file is known by its header; the same file twice adds nothing."""
    folder = data or hk.desk.DATA
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TimeRemainingColumn(), console=err, transient=True, disable=not err.is_terminal,
    )  # fmt: skip
    task = bar.add_task("Reading")

    def begun(sources: list[Any]) -> None:
        bar.update(task, total=sum(source.size for source in sources) or 1)

    def done(source: Any) -> None:
        bar.update(task, advance=source.size, description=f"Read {escape(source.name)}")

    with _told(), bar:
        outcomes = list(hk.intake.take_in(paths, hk.store.Store(folder), account, marketplace, begun, done))
    _print_outcomes(outcomes, folder)
    if not outcomes:
        _fail(f"No file to import was found in {', '.join(map(str, paths))}.")
    if any(outcome.refused for outcome in outcomes):
        raise typer.Exit(1)


def _print_outcomes(outcomes: list[Any], folder: Path) -> None:
    """What was taken, skipped and refused, each with its reason."""
    taken = [outcome.taken for outcome in outcomes if outcome.taken]
    for one in taken:
        rows = {name: table.num_rows for name, table in one.tables.items() if table.num_rows}
        held = ", ".join(f"{count:,} {name}" for name, count in rows.items()) or "no rows"
        out.print(f"[bold]{escape(one.name)}[/]  {one.kind}: {held}", soft_wrap=True)
        for reason, count in one.skipped.items():
            out.print(f"    skipped {count:,}: {reason}", soft_wrap=True, markup=False)
        for note in one.notes:
            out.print(f"    note: {note}", soft_wrap=True, markup=False)
    again = [outcome for outcome in outcomes if outcome.held_already]
    for outcome in again if len(again) <= 5 else ():
        out.print(f"{outcome.name}  already in the store, nothing added", soft_wrap=True, markup=False)
    for outcome in outcomes:
        if outcome.refused:
            err.print(f"refused  {outcome.refused}", soft_wrap=True, markup=False, style="red")
    refused = sum(outcome.refused is not None for outcome in outcomes)
    files = hk.wording.things(len(taken), "file")
    out.print(f"{files} taken into {folder}, {len(again):,} already there, {refused:,} refused.", soft_wrap=True)


@app.command("scores", epilog="Example: `python -m healthkit scores --as-of 2026-10-31 --data data/sample_store`")
def scores(
    as_of: Annotated[date, typer.Option(parser=_day, metavar="DAY", help="The day whose evening we look from.")],
    from_: Annotated[
        date | None, typer.Option("--from", parser=_day, metavar="DAY", help="History from this day on.")
    ] = None,
    account: Accounts = None,
    policy: PolicyName = None,
    window: Annotated[
        int | None,
        typer.Option(min=1, max=LONGEST, metavar="DAYS", help="A window of so many days instead of the rule's."),
    ] = None,
    lag: Annotated[
        int | None,
        typer.Option(min=0, max=LONGEST, metavar="DAYS", help="Windows end so many days before the as-of day."),
    ] = None,
    hindsight: Annotated[
        bool, typer.Option("--hindsight", help="The same windows with all that was learnt later.")
    ] = False,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.table,
    data: Data = None,
) -> None:
    """Print every rate as the marketplace would have displayed it on a day, held against the rules of that day."""
    if from_ is not None and from_ > as_of:
        raise typer.BadParameter(f"--from {from_} is after --as-of {as_of}.")
    days = as_of if from_ is None else hk.scores.days_of(from_, as_of)
    with _told():
        book = _open(data, policy)
        table = book.score(days, account, window=window, lag=lag, hindsight=hindsight)
    if table.empty:
        _fail(f"No orders up to {as_of} in {book.store.folder}.")
    _print_scores(table, format)
    _tell_ends(book, as_of, account)
    if book.unjudged:
        err.print(f"Not judged, for want of a policy: the orders of {', '.join(book.unjudged)}.", soft_wrap=True)


def _print_scores(table: Any, form: Format) -> None:
    """SCORES on standard output, in one of three forms."""
    days = [name for name in ("as_of", "first_day", "last_day") if name in table]
    plain = table.assign(**{name: table[name].dt.strftime("%Y-%m-%d") for name in days})
    if form is Format.csv:
        sys.stdout.write(plain.to_csv(index=False, lineterminator="\n"))
    elif form is Format.json:
        rows = plain.astype(object).where(plain.notna(), None).to_dict("records")
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=1, default=int) + "\n")
    else:
        _print_table(plain)


def _print_table(rows: Any) -> None:
    """SCORES as a table to read, each proxy explained under it."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Account", "As of", "Measure", "Window", "Rate", "Count", "Target", "Status", "Room left"):
        shown.add_column(
            name, justify="right" if name in ("Rate", "Count", "Room left") else "left", no_wrap=name != "Measure"
        )
    for row in rows.itertuples():
        shown.add_row(*_cells(row), style="dim" if row.status == "no target" else None)
    wide = Console(highlight=False, width=None if out.is_terminal else 180)
    wide.print(shown)
    for proxy in sorted(set(rows["proxy"].dropna())):
        wide.print(f"≈ proxy: {hk.wording.assumptions(proxy)}", soft_wrap=True, markup=False)


def _cells(row: Any) -> list[str]:
    """One row of SCORES in words."""
    words = hk.wording
    side = row.side if isinstance(row.side, str) else ""
    target = row.target if side else None
    room = "" if row.headroom is None or row.headroom is pd.NA else f"{row.headroom:,}"
    proxy = " ≈ proxy" if isinstance(row.proxy, str) else ""
    mark = words.STATUSES[row.status][0] if row.status in words.STATUSES else ""
    return [
        row.account, row.as_of, words.measure(row.metric, row.channel, row.window) + proxy,
        f"{row.first_day} to {row.last_day}", words.rate(row.counted, row.at_fault, side, target),
        words.count(row.counted, row.at_fault, side), words.target(side, target) if side else "",
        f"{mark} {row.status}".strip(), room,
    ]  # fmt: skip


def _tell_ends(book: Any, as_of: date, accounts: list[str] | None) -> None:
    """Say for how many accounts the orders end before the day asked for."""
    coverage = book.counts.coverage
    mine = coverage[coverage["account"].isin(accounts)] if accounts else coverage
    ended = mine[mine["ends_on"].dt.date < as_of]
    if len(ended):
        last = ended["ends_on"].min().date()
        err.print(
            f"Note: the orders of {len(ended):,} of {len(mine):,} accounts end before {as_of} (the first on {last}); "
            "days after that are counted as days without orders.", soft_wrap=True,
        )  # fmt: skip


@app.command("report", epilog="Example: `python -m healthkit report --month 2026-10 --data data/sample_store`")
def report(
    month: Annotated[
        str, typer.Option(parser=_month, metavar="YYYY-MM", help="The month; its last day is the as-of day.")
    ],
    account: Accounts = None,
    policy: PolicyName = None,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the pages.")] = Path("reports"),
    made: Annotated[str, typer.Option(help="When the report was made, as it is to stand in its footer.")] = "",
    data: Data = None,
) -> None:
    """Write the monthly report of each account as an HTML page that opens offline, and an index over all."""
    with _told():
        book = _open(data, policy)
        printed = hk.press.print_month(book, month, account, out_dir, made=made, console=err)
    for failure in printed.failures:
        err.print(f"failed  {failure.account}: {failure.what}", style="red", soft_wrap=True, markup=False)
    out.print(f"{hk.wording.things(printed.pages, 'report')}, {len(printed.failures):,} failed.")
    typer.echo(str(printed.index))
    if printed.failures:
        raise typer.Exit(1)


@app.command("rules", epilog="Example: `python -m healthkit rules --marketplace US --on 2026-10-31`")
def rules(
    on: Annotated[date, typer.Option(parser=_day, metavar="DAY", help="The day on which the rules are in force.")],
    marketplace: Annotated[str | None, typer.Option(help="A marketplace, such as US or DE.")] = None,
    policy: PolicyName = None,
) -> None:
    """Print the rules in force on a day, each with its source and how sure that is."""
    if (marketplace is None) == (policy is None):
        raise typer.BadParameter("Give --marketplace or --policy, one of them.")
    with _told():
        held = hk.load(policy) if policy else hk.for_marketplaces([marketplace])[marketplace]
        in_force = held.on(on)
    words = hk.wording
    shown = Table(box=None, pad_edge=False, header_style="bold", title=f"{held.title}, {on}", title_justify="left")
    for name in ("Measure", "Demand", "Window", "Since", "Source"):
        shown.add_column(name)
    for rule in in_force:
        channels = " and ".join(words.CHANNELS[channel] for channel in rule.channels)
        shown.add_row(
            f"{words.opening(words.metric(rule.metric).label)}\n{channels}",
            "\n".join(_demand(rule)), words.window_in_words(rule.windows, rule.lag),
            str(rule.since), f"{rule.source} ({words.SURE[rule.sure]})",
        )  # fmt: skip
    Console(highlight=False, width=None if out.is_terminal else 160).print(shown)


def _demand(rule: Any) -> list[str]:
    """What one rule asks, in a few lines: its share or points, what it says beside, and how far things go."""
    words, noun = hk.wording, hk.wording.metric(rule.metric).noun
    side, share = (rule.target.side, rule.target.share) if rule.target else ("", None)
    asked = words.rule_in_words(side, share, rule.minimum, noun)
    if rule.points is not None:
        asked = words.rating(rule.points.on_from, rule.points.off_under, rule.points.most)
    fallback = (rule.fallback.under, rule.fallback.window) if rule.fallback else None
    beside = words.provisos(noun, rule.and_at_least, rule.while_under, fallback, rule.judged_on)
    missed = "; then ".join(words.stage(one.stage, one.days) for one in rule.stages)
    return [*filter(None, [asked, beside, f"if missed: {missed}" if missed else ""])]


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
        _fail("There is no folder notebooks/ here. Run this in the folder of the project.")
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={folder.resolve()}",
    ]
    raise typer.Exit(subprocess.call(command))


def _open(data: Path | None, policy: str | None) -> Any:
    """The desk; where the sample is shown for want of a store of one's own, that is said."""
    folder = hk.desk.choose(data)
    if data is None and folder.name == hk.desk.SAMPLE.name:
        err.print(f"No store of your own yet: showing the sample ({hk.desk.SAMPLE}).")
    return hk.desk.Desk(folder, policy)


class _told:
    """Turns an error of one of our rooms, which says what to do, into its sentence and exit code 1."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ValueError) and type(error).__module__.startswith("healthkit."):
            _fail(str(error))
        if isinstance(error, OSError):
            _fail(f"{error.filename or 'A file'} cannot be read or written: {error.strerror or error}.")


def _fail(sentence: str) -> None:
    """Say what is wrong and end with exit code 1."""
    err.print(sentence, style="red", soft_wrap=True, markup=False)
    raise typer.Exit(1)


def main() -> None:
    """The entry point. The process ends here and now: threads of native libraries may outlive Python's own end."""
    try:
        app(prog_name="python -m healthkit")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
