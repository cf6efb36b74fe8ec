"""Notebooks written for a test."""

from __future__ import annotations

from pathlib import Path

import nbformat

from healthkit import batch

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
