"""Shared parts of all commands: option types, opening a workspace, printing answers and reporting errors."""

from __future__ import annotations

import errno
import json
import logging
import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from itertools import groupby, zip_longest
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

import healthkit as hk
from healthkit.report.text import labels, reasons, sentences

app = typer.Typer(
    help="Account health of marketplace sellers: import raw reports, query scores, generate monthly reports.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
out, err = Console(highlight=False), Console(stderr=True, highlight=False)
PAGE_WIDTH, MIN_COLUMN_WIDTH = 180, 20
"""Width of tables if the output is not a terminal, and minimum width of a long column. [characters]"""

FIRST_DAY, LAST_DAY = date(1990, 1, 1), date(2199, 12, 31)
"""First and last day that the commands accept; windows cannot be counted from days far outside of them."""
MAX_DAYS = 3_700
"""Maximum number of days of one query, about ten years."""


_MARKUP = re.compile(r"[\x00-\x1f\x7f-\x9f\[]|:\S*:")
"""What Rich would not print as it is: control characters, its markup, and the names of emojis."""


class LogLevel(StrEnum):
    """Values of the option --log: the lowest level of the log messages that are shown."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


class _PrintableFormatter(logging.Formatter):
    """Formats a message as one line and escapes unprintable characters, so that a file name cannot forge a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)


