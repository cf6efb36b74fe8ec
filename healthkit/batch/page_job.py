"""One job of a batch: run the notebook of an account and write the files of its page."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nbformat

from healthkit.batch import fork_client, manifest, output_files, pdf, report_data, run_notebook
from healthkit.report.html.block import HtmlBlock
from healthkit.report.html.logo import logo_block, read_logo
from healthkit.report.html.outputs import output_html
from healthkit.report.html.page import code_details, html_page
from healthkit.report.model import parse_period
from healthkit.schema.accounts_file import ConfiguredAccount

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


SENDABLE_SUFFIXES = (".html", "_orders.csv", ".pdf")
"""Suffixes of the files that may be sent to a client, beside the lists of orders of each measure.

The JSON, manifest and failed notebook are internal.
"""


@dataclass(frozen=True)
class Client:
    """How the pages of an account name it: the name for readers, and its logo as a data URI (see `html.logo`)."""

    display_name: str = ""
    logo: str = ""

    @classmethod
    def of_account(cls, account: ConfiguredAccount) -> Client:
        """Return the client of an account of the accounts file. Raises LogoError for a logo that cannot be used."""
        name = account.display_name if account.display_name != account.name else ""
        return cls(name, read_logo(account.logo) if account.logo else "")


@dataclass(frozen=True)
class PageRequest:
    """Options of a batch of reports.

    `made` is the text of the footer on when the report was made. `jobs` is the number of reports that run at once;
    `only_changed` skips reports whose inputs are unchanged. A notebook is killed after `deadline` [seconds] or beyond
    `memory` [MiB]. `self_contained` puts the chart script into every page, `show_code` adds the code of the cells,
    `pdf` adds a PDF of each page; `separate` writes a folder for each account and marketplace, with the files that may
    be sent, and `package` a zip file of them for each account. `clients` has names and logos for pages (by account).
    `work_folder` is the parent of the folder for the rows that the reports read (default: among the temporary
    files; for an executor, which may reach other machines, the folder of the store).
    """

    made: str = ""
    jobs: int | None = None
    only_changed: bool = False
    deadline: float | None = 300.0
    memory: int | None = 4096
    engine: str = run_notebook.FORK_ENGINE
    template: Path = run_notebook.TEMPLATE
    self_contained: bool = False
    show_code: bool = False
    pdf: bool = False
    separate: bool = False
    package: bool = False
    clients: Mapping[str, Client] = field(default_factory=dict)
    work_folder: Path | None = None


@dataclass(frozen=True)
class PageJob:
    """Job that generates one page; it holds only plain values, so that it can be sent to another machine.

    `month` is the period of the page: a month such as 2026-10, or a day such as 2026-10-14 for the week to it.
    `snapshot` is the folder that its notebook opens as its store, `folder` the one that its files are written to.
    `data` names the version of the store, and has digests of the imports, rules and events of the account.
    """

    account: str
    marketplace: str
    month: str
    snapshot: str
    data: tuple[tuple[str, str], ...]
    policy: str
    folder: Path
    request: PageRequest
    client: Client = Client()

    @property
    def stem(self) -> str:
        """The file name of the page without suffix."""
        return output_files.page_stem(self.account, self.marketplace)

    @property
    def owner(self) -> tuple[str, str]:
        """The account and the marketplace of the page."""
        return self.account, self.marketplace

    def file_name(self, suffix: str) -> str:
        """Return the path of the file of the page with the given suffix, relative to the reports folder."""
        return (
            f"{self.stem}/{self.stem}{suffix}"
            if self.request.separate and (suffix in SENDABLE_SUFFIXES or manifest.is_order_list_suffix(suffix))
            else f"{self.stem}{suffix}"
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the notebook that the job runs."""
        # A page that is sent on its own has no link to the index.
        no_index = {"index_href": ""} if self.request.separate else {}
        period = {"month" if parse_period(self.month).is_month else "as_of": self.month}
        name = {"display_name": self.client.display_name} if self.client.display_name else {}
        return period | {
            "account": self.account, "marketplace": self.marketplace, "data": self.snapshot,
            "policy": self.policy, "made": self.request.made, "stem": self.stem,
        } | no_index | name  # fmt: skip

    @property
    def inputs(self) -> dict[str, Any]:
        """The inputs that determine the content of the page (see `manifest.describe_inputs`).

        The path of the snapshot is not among them, nor is whether a PDF is asked for: a current page keeps its PDF.
        """
        request = self.request
        options: dict[str, Any] = {
            "self-contained": request.self_contained, "code": request.show_code, "separate": request.separate,
        }  # fmt: skip
        if self.client.logo:
            options["logo"] = output_files.sha256_hex(self.client.logo.encode())
        values = {name: value for name, value in self.parameters.items() if name != "data"} | options
        return manifest.describe_inputs(dict(self.data), request.template, values)

    @property
    def is_up_to_date(self) -> bool:
        """Whether the page exists already, complete and made from the same inputs, with a PDF if one is requested."""
        required = {self.file_name(".pdf")} if self.request.pdf else set()
        return manifest.is_page_current(self.folder, self.stem, self.inputs, required)


