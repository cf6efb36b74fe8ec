"""Notebooks written for a test."""

from __future__ import annotations

from pathlib import Path

import nbformat

from healthkit import batch
from healthkit.batch.report_data import MIME_TYPE

KERNEL = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}


def write_notebook(path: Path, *cells: str, parameters: str = "") -> Path:
    """Write a notebook of some code cells, after a cell of parameters if there are any."""
    made = [nbformat.v4.new_code_cell(cell) for cell in cells]
    if parameters:
        made.insert(0, nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=KERNEL), path)
    return path


def template_with_cell(folder: Path, line: str) -> Path:
    """Write the report template with one more cell, which runs before anything is displayed."""
    template = nbformat.read(batch.TEMPLATE, as_version=4)
    template.cells.insert(3, nbformat.v4.new_code_cell(line))
    nbformat.write(template, folder / "monthly_report.ipynb")
    return folder / "monthly_report.ipynb"


PAGE_CELLS = f"""
from IPython.display import display
row = dict.fromkeys(("metric", "channel", "side", "first", "why"), "") | dict.fromkeys(
    ("target", "headroom", "value", "used"))
row |= {{"account": account, "marketplace": marketplace, "marketplace_title": "Amazon", "status": "no data",
    "as_of": "2026-10-31",
    "window": 0, "counted": 0, "at_fault": 0, "strips": {{}}, "href": stem + ".html", "csv_href": stem + "_orders.csv"}}
display({{"text/html": f"<p>The page of {{account}}, {{words}}</p>"}}, raw=True)
display({{{MIME_TYPE!r}: {{"title": account, "row": row, "figures": {{"verdict": [["What", words]]}},
    "orders": "a,b\\n"}}}},
    raw=True)
"""
"""The cells of a template that computes nothing: a page, an index row and figures of the account."""


def page_template(path: Path, words: str = "first", before: str = "") -> Path:
    """Write a template whose page says `words` and takes next to no time; `before` runs first."""
    parameters = ("account", "month", "as_of", "marketplace", "data", "policy", "made", "stem", "index_href",
                  "display_name")  # fmt: skip
    text = "\n".join(f"{name} = ''" for name in parameters)
    return write_notebook(path, before or "pass", f"words = {words!r}\n{PAGE_CELLS}", parameters=text)