@app.callback()
def configure_logging(
    log: Annotated[LogLevel | None, typer.Option(help="Log to standard error from this level on.")] = None,
) -> None:
    """Set up logging before a command runs."""
    if log is None:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(_PrintableFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("healthkit")
    logger.addHandler(handler)
    logger.setLevel(log.upper())


class OutputFormat(StrEnum):
    """Values of the option --format: the output format of a command."""

    table = "table"
    csv = "csv"
    json = "json"
    xlsx = "xlsx"


def parse_day(text: str) -> date:
    """Convert an ISO date from the command line to a date.

    Raises BadParameter if the text is not an ISO date or the day is out of range.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day; write it as 2026-10-31.") from None
    return _check_day_in_range(day)


def _check_day_in_range(day: date) -> date:
    """Return the day. Raises BadParameter for one so far off that no window can be counted from it."""
    if not FIRST_DAY <= day <= LAST_DAY:
        raise typer.BadParameter(f"{day} is out of reach; give a day from {FIRST_DAY} to {LAST_DAY}.")
    return day


def days_between(first: date, last: date) -> list[date]:
    """Return all days from `first` to `last`, both included.

    Raises BadParameter if `first` is after `last` or there are more than MAX_DAYS days.
    """
    if first > last:
        raise typer.BadParameter(f"--from {first} is after --as-of {last}.")
    if (last - first).days >= MAX_DAYS:
        raise typer.BadParameter(
            f"--from {first} to --as-of {last} is {(last - first).days + 1:,} days; "
            f"ask for at most {MAX_DAYS:,} at once."
        )
    return list(hk.scores.list_days(first, last))


def check_seconds(value: float) -> float:
    """Return a number of seconds from the command line. Raises BadParameter if the number is not finite."""
    if not math.isfinite(value):
        raise typer.BadParameter("Give a number of seconds, such as 300.")
    return value


def account_labels(rows: Any) -> dict[tuple[str, str], str]:
    """Return a label for each (account, marketplace) pair of a table.

    The label names the marketplace only if the account has several.
    """
    pairs = [
        (str(account), str(code))
        for account, code in dict.fromkeys(zip(rows["account"], rows["marketplace"], strict=True))
    ]
    several = {account for account, times in Counter(account for account, _ in pairs).items() if times > 1}
    return {(account, code): f"{account} ({code})" if account in several else account for account, code in pairs}


def latest_day() -> date:
    """Return the latest date that has begun anywhere on Earth."""
    return datetime.now(timezone(timedelta(hours=14))).date()


def local_day() -> date:
    """Return the date here, by the time zone of the machine; to say how old something is, not which days are known."""
    return datetime.now(UTC).astimezone().date()


def parse_path(text: str) -> Path:
    """Convert a text from the command line to a path.

    Raises BadParameter if the text is empty, as it is for an unset shell variable.
    """
    if not str(text).strip():
        raise typer.BadParameter("the path is empty. Name a file or folder, or leave the option out.")
    return Path(text)


def parse_month(text: str) -> str:
    """Return a month from the command line, such as 2026-10. Raises BadParameter if it is not a valid month."""
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}", text):
            raise ValueError
        _check_day_in_range(date.fromisoformat(f"{text}-01"))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a month; write it as 2026-10.") from None
    return text


def choose_period(month: str | None, as_of: date | None) -> Any:
    """Return the period that --month or --as-of names. Raises BadParameter unless exactly one of them is given."""
    if (month is None) == (as_of is None):
        raise typer.BadParameter("Give either --month 2026-10 or --as-of 2026-10-31.")
    return hk.model.parse_period(month if as_of is None else as_of.isoformat())


DataOption = Annotated[
    Path | None,
    typer.Option("--data", parser=parse_path, metavar="PATH", help="Folder of the store. Default: data/store."),
]
AccountsOption = Annotated[
    list[str] | None, typer.Option("--account", help="An account; the option can be repeated. Default: all.")
]
AccountsFileOption = Annotated[
    Path | None,
    typer.Option(
        "--accounts", parser=parse_path, metavar="FILE",
        help="The accounts file. Default: accounts.yaml beside the store, or in this folder.",
    ),
]  # fmt: skip
AccountOption = Annotated[str, typer.Option("--account", help="The account.")]
MarketplaceOption = Annotated[
    str, typer.Option(help="The marketplace, such as US or DE; required if the account sells in several.")
]
AsOfOption = Annotated[
    date, typer.Option(parser=parse_day, metavar="DAY", help="Show the data as of the end of this day.")
]
MonthOption = Annotated[
    str | None, typer.Option(parser=parse_month, metavar="YYYY-MM", help="The month; its last day is the as-of day.")
]
WeekOption = Annotated[
    date | None,
    typer.Option("--as-of", parser=parse_day, metavar="DAY", help="Instead of a month: the 7 days to this as-of day."),
]
MetricOption = Annotated[str, typer.Option(help="The measure, such as late_shipment_rate.")]
ChannelOption = Annotated[str, typer.Option(help="seller, amazon or all; required if the measure has several.")]
WindowOption = Annotated[
    int | None, typer.Option(min=1, metavar="DAYS", help="Default: the longest window of the rule.")
]
NewOrdersOption = Annotated[
    bool, typer.Option("--new-orders/--no-new-orders", help="Assume new orders at the recent rate, or none.")
]
FormatOption = Annotated[
    OutputFormat, typer.Option("--format", help="Output format; xlsx is written into a file: > answer.xlsx.")
]
PolicyOption = Annotated[
    str | None,
    typer.Option("--policy", help="Judge everything by this policy (name or YAML file), not the marketplace's."),
]
RatesOption = Annotated[
    Path | None,
    typer.Option(
        parser=parse_path,
        metavar="FILE",
        help="CSV of currency, day and rate, to compare accounts in one currency. Default: rates.csv beside the store.",
    ),
]
VersionOption = Annotated[
    int | None,
    typer.Option("--version", min=0, metavar="N", help="Read the store as of a version (see store versions)."),
]


def open_workspace(data: Path | None, policy: str | None = None, version: int | None = None) -> Any:
    """Open the store in the given folder as a workspace.

    If no folder is given and the user has no store, open the sample store and print a note.
    """
    folder = hk.workspace.find_store_folder(data)
    if data is None and folder.name == hk.workspace.SAMPLE_STORE.name:
        err.print(f"No store of your own yet: showing the sample ({hk.workspace.SAMPLE_STORE}).")
    return hk.workspace.Workspace(folder, policy, version=version)


def open_measure(
    data: Path | None, policy: str | None, account: str, metric: str, as_of: date, *, marketplace: str, **options: Any
) -> tuple[Any, Any, Any]:
    """Open a store and return the workspace, the account as an AccountView, and the row of SCORES of one measure."""
    workspace = open_workspace(data, policy)
    view = workspace.account(account, marketplace or None)
    return workspace, view, view.measure(metric, as_of, **options)


def write_answer(output_format: OutputFormat, rows: Any, make_json: Callable[[], Any] | None = None) -> bool:
    """Write rows to standard output as CSV, JSON or XLSX; for the format "table" only return False.

    The command then draws the table itself. `make_json` returns the JSON data of an answer that is more than its rows.
    """
    if output_format is OutputFormat.table:
        return False
    if output_format is OutputFormat.json and make_json is not None:
        write_json(make_json())
        return True
    if output_format is OutputFormat.xlsx:
        write_workbook(rows)
        return True
    days = [name for name in rows if str(rows[name].dtype).startswith("datetime64[s]")]
    plain = rows.assign(**{name: rows[name].dt.strftime("%Y-%m-%d") for name in days})
    if output_format is OutputFormat.csv:
        sys.stdout.write(hk.tables.as_csv(plain))
    else:
        write_json(plain.astype(object).where(plain.notna(), None).to_dict("records"))
    return True


def write_workbook(rows: Any) -> None:
    """Write rows to standard output as a workbook; a terminal is refused, which cannot show one."""
    if sys.stdout.isatty():
        exit_with_error("A workbook cannot be shown here. Write it into a file: add > answer.xlsx to the command.")
    sys.stdout.flush()
    sys.stdout.buffer.write(hk.report.workbook.to_xlsx(rows))
    sys.stdout.buffer.flush()


def write_json(answer: Any) -> None:
    """Write plain data as JSON to standard output."""
    sys.stdout.write(json.dumps(answer, ensure_ascii=False, indent=1, default=_to_json_value) + "\n")


def _to_json_value(value: Any) -> Any:
    """Return a date as ISO text and a numpy integer as int, for the JSON encoder."""
    return value.isoformat() if hasattr(value, "isoformat") else int(value)


def make_table(sides_by_heading: dict[str, str], **table_options: Any) -> Table:
    """Return an empty table with the given column headings.

    `sides_by_heading` maps each heading to "left" or "right" (the alignment) or "long" (left aligned, may wrap).
    """
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", **table_options)
    for name, side in sides_by_heading.items():
        table.add_column(name, justify="right" if side == "right" else "left", no_wrap=side != "long")
    return table


def print_wide(*renderables: Any) -> None:
    """Print tables and sentences in the width of the terminal, or in PAGE_WIDTH if there is no terminal."""
    wide = Console(highlight=False, width=None if out.is_terminal else PAGE_WIDTH)
    for item in renderables:
        if isinstance(item, str):
            wide.print(item, soft_wrap=True, markup=False)
            continue
        if isinstance(item, Table) and _print_as_lines(item, wide):
            continue
        if isinstance(item, Table) and _min_width(item) > wide.width:
            # When wrapping the long columns is not enough, all columns fold, so that no cell is cut.
            for column in item.columns:
                column.no_wrap, column.overflow = False, "fold"
        wide.print(item)


def _print_as_lines(table: Table, console: Console) -> bool:
    """Print a table of `make_table` as Rich does, for a tenth of the time; return whether it was printed.

    At most one column may have to wrap. Tables with other cells than plain text are left to Rich.
    """
    columns = [[str(column.header), *map(str, column.cells)] for column in table.columns]
    widths = [max(map(cell_len, texts)) for texts in columns]
    excess = sum(widths) + 2 * (len(widths) - 1) - console.width
    if excess > 0:
        long = [number for number, column in enumerate(table.columns) if not column.no_wrap]
        if len(long) != 1 or widths[long[0]] - excess < MIN_COLUMN_WIDTH:
            return False
        widths[long[0]] -= excess
    if table.title or any(_MARKUP.search(text) for texts in columns for text in texts):
        return False
    rows: list[tuple[Any, str]] = []
    for style, *cells in zip([table.header_style, *(row.style for row in table.rows)], *columns, strict=True):
        parts = [
            [text] if cell_len(text) <= width else _wrap_text(text, width, console)
            for text, width in zip(cells, widths, strict=True)
        ]
        for line in zip_longest(*parts, fillvalue=""):
            padded = (
                set_cell_size(text, width) if column.justify == "left" else " " * (width - cell_len(text)) + text
                for text, width, column in zip(line, widths, table.columns, strict=True)
            )
            rows.append((style, "  ".join(padded)))
    for style, group in groupby(rows, key=itemgetter(0)):
        console.out("\n".join(line for _, line in group), style=style, highlight=False)
    return True


def _wrap_text(text: str, width: int, console: Console) -> list[str]:
    """Return a text as lines of at most a width, as Rich wraps the cells of a table."""
    return [line.plain for line in Text(text).wrap(console, width, overflow="ellipsis")]


def print_line(text: str) -> None:
    """Print one line to standard output as it is, without wrapping or markup."""
    out.print(text, soft_wrap=True, markup=False)


def print_error(text: str, style: str | None = "red") -> None:
    """Print one line to standard error as it is, in red unless another style is given."""
    err.print(text, style=style, soft_wrap=True, markup=False)


def _min_width(table: Table) -> int:
    """Return the width of a table whose long columns are as narrow as possible. [characters]"""
    widths = [
        (max(len(str(cell)) for cell in (column.header, *column.cells)), column.no_wrap) for column in table.columns
    ]
    return sum(width if no_wrap else min(width, MIN_COLUMN_WIDTH) for width, no_wrap in widths) + 2 * len(widths)


def no_orders_error(workspace: Any, as_of: date, accounts: list[str] | None, what: str = "orders") -> str:
    """Return the error for a question without an answer; it names the stores that have orders and no rules."""
    no_rules = reasons.unjudged_stores_sentence(workspace.unjudged_stores(accounts))
    if not no_rules:
        return f"No {what} up to {as_of} in {workspace.store.folder}."
    return f"No {what} up to {as_of} in {workspace.store.folder} that a policy judges. {no_rules}"


def warn_of_unjudged_stores(workspace: Any, accounts: list[str] | None) -> None:
    """Print which stores have orders and no rules to standard error, and what to do; nothing if there are none."""
    no_rules = reasons.unjudged_stores_sentence(workspace.unjudged_stores(accounts))
    if no_rules:
        print_error(no_rules, None)


def warn_of_accounts_without_orders(workspace: Any, accounts: list[str] | None) -> None:
    """Print a note on accounts of which only figures of the marketplace's own are known; nothing if there are none."""
    coverage = workspace.counts.coverage
    rows = coverage[(coverage["orders"] == 0) & (coverage["account"].isin(accounts) if accounts else True)]
    if len(rows):
        pairs = list(zip(rows["account"], rows["marketplace"], strict=True))
        print_error(f"Note: {reasons.accounts_without_orders_sentence(pairs)}", None)


class ErrorReporter:
    """Context manager that prints an error of healthkit or the file system as one sentence and exits with code 1."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ValueError) and type(error).__module__.startswith("healthkit."):
            metric = getattr(error, "metric", "")
            label = labels.capitalise_first(labels.metric_words(metric).label) if metric else ""
            exit_with_error(label + str(error).removeprefix(metric))
        if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            exit_with_error(
                f"No permission for {error.filename or 'a file'} ({error.strerror}). Ask for permission there, or name "
                "another folder: --out for pages, --data for the store, --work and TMPDIR for temporary files."
            )
        if isinstance(error, OSError):
            exit_with_error(f"{error.filename or 'A file'} cannot be read or written: {error.strerror or error}.")


def exit_with_error(sentence: str) -> None:
    """Print an error message and exit with code 1."""
    print_error(sentence)
    raise typer.Exit(1)


# -- words that several commands share ----------------------------------------------------------------------------


def measure_key(row: Any) -> tuple[Any, ...]:
    """Return the key (account, marketplace, metric, channel, window) of a row of SCORES or of a Verdict."""
    names = ("account", "marketplace", "metric", "channel", "window")
    return tuple(getattr(row, name) for name in names)


def named_channel(channel: str) -> str:
    """Return the given channel if labels must name it; empty for the usual channels "seller" and "all"."""
    return "" if channel in ("seller", "all") else channel


def measure_label(row: Any) -> str:
    """Return the name of a measure with its window, its channel if given, and a capital first letter.

    `row` is a row of SCORES, or another object with its fields.
    """
    return labels.capitalise_first(measure_phrase(row, row.channel))


def measure_phrase(row: Any, channel: str) -> str:
    """Return the name of the measure of a row as in `sentences.measure_phrase`, as its marketplace calls it."""
    return str(sentences.measure_phrase(row.metric, channel, int(row.window), labels.company_of(row.marketplace)))


def status_label(status: str) -> str:
    """Return a status with its symbol in front, or unchanged if it has no symbol."""
    symbol = labels.STATUS_STYLES[status][0] if status in labels.STATUS_STYLES else ""
    return f"{symbol} {status}".strip()


def integer_text(value: Any) -> str:
    """Return an integer as text with thousands separators; empty if the value is missing."""
    return "" if hk.tables.to_plain_value(value) is None else f"{value:,}"


def proxy_lines(proxies: Iterable[Any]) -> list[str]:
    """Return a line of text for each assumption that the given values of the column `proxy` name."""
    found = sorted({proxy for proxy in proxies if isinstance(proxy, str)})
    return [f"≈ proxy: {labels.assumptions_sentence(proxy)}" for proxy in found]


def unjudged_reason(verdict: Any) -> str:
    """Return a phrase that says why a measure cannot be judged from the order files.

    `verdict` is a Verdict with `reason` and `ours`.
    """
    row = verdict.ours
    noun = labels.metric_words(verdict.metric).noun
    minimum = None if verdict.rule is None else verdict.rule.minimum
    days = row["first_day"], row["last_day"], verdict.as_of.year
    return str(reasons.unjudged_reason(verdict.reason, noun, *days, minimum))
