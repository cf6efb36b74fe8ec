"""What runs here and what is missing: the kit about itself, for `doctor`."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from healthkit import store
from healthkit.analysis.verdicts import AMAZON, FRESH_DAYS, OURS, AccountVerdict, Verdict
from healthkit.files import package_files
from healthkit.report import wording
from healthkit.workspace import workspace

WELL, MISSING, WRONG = "✓", "▲", "✕"
NEEDED = (
    "pandas", "numpy", "pyarrow", "narwhals", "duckdb", "deltalake", "altair", "vl-convert-python", "jupyterlab",
    "ipywidgets", "anywidget", "papermill", "nbformat", "jinja2", "typer", "pydantic", "PyYAML",
)  # fmt: skip
"""The libraries without which some part does not work, by the names of their packages."""
LEAST_ROOM = 1 << 30
"""With less room on the disk, an import or a batch may not come to its end. [bytes]"""


class Line(NamedTuple):
    """One thing that was looked at: well, missing or wrong; what it is; what to do."""

    symbol: str
    text: str
    cure: str = ""


def account(book: workspace.Desk, name: str, day: date) -> list[Line]:
    """Say where one account stands as of the last day up to `day` that its files tell of, and which files are missing.

    Raises StoreError for an account that the store does not hold.
    """
    book.store.check_accounts([name], book.accounts)
    return [line for verdict in book.verdicts(day, [name], as_known=True) for line in _stands(book, verdict, day)]


def _stands(book: workspace.Desk, verdict: AccountVerdict, day: date) -> Iterator[Line]:
    """Where an account stands in one marketplace: what is wrong, stale, cannot be judged, is estimated or missing."""
    where = f"{verdict.account} ({verdict.marketplace})"
    is_stale = (day - verdict.as_of).days > FRESH_DAYS
    symbols = {"off target": WRONG, "at risk": MISSING, "on target": MISSING if is_stale else WELL}
    yield Line(
        symbols.get(verdict.status, MISSING), f"{where}: {verdict.status} on {wording.long_day(verdict.as_of, 0)}"
    )
    if is_stale:
        stale = f"Its files end {wording.things((day - verdict.as_of).days, 'day')} before {wording.long_day(day, 0)}"
        yield Line(MISSING, f"{stale}; what came later is not known", "Import newer files, the all-orders file first.")
    for one in verdict.measures:
        if one.whose and one.status in ("off target", "at risk"):
            whose = " by the marketplace's own figure" if one.whose == AMAZON else ""
            yield Line(symbols[one.status], f"{_name(one)}: {one.status}{whose}")
        elif one in verdict.enforced_unjudged and one.reason is not None and one.ours is not None:
            days = one.ours["first_day"], one.ours["last_day"]
            why = wording.reasons.why(one.reason, wording.metric(one.metric).noun, *days, one.as_of.year)
            yield Line(MISSING, f"{_name(one)} cannot be judged: {why}")
    assumed = {one.ours["proxy"] for one in verdict.measures if one.ours is not None and one.whose == OURS}
    for proxy in sorted(filter(None, assumed)):
        yield Line(MISSING, f"≈ estimated: {wording.assumptions(proxy)}")
    for file in book.advice(verdict):
        yield Line(MISSING, wording.downloads.sentence(*file))
    if verdict.not_covered:
        names = [wording.inside(wording.metric(name).label) for name in verdict.not_covered]
        yield Line(MISSING, f"Not covered: no file tells of {wording.listed(names)}; no consequence is known")


def _name(one: Verdict) -> str:
    """One measure as a label."""
    channel = "" if one.channel in ("seller", "all") else one.channel
    return wording.opening(wording.measure(one.metric, channel, one.window))


def examine(folder: store.Folder, whole: bool = False) -> list[Line]:
    """Look at the kit, its libraries and one store; `whole` reads every data file of it."""
    return [
        _kit(),
        _libraries(),
        *_shipped(),
        *_optional(),
        _room(store.Store(folder).besides[0]),
        *_store(folder, whole),
    ]


def _kit() -> Line:
    python = ".".join(map(str, sys.version_info[:3]))
    return Line(WELL, f"healthkit {_version('healthkit')}, Python {python}, {platform.system()} {platform.machine()}")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _libraries() -> Line:
    held = {name: _version(name) for name in NEEDED}
    missing = [name for name, version in held.items() if not version]
    if missing:
        cure = "Install the pinned ones: pip install -r requirements.txt (or make setup)."
        return Line(WRONG, f"Missing libraries: {', '.join(missing)}.", cure)
    return Line(WELL, ", ".join(f"{name} {version}" for name, version in held.items()))


def _shipped() -> list[Line]:
    """Whether the files are there that come with the kit and lie outside of its code."""
    missing = package_files.missing()
    if not missing:
        return [Line(WELL, f"Report template, column map and notebooks: {package_files.root()}")]
    cure = "Install healthkit again (pip install --force-reinstall --no-deps), or restore them in the checkout."
    return [Line(WRONG, f"Missing files of the kit: {', '.join(missing)}.", cure)]


def _optional() -> list[Line]:
    """What only some work needs."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    lines = [
        Line(WELL, f"Chromium for --pdf: {browser}") if browser
        else Line(MISSING, "No Chromium: report --pdf cannot print PDF.", "Install chromium, or leave --pdf out."),
        Line(WELL, "dask.distributed for --cluster") if find_spec("distributed")
        else Line(MISSING, "No dask.distributed: report --cluster cannot be used.", "pip install 'healthkit[cluster]'"),
    ]  # fmt: skip
    if not hasattr(os, "fork"):
        lines.append(Line(MISSING, "No fork here: reports are printed by a kernel each, some ten times slower."))
    return lines


def _room(folder: Path) -> Line:
    """How much room the disk of the store has, and that of temporary files."""
    place = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    free = {str(place): shutil.disk_usage(place).free, "temporary files": shutil.disk_usage(tempfile.gettempdir()).free}
    told = ", ".join(f"{many / (1 << 30):,.1f} GiB for {what}" for what, many in free.items())
    if min(free.values()) < LEAST_ROOM:
        return Line(WRONG, f"Little room on the disk: {told}.", "Make room before the next import or batch.")
    return Line(WELL, f"Room on the disk: {told}")


def _store(folder: store.Folder, whole: bool) -> list[Line]:
    """What the store holds, and whether it can be read."""
    held = store.Store(folder)
    if not held.exists():
        return [Line(MISSING, f"No store at {folder}.", f"python -m healthkit import PATH --data {folder}")]
    try:
        book = workspace.Desk(folder)
        coverage = book.counts.coverage
        files = len(held.reports())
    except store.StoreError as error:
        denied = isinstance(error, store.NoPermissionError)
        return [Line(WRONG, str(error), "" if denied else f"python -m healthkit store repair --data {folder}")]
    many = int(coverage["orders"].sum())
    lines = [Line(WELL, f"{folder}: version {held.version()}, {files:,} raw files, {coverage['account'].nunique():,} "
                        f"accounts, {many:,} orders")]  # fmt: skip
    if book.unjudged:
        cure = "Choose one with --policy, such as amazon_reference."
        lines.append(Line(MISSING, f"No policy judges {', '.join(book.unjudged)}.", cure))
    if whole:
        many = len(store.check(held).damages)
        cure = f"python -m healthkit store check --data {folder}"
        lines.append(Line(WRONG, f"{many:,} things are wrong with its files.", cure) if many
                     else Line(WELL, "Every data file of it was read."))  # fmt: skip
    return lines
