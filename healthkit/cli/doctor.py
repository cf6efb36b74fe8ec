"""Checks of the installation, the store and an account, for the command `doctor`."""

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
from healthkit.ingest import downloads
from healthkit.report.text import downloads as downloads_text
from healthkit.report.text import figures, labels, reasons, sentences
from healthkit.workspace import workspace

OK, MISSING, WRONG = "✓", "▲", "✕"
REQUIRED_PACKAGES = (
    "pandas", "numpy", "pyarrow", "narwhals", "duckdb", "deltalake", "altair", "vl-convert-python", "jupyterlab",
    "ipywidgets", "anywidget", "papermill", "nbformat", "jinja2", "typer", "pydantic", "PyYAML",
)  # fmt: skip
"""Packages that healthkit requires."""
MIN_FREE_BYTES = 1 << 30
"""Free disk space below which an import or a batch may fail. [bytes]"""


class DoctorLine(NamedTuple):
    """One line that `doctor` prints: a symbol (OK, MISSING or WRONG), a text, and what to do."""

    symbol: str
    text: str
    cure: str = ""


def examine_account(
    workspace: workspace.Workspace, name: str, day: date, today: date | None = None
) -> list[DoctorLine]:
    """Return lines about the status of an account and about its missing files.

    The status is that of the last day, up to `day`, that the files of the account cover; `today` is the day from which
    they are old (default: `day`). Raises StoreError for an account that the store does not hold.
    """
    workspace.store.check_accounts([name], workspace.accounts)
    verdict_lines = [
        line
        for verdict in workspace.verdicts(day, [name], at_last_known_day=True)
        for line in _verdict_lines(verdict, today or day)
    ]
    return [*verdict_lines, *_unjudged_lines(workspace, [name])]


def _unjudged_lines(workspace: workspace.Workspace, accounts: list[str] | None = None) -> list[DoctorLine]:
    """Return a line on the stores that have orders and no rules; no line if there are none."""
    sentence = reasons.unjudged_stores_sentence(workspace.unjudged_stores(accounts))
    return [DoctorLine(MISSING, sentence)] if sentence else []


def _verdict_lines(verdict: AccountVerdict, day: date) -> Iterator[DoctorLine]:
    """Return lines on an account in one marketplace: off target, stale, unjudged, estimated or missing data."""
    where = f"{verdict.account} ({verdict.marketplace})"
    is_stale = (day - verdict.as_of).days > FRESH_DAYS
    symbols = {"off target": WRONG, "at risk": MISSING, "on target": MISSING if is_stale else OK}
    yield DoctorLine(
        symbols.get(verdict.status, MISSING),
        f"{where}: {verdict.status} on {figures.format_long_day(verdict.as_of, 0)}",
    )
    if is_stale:
        stale = (
            f"Its files end {figures.format_quantity((day - verdict.as_of).days, 'day')} before "
            f"{figures.format_long_day(day, 0)}"
        )
        first_file = downloads.downloads_for("orders", verdict.marketplace)[0]
        yield DoctorLine(
            MISSING, f"{stale}; what came later is not known", f"Import newer files, the {first_file.title} first."
        )
    for one in verdict.measures:
        if one.decided_by and one.status in ("off target", "at risk"):
            whose = " by the marketplace's own figure" if one.decided_by == AMAZON else ""
            yield DoctorLine(symbols[one.status], f"{_measure_label(one)}: {one.status}{whose}")
        elif one in verdict.enforced_unjudged and one.reason is not None and one.ours is not None:
            days = one.ours["first_day"], one.ours["last_day"]
            why = reasons.unjudged_reason(one.reason, labels.metric_words(one.metric).noun, *days, one.as_of.year)
            yield DoctorLine(MISSING, f"{_measure_label(one)} cannot be judged: {why}")
    assumed = {one.ours["proxy"] for one in verdict.measures if one.ours is not None and one.decided_by == OURS}
    for proxy in sorted(filter(None, assumed)):
        yield DoctorLine(MISSING, f"≈ estimated: {labels.assumptions_sentence(proxy)}")
    for file in downloads.recommend_downloads(verdict.missing_evidence(), verdict.marketplace):
        yield DoctorLine(MISSING, downloads_text.advice_sentence(file))
    if verdict.not_covered:
        company = labels.company_of(verdict.marketplace)
        names = [labels.lowercase_first(labels.metric_words(name, company).label) for name in verdict.not_covered]
        yield DoctorLine(MISSING, f"Not covered: no file covers {labels.join_words(names)}; no consequence is known")


