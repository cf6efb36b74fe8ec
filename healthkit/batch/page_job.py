"""One page: its notebook run, and what it showed put on the shelf; the unit of work that a batch hands out."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from healthkit.batch import fork_client, manifest, output_files, pdf, report_data, run_notebook
from healthkit.report import blocks

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


SENDABLE_SUFFIXES = (".html", "_orders.csv", ".pdf")
"""How those files end that may be sent to a client; figures, manifest and a failed notebook hold internals."""


@dataclass(frozen=True)
class PageJob:
    """One page to print: of whom, from what, and where to. Plain values, so that it can travel to another machine.

    `excerpt` is the folder that its notebook opens as its store; `data` names the state of the store and the rules.
    `separate` puts what may be sent (page, CSV, PDF, script) into a folder of the account, the rest beside the index.
    """

    account: str
    marketplace: str
    month: str
    excerpt: str
    data: tuple[tuple[str, str], ...]
    policy: str
    made: str
    folder: str
    template: str
    engine: str = run_notebook.FORK_ENGINE
    deadline: float | None = None
    memory: int | None = None
    alone: bool = False
    code: bool = False
    pdf: bool = False
    separate: bool = False

    @property
    def stem(self) -> str:
        """The name of its page without the ending."""
        return output_files.page_stem(self.account, self.marketplace)

    @property
    def owner(self) -> tuple[str, str]:
        """Whose page it is."""
        return self.account, self.marketplace

    def file_name(self, suffix: str) -> str:
        """The name of one of its files, in the reports folder."""
        return (
            f"{self.stem}/{self.stem}{suffix}"
            if self.separate and suffix in SENDABLE_SUFFIXES
            else f"{self.stem}{suffix}"
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """What its notebook is run with."""
        # A page that is sent alone has no way to an index of all.
        alone = {"index_href": ""} if self.separate else {}
        return {
            "account": self.account, "marketplace": self.marketplace, "month": self.month, "data": self.excerpt,
            "policy": self.policy, "made": self.made, "stem": self.stem,
        } | alone  # fmt: skip

    @property
    def made_of(self) -> dict[str, Any]:
        """What decides what its page shows; where the excerpt lies does not."""
        looks = {"self-contained": self.alone, "code": self.code, "pdf": self.pdf, "separate": self.separate}
        held = {name: value for name, value in self.parameters.items() if name != "data"} | looks
        return manifest.describe_inputs(dict(self.data), Path(self.template), held)

    @property
    def is_up_to_date(self) -> bool:
        """Whether its page stands whole, with its PDF if that is wanted, and was made of just this."""
        wanted = {self.file_name(".pdf")} if self.pdf else set()
        return manifest.is_page_current(Path(self.folder), self.stem, self.made_of, wanted)


@dataclass(frozen=True)
class PageResult:
    """How one job ended: its status, and what is to be said of it unless it is done.

    `without_pdf` says why a page that is done has no PDF, `cure` what to do about that; `moved` has a sentence for each
    file that was moved aside, because it has the name of one of ours and is not.
    """

    job: PageJob
    status: str
    says: str = ""
    without_pdf: str = ""
    cure: str = ""
    moved: tuple[str, ...] = ()


def generate_page(job: PageJob) -> PageResult:
    """Print one page with its orders and figures beside it; what goes wrong is told, never raised.

    A page that fails is marked so in its manifest and leaves its notebook, as far as it ran; the page of an earlier run
    stays in its place. A PDF that fails takes nothing back.
    """
    folder = Path(job.folder)
    try:
        if job.engine == run_notebook.FORK_ENGINE and fork_client.CAN_FORK:
            fork_client.set_warmup_if_unset(lambda: dict(make_warmup(job)))
        notebook = run_notebook.run_template(
            job.parameters, Path(job.template), engine=job.engine, deadline=job.deadline, memory=job.memory
        )
        files = _page_files(job, notebook)
        with lock_folder(folder):
            moved = manifest.write_page(folder, job.stem, job.owner, job.made_of, files)
    except run_notebook.BatchError as error:
        if error.status == fork_client.STOPPED:
            # Nothing is known of it: what stands in its place stays.
            return PageResult(job, fork_client.STOPPED, str(error))
        return record_failure(job, error.status or "failed", str(error), error.notebook)
    except (OSError, fork_client.ForkError) as error:
        return record_failure(job, "failed", str(error))
    return _add_pdf(job, moved) if job.pdf else PageResult(job, "done", moved=tuple(moved))


def record_failure(job: PageJob, status: str, message: str, notebook: Any = None) -> PageResult:
    """The outcome of a job that made no page, also noted in its manifest where that can be written."""
    message = " ".join(message.split())
    folder, moved = Path(job.folder), []
    with contextlib.suppress(OSError), lock_folder(folder):
        written = None if notebook is None else (nbformat.writes(notebook) + "\n").encode()
        moved = manifest.mark_failed(folder, job.stem, job.owner, {"status": status, "what": message}, written)
    return PageResult(job, status, message, moved=tuple(moved))


def _add_pdf(job: PageJob, notes: list[str]) -> PageResult:
    """The outcome of a job whose page is printed and is to have a PDF beside it."""
    folder, page = Path(job.folder), job.file_name(".html")
    try:
        before = (folder / page).read_bytes()
        made = pdf.print_to_pdf(folder / page)
        with lock_folder(folder):
            # Another batch may have replaced the page meanwhile: then this PDF is not of it.
            if (folder / page).read_bytes() == before:
                notes = notes + manifest.add_file(folder, job.stem, job.file_name(".pdf"), made)
    except (pdf.PdfError, manifest.ManifestError, OSError) as error:
        what, cure = " ".join(str(error).split()), getattr(error, "cure", pdf.RUN_AGAIN_WITH_PDF)
        with contextlib.suppress(OSError), lock_folder(folder):
            manifest.add_note(folder, job.stem, job.owner, {"without_pdf": {"what": what, "cure": cure}})
        return PageResult(job, "done", without_pdf=what, cure=cure, moved=tuple(notes))
    return PageResult(job, "done", moved=tuple(notes))


def _page_files(job: PageJob, notebook: Any) -> dict[str, bytes]:
    """The files of a page, by their names."""
    shown = [
        (cell.source if number == 0 else "", output)
        for cell in notebook.cells
        if cell.cell_type == "code"
        for number, output in enumerate(cell.outputs)
    ]
    blocks_shown = [
        (source, block)
        for number, (source, output) in enumerate(shown)
        if report_data.MIME_TYPE not in output.get("data", {})
        and (block := blocks.output_html(output, f"output-{number}"))
    ]
    data = next(
        (output.data[report_data.MIME_TYPE] for _, output in shown if report_data.MIME_TYPE in output.get("data", {})),
        None,
    )
    if data is None:
        raise run_notebook.BatchError(
            f"{job.template} shows no hk.batch.ReportData(monthly, stem); its last cell must."
        )
    html = [
        part
        for source, block in blocks_shown
        for part in ([blocks.code_details(source)] if job.code and source else []) + [block]
    ]
    held = {"row": data["row"]}
    vega = (
        {"vega_text": output_files.vega_bundle(), "vega_href": ""}
        if job.alone
        else {"vega_text": "", "vega_href": output_files.VEGA_FILE_NAME}
    )
    texts = {
        "_orders.csv": data["orders"],
        ".json": json.dumps(data["figures"] | held, ensure_ascii=False, indent=1) + "\n",
        ".html": blocks.html_page(data["title"], html, vega_href=vega["vega_href"], vega_text=vega["vega_text"]),
    }
    files = {job.file_name(ending): text.encode() for ending, text in texts.items()}
    script = (
        {f"{job.stem}/{output_files.VEGA_FILE_NAME}": output_files.vega_bundle().encode()}
        if job.separate and not job.alone
        else {}
    )
    return script | files


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold the folder while a page's files change places: two batches may print into it at once."""
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        # Only one batch at a time is safe there; each file is whole all the same.
        yield
        return
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


SHARED_WARMUP_FROM = 8
"""From so many reports on it is worth while to learn beforehand what all accounts share."""


def make_warmup(job: PageJob, report_count: int = SHARED_WARMUP_FROM) -> Mapping[str, Any]:
    """What a server for so many reports is warmed with: a run of a job's own template, before it what all share."""
    desk = f"hk.Workspace({job.excerpt!r}, {job.policy or None!r})"
    shared = f"import healthkit as hk\n{desk}.look_out(hk.last_day_of_month({job.month!r}))"
    cells = run_notebook.code_cells(job.parameters, Path(job.template))
    cells = [(0, shared), *cells] if report_count >= SHARED_WARMUP_FROM else cells
    return {"cells": cells, "modules": list(fork_client.PRELOADED_MODULES)}