@dataclass(frozen=True)
class PageResult:
    """Result of a job: its status, and a message unless the status is "done".

    `pdf_error` says why a page that is done has no PDF, and `cure` what to do about it. `notes` has a sentence for each
    file that was renamed to a backup, because it has the name of one of our files but was not written by healthkit or
    was edited. `replaced` are files of an earlier run that are gone, as pairs of old and new name ("" without one).
    """

    job: PageJob
    status: str
    message: str = ""
    pdf_error: str = ""
    cure: str = ""
    notes: tuple[str, ...] = ()
    replaced: tuple[tuple[str, str], ...] = ()


def generate_page(job: PageJob) -> PageResult:
    """Run the notebook of a job, write the files of its page and return the result of the job.

    Errors are not raised but returned. A failed job is marked in the manifest and its notebook is written with the
    outputs so far; the page of an earlier run stays. A failed PDF leaves the page as it is.
    """
    folder, request = job.folder, job.request
    try:
        if request.engine == run_notebook.FORK_ENGINE and fork_client.CAN_FORK:
            fork_client.set_warmup_if_unset(lambda: dict(make_warmup(job)))
        notebook = run_notebook.run_template(
            job.parameters, request.template, engine=request.engine, deadline=request.deadline, memory=request.memory,
            is_shared=True,
        )  # fmt: skip
        files = _page_files(job, notebook)
        with lock_folder(folder):
            replaced = _names_to_replace(job)
            moved = manifest.write_page(folder, job.stem, job.owner, job.inputs, files)
    except run_notebook.BatchError as error:
        if error.status == fork_client.STOPPED:
            # Nothing is known about this run, so the files of an earlier one stay.
            return PageResult(job, fork_client.STOPPED, str(error))
        return record_failure(job, error.status or "failed", str(error), error.notebook)
    except (OSError, fork_client.ForkError) as error:
        return record_failure(job, "failed", str(error))
    result = _add_pdf(job, moved) if job.request.pdf else PageResult(job, "done", notes=tuple(moved))
    return replace(result, replaced=replaced)


def _names_to_replace(job: PageJob) -> tuple[tuple[str, str], ...]:
    """Return the page of an earlier run that will be elsewhere, and its PDF that will be gone, as `PageResult` says."""
    try:
        earlier = manifest.load_manifest(job.folder / f"{job.stem}{manifest.MANIFEST_SUFFIX}")["files"]
    except manifest.ManifestError:
        return ()
    page = job.file_name(".html")
    moved = [(name, page) for name in earlier if name.endswith(".html") and name != page]
    pdfs = [] if job.request.pdf else [(name, "") for name in earlier if name.endswith(".pdf")]
    return (*moved, *pdfs)


def record_failure(job: PageJob, status: str, message: str, notebook: Any = None) -> PageResult:
    """Record the failure of a job in its manifest, if that can be written, and return the result of the job."""
    message = " ".join(message.split())
    notes: list[str] = []
    with contextlib.suppress(OSError), lock_folder(job.folder):
        written = None if notebook is None else (nbformat.writes(notebook) + "\n").encode()
        notes = manifest.mark_failed(job.folder, job.stem, job.owner, {"status": status, "what": message}, written)
    return PageResult(job, status, message, notes=tuple(notes))


