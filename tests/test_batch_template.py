"""A template of the user's own: `report --template FILE`, and what its added cells show reaches the page."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

from healthkit import batch
from healthkit.cli import app

ACCOUNT = "clearbrook-bath"


def report(store: Path, out: Path, template: Path):
    words = ["report", "--month", "2026-10", "--account", ACCOUNT, "--data", store, "--out", out]
    return CliRunner().invoke(app, [*map(str, words), "--template", str(template)])


def template_with(path: Path, *cells: str) -> Path:
    """The kit's template with more code cells before its last one."""
    made = nbformat.read(batch.TEMPLATE, as_version=4)
    made.cells[-1:-1] = [nbformat.v4.new_code_cell(source) for source in cells]
    nbformat.write(made, path)
    return path


def page_of(out: Path) -> str:
    return (out / "2026-10" / f"{ACCOUNT}_us.html").read_text(encoding="utf-8")


def test_another_template_is_printed(sample_store, tmp_path):
    mine = template_with(tmp_path / "mine.ipynb", 'html.HtmlBlock("<p>only in my template</p>")')
    made = report(sample_store, tmp_path / "out", mine)
    assert made.exit_code == 0, made.output
    assert "<p>only in my template</p>" in page_of(tmp_path / "out")


def test_a_template_without_a_parameter_is_refused_in_a_sentence(sample_store, tmp_path):
    mine = shutil.copy(batch.TEMPLATE, tmp_path / "mine.ipynb")
    held = Path(mine).read_text(encoding="utf-8").replace('"stem = \\"report\\"\\n",', "")
    Path(mine).write_text(held, encoding="utf-8")
    made = report(sample_store, tmp_path / "out", Path(mine))
    assert made.exit_code == 1
    assert "mine.ipynb has no parameter 'stem'. It has: account, month," in made.output


@pytest.mark.parametrize(("text", "says"), [(None, "There is no template at"), ("no notebook", "is no notebook (")])
def test_what_is_no_template_is_refused_before_anything_is_written(text, says, sample_store, tmp_path):
    mine = tmp_path / "mine.ipynb"
    if text is not None:
        mine.write_text(text, encoding="utf-8")
    made = report(sample_store, tmp_path / "out", mine)
    assert made.exit_code == 1
    assert says in made.output
    assert not (tmp_path / "out").exists()


def test_what_added_cells_show_reaches_the_page(sample_store, tmp_path):
    mine = template_with(
        tmp_path / "mine.ipynb",
        "print('written < by print')",
        "from IPython.display import SVG, Image, Markdown, display\n"
        "display(SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>'))\n"
        "display(Image(data=b'\\x89PNG\\r\\n\\x1a\\n' + b'0' * 40, format='png'))\n"
        "display(Markdown('some *markdown*'))",
        "display({'application/vnd.vegalite.v6+json': {'mark': 'bar', 'width': 111, 'data': {'values': [{'a': 1}]}}}, "
        "raw=True)",
        "display({'application/x-other': 1, 'text/plain': 'as text'}, raw=True)",
    )
    made = report(sample_store, tmp_path / "out", mine)
    assert made.exit_code == 0, made.output
    page = page_of(tmp_path / "out")
    for part in (
        "written &lt; by print", "data:image/svg+xml;base64,", "data:image/png;base64,", "some *markdown*",
        '"sizes":{"wide":[111,', "as text", "A page cannot show application/x-other; this is its text.",
    ):  # fmt: skip
        assert part in page
