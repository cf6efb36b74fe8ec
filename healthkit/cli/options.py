"""What every command shares: its usual options, the desk it opens, how rows are printed and errors told."""

from __future__ import annotations

import errno
import json
import logging
import math
import re
import sys
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
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
PAGE_WIDTH, MIN_COLUMN_WIDTH = 180, 20
"""So many characters a line of a table has where the output is no terminal, and a long column at the least."""

FIRST_DAY, LAST_DAY = date(1990, 1, 1), date(2199, 12, 31)
"""The days that can be asked for: no marketplace is older, and windows reach beyond a day."""
MAX_DAYS = 3_700
"""The longest range of days that is answered at once: ten years. [days]"""


class LogLevel(StrEnum):
    """How much is said of the work while it is done."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


class _PrintableFormatter(logging.Formatter):
    """One line a message: what cannot be printed in a name is spelled out, so that no file forges a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)


@app.callback()
def configure_logging(
    log: Annotated[
        LogLevel | None, typer.Option(help="Say on standard error what is done, from this level on.")
    ] = None,
) -> None:
    """What comes before every command."""
    if log is None:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(_PrintableFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    rooms = logging.getLogger("healthkit")
    rooms.addHandler(handler)
    rooms.setLevel(log.upper())


class OutputFormat(StrEnum):
    """How rows are printed."""

    table = "table"
    csv = "csv"
    json = "json"


def parse_day(text: str) -> date:
    """A day as the command line gives it."""
    try:
        chosen = date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day; write it as 2026-10-31.") from None
    return _check_day_in_range(chosen)


def _check_day_in_range(chosen: date) -> date:
    """A day that can be asked for. Raises BadParameter for one far off, from which no window can be counted."""
    if not FIRST_DAY <= chosen <= LAST_DAY:
        raise typer.BadParameter(f"{chosen} is out of reach; give a day from {FIRST_DAY} to {LAST_DAY}.")
    return chosen


def days_between(first: date, last: date) -> list[date]:
    """The days of a range, both ends in. Raises BadParameter for one that is too long or ends before it begins."""
    if first > last:
        raise typer.BadParameter(f"--from {first} is after --as-of {last}.")
    if (last - first).days >= MAX_DAYS:
        raise typer.BadParameter(
            f"--from {first} to --as-of {last} is {(last - first).days + 1:,} days; "
            f"ask for at most {MAX_DAYS:,} at once."
        )
    return list(hk.scores.list_days(first, last))


def check_seconds(value: float) -> float:
    """A number of seconds as the command line gives it. Raises BadParameter for one that is no finite number."""
    if not math.isfinite(value):
        raise typer.BadParameter("Give a number of seconds, such as 300.")
    return value


def account_labels(rows: Any) -> dict[tuple[str, str], str]:
    """The name of each account and marketplace of some rows; with the marketplace where the account has several."""
    pairs = [
        (str(account), str(code))
        for account, code in dict.fromkeys(zip(rows["account"], rows["marketplace"], strict=True))
    ]
    several = {account for account, times in Counter(account for account, _ in pairs).items() if times > 1}
    return {(account, code): f"{account} ({code})" if account in several else account for account, code in pairs}


def latest_day() -> date:
    """The latest day that has begun anywhere on Earth."""
    return datetime.now(timezone(timedelta(hours=14))).date()


def parse_path(text: str) -> Path:
    """A path as the command line gives it; an empty one, as of a variable that is not set, names no file."""
    if not str(text).strip():
        raise typer.BadParameter("the path is empty. Name a file or folder, or leave the option out.")
    return Path(text)


def parse_month(text: str) -> str:
    """A month as the command line gives it."""
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}", text):
            raise ValueError
        _check_day_in_range(date.fromisoformat(f"{text}-01"))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a month; write it as 2026-10.") from None
    return text