def _measure_label(one: Verdict) -> str:
    """Return the label of a measure."""
    channel = "" if one.channel in ("seller", "all") else one.channel
    return labels.capitalise_first(
        sentences.measure_phrase(one.metric, channel, one.window, labels.company_of(one.marketplace))
    )


def examine_installation(folder: store.Folder, read_all_files: bool = False) -> list[DoctorLine]:
    """Return lines about healthkit, its libraries and a store.

    With `read_all_files` every data file of the store is also read.
    """
    return [
        _kit_line(),
        _libraries_line(),
        *_shipped_lines(),
        *_optional_lines(),
        _disk_space_line(store.Store(folder).cache_folders[0]),
        *_store_lines(folder, read_all_files),
    ]


def _kit_line() -> DoctorLine:
    python = ".".join(map(str, sys.version_info[:3]))
    return DoctorLine(
        OK, f"healthkit {_version('healthkit')}, Python {python}, {platform.system()} {platform.machine()}"
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _libraries_line() -> DoctorLine:
    versions = {name: _version(name) for name in REQUIRED_PACKAGES}
    missing = [name for name, version in versions.items() if not version]
    if missing:
        cure = "Install the pinned ones: pip install -r requirements.txt (or make setup)."
        return DoctorLine(WRONG, f"Missing libraries: {', '.join(missing)}.", cure)
    return DoctorLine(OK, ", ".join(f"{name} {version}" for name, version in versions.items()))


def _shipped_lines() -> list[DoctorLine]:
    """Return a line on the files that healthkit installs beside its code."""
    missing = package_files.missing()
    if not missing:
        return [DoctorLine(OK, f"Report template, column map and notebooks: {package_files.root()}")]
    cure = "Install healthkit again (pip install --force-reinstall --no-deps), or restore them in the checkout."
    return [DoctorLine(WRONG, f"Missing files of healthkit: {', '.join(missing)}.", cure)]


def _optional_lines() -> list[DoctorLine]:
    """Return lines on what only some commands need."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    lines = [
        DoctorLine(OK, f"Chromium for --pdf: {browser}") if browser
        else DoctorLine(MISSING, "No Chromium: report --pdf cannot print PDF.",
            "Install chromium, or leave --pdf out."),
        DoctorLine(OK, "dask.distributed for --cluster") if find_spec("distributed")
        else DoctorLine(MISSING, "No dask.distributed: report --cluster cannot be used.",
            "pip install 'healthkit[cluster]'"),
    ]  # fmt: skip
    if not hasattr(os, "fork"):
        lines.append(DoctorLine(MISSING, "No fork here: reports are printed by a kernel each, some ten times slower."))
    return lines


def _disk_space_line(folder: Path) -> DoctorLine:
    """Return a line on the free disk space of the store and of temporary files."""
    place = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    free = {str(place): shutil.disk_usage(place).free, "temporary files": shutil.disk_usage(tempfile.gettempdir()).free}
    sizes = ", ".join(f"{size / (1 << 30):,.1f} GiB for {use}" for use, size in free.items())
    if min(free.values()) < MIN_FREE_BYTES:
        return DoctorLine(WRONG, f"Little room on the disk: {sizes}.", "Make room before the next import or batch.")
    return DoctorLine(OK, f"Room on the disk: {sizes}")


def _store_lines(folder: store.Folder, read_all_files: bool) -> list[DoctorLine]:
    """Return lines on what the store holds and whether it can be read."""
    opened = store.Store(folder)
    if not opened.exists():
        return [DoctorLine(MISSING, f"No store at {folder}.", f"python -m healthkit import PATH --data {folder}")]
    try:
        opened_workspace = workspace.Workspace(folder)
        coverage = opened_workspace.counts.coverage
        files = len(opened.reports())
    except store.StoreError as error:
        denied = isinstance(error, store.NoPermissionError)
        return [DoctorLine(WRONG, str(error), "" if denied else f"python -m healthkit store repair --data {folder}")]
    order_count = int(coverage["orders"].sum())
    accounts = coverage["account"].nunique()
    summary = (
        f"{folder}: version {opened.version()}, {figures.format_quantity(files, 'raw file')}, "
        f"{figures.format_quantity(accounts, 'account')}, {figures.format_quantity(order_count)}"
    )
    lines = [DoctorLine(OK, summary)]
    lines += _unjudged_lines(opened_workspace)
    if read_all_files:
        problems = len(store.check(opened).damages)
        cure = f"python -m healthkit store check --data {folder}"
        lines.append(DoctorLine(WRONG, f"{problems:,} problems with its data files.", cure) if problems
                     else DoctorLine(OK, "Every data file of it was read."))  # fmt: skip
    return lines