def _add_pdf(job: PageJob, notes: list[str]) -> PageResult:
    """Print the PDF of a page; return the result of its job."""
    folder, page = job.folder, job.file_name(".html")
    try:
        before = (folder / page).read_bytes()
        made = pdf.print_to_pdf(folder / page)
        with lock_folder(folder):
            # Another batch may have replaced the page meanwhile; then the PDF is not of this page.
            if (folder / page).read_bytes() == before:
                notes = notes + manifest.add_file(folder, job.stem, job.file_name(".pdf"), made)
    except (pdf.PdfError, manifest.ManifestError, OSError) as error:
        what, cure = " ".join(str(error).split()), getattr(error, "cure", pdf.RUN_AGAIN_WITH_PDF)
        with contextlib.suppress(OSError), lock_folder(folder):
            manifest.add_note(folder, job.stem, job.owner, {"without_pdf": {"what": what, "cure": cure}})
        return PageResult(job, "done", pdf_error=what, cure=cure, notes=tuple(notes))
    return PageResult(job, "done", notes=tuple(notes))


def _page_files(job: PageJob, notebook: Any) -> dict[str, bytes]:
    """Return the content of the files of a page by name. Raises BatchError if the notebook shows no ReportData."""
    request, data = job.request, None
    html: list[HtmlBlock | str] = [logo_block(job.client.logo)] if job.client.logo else []
    outputs = [(cell, output) for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    for number, (cell, output) in enumerate(outputs):
        if report_data.MIME_TYPE in output.get("data", {}):
            data = data or output.data[report_data.MIME_TYPE]
        elif block := output_html(output, f"output-{number}"):
            show_code = request.show_code and cell.source and output is cell.outputs[0]
            html += [code_details(cell.source), block] if show_code else [block]
    if data is None:
        raise run_notebook.BatchError(
            f"{request.template} shows no hk.batch.ReportData(report, stem); its last cell must."
        )
    href, text = ("", output_files.vega_bundle()) if request.self_contained else (output_files.VEGA_FILE_NAME, "")
    texts = {
        "_orders.csv": data["orders"],
        ".json": _figures_json(data["figures"] | {"row": data["row"]}),
        ".html": html_page(data["title"], html, vega_href=href, vega_text=text),
        **data.get("order_lists", {}),
    }
    workbooks = data.get("order_workbooks", {})
    contents = {suffix: text.encode() for suffix, text in texts.items()} | {
        suffix: base64.b64decode(text) for suffix, text in workbooks.items()
    }
    files = {job.file_name(suffix): content for suffix, content in contents.items()}
    if request.separate and href:
        files[f"{job.stem}/{href}"] = output_files.vega_bundle().encode()
    return files


def _figures_json(figures: Mapping[str, Any]) -> str:
    """Return the figures of a page as JSON with a line for each record.

    The encoder in C, which is several times as fast as the one in Python, has no indents.

    >>> print(_figures_json({"account": "acme", "scores": [{"window": 30}, {"window": 60}]}), end="")
    {
     "account": "acme",
     "scores": [
      {"window": 30},
      {"window": 60}
     ]
    }
    """
    encode = json.JSONEncoder(ensure_ascii=False).encode
    texts = {
        name: "[\n  " + ",\n  ".join(map(encode, value)) + "\n ]"
        if value and isinstance(value, list)
        else encode(value)
        for name, value in figures.items()
    }
    return "{\n " + ",\n ".join(f"{encode(name)}: {text}" for name, text in texts.items()) + "\n}\n"


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock a reports folder while files are replaced, because two batches may write to it at once."""
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        # Without locks only one batch at a time is safe; each single file is still written atomically.
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


SHARED_WARMUP_FROM = 8
"""Minimum number of reports for which the warm-up also fits the rates that all accounts share."""


def make_warmup(job: PageJob, report_count: int = SHARED_WARMUP_FROM) -> Mapping[str, Any]:
    """Return the warm-up of the fork server: a run of the template of the given job.

    For `SHARED_WARMUP_FROM` or more reports it first fits the rates that all accounts share.
    """
    workspace = f"hk.Workspace({job.snapshot!r}, {job.policy or None!r})"
    shared = f"import healthkit as hk\n{workspace}.prepare_forecasts(hk.model.parse_period({job.month!r}).last)"
    cells = run_notebook.code_cells(job.parameters, job.request.template)
    cells = [(0, shared), *cells] if report_count >= SHARED_WARMUP_FROM else cells
    return {"cells": cells, "modules": list(fork_client.PRELOADED_MODULES)}