DataOption = Annotated[
    Path | None,
    typer.Option("--data", parser=parse_path, metavar="PATH", help="Folder of the store. Default: data/store."),
]
AccountsOption = Annotated[list[str] | None, typer.Option("--account", help="An account; may be given several times.")]
AccountOption = Annotated[str, typer.Option("--account", help="The account.")]
MarketplaceOption = Annotated[
    str, typer.Option(help="The marketplace, such as US or DE; needed where the account sells in several.")
]
AsOfOption = Annotated[date, typer.Option(parser=parse_day, metavar="DAY", help="The day whose evening we look from.")]
MetricOption = Annotated[str, typer.Option(help="The measure, such as late_shipment_rate.")]
ChannelOption = Annotated[str, typer.Option(help="seller, amazon or all; needed where the measure has several.")]
WindowOption = Annotated[
    int | None, typer.Option(min=1, metavar="DAYS", help="Default: the longest window of the rule.")
]
FormatOption = Annotated[OutputFormat, typer.Option("--format", help="How to print.")]
PolicyOption = Annotated[
    str | None,
    typer.Option("--policy", help="Judge all by this policy (a name or a YAML file) instead of the marketplace's."),
]


VersionOption = Annotated[
    int | None,
    typer.Option("--version", min=0, metavar="N", help="The store as of a version (see store versions)."),
]


def open_workspace(data: Path | None, policy: str | None = None, version: int | None = None) -> Any:
    """The desk; where the sample is shown for want of a store of one's own, that is said."""
    folder = hk.workspace.find_store_folder(data)
    if data is None and folder.name == hk.workspace.SAMPLE_STORE.name:
        err.print(f"No store of your own yet: showing the sample ({hk.workspace.SAMPLE_STORE}).")
    return hk.workspace.Workspace(folder, policy, version=version)


def write_rows(rows: Any, output_format: OutputFormat) -> bool:
    """Write rows as CSV or JSON on standard output; False where a table is wanted, which each command draws itself."""
    if output_format is OutputFormat.table:
        return False
    days = [name for name in rows if str(rows[name].dtype).startswith("datetime64[s]")]
    plain = rows.assign(**{name: rows[name].dt.strftime("%Y-%m-%d") for name in days})
    if output_format is OutputFormat.csv:
        sys.stdout.write(hk.tables.as_csv(plain))
    else:
        write_json(plain.astype(object).where(plain.notna(), None).to_dict("records"))
    return True


def write_json(answer: Any) -> None:
    """Write plain data as JSON on standard output."""
    sys.stdout.write(json.dumps(answer, ensure_ascii=False, indent=1, default=_to_json_value) + "\n")


def _to_json_value(value: Any) -> Any:
    """What JSON has no word for: days as text, whole numbers of numpy as such."""
    return value.isoformat() if hasattr(value, "isoformat") else int(value)


def make_table(sides_by_heading: dict[str, str], **table_options: Any) -> Table:
    """An empty table; `heads` says of each column on which side its words stand."""
    made = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", **table_options)
    for name, side in sides_by_heading.items():
        made.add_column(name, justify="right" if side == "right" else "left", no_wrap=side != "long")
    return made


def print_wide(*renderables: Any) -> None:
    """Print tables and sentences, as wide as the terminal or as a page where there is none."""
    wide = Console(highlight=False, width=None if out.is_terminal else PAGE_WIDTH)
    for thing in renderables:
        if isinstance(thing, str):
            wide.print(thing, soft_wrap=True, markup=False)
            continue
        if isinstance(thing, Table) and _min_width(thing) > wide.width:
            # Where the long column alone cannot make room, all fold: none may be cut, or squeezed to nothing.
            for column in thing.columns:
                column.no_wrap, column.overflow = False, "fold"
        wide.print(thing)


def _min_width(table: Table) -> int:
    """How wide a table is whose long columns are as narrow as can be read. [characters]"""
    widths = [
        (max(len(str(cell)) for cell in (column.header, *column.cells)), column.no_wrap) for column in table.columns
    ]
    return sum(width if stiff else min(width, MIN_COLUMN_WIDTH) for width, stiff in widths) + 2 * len(widths)


class ErrorReporter:
    """Turns an error of one of our rooms, which says what to do, into its sentence and exit code 1."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ValueError) and type(error).__module__.startswith("healthkit."):
            exit_with_error(str(error))
        if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            exit_with_error(
                f"No permission for {error.filename or 'a file'} ({error.strerror}). Ask for permission there, or name "
                "another folder: --out for pages, --data for the store, --work and TMPDIR for temporary files."
            )
        if isinstance(error, OSError):
            exit_with_error(f"{error.filename or 'A file'} cannot be read or written: {error.strerror or error}.")


def exit_with_error(sentence: str) -> None:
    """Say what is wrong and end with exit code 1."""
    err.print(sentence, style="red", soft_wrap=True, markup=False)
    raise typer.Exit(1)
