"""Files outside the package that it needs or copies: notebooks, report template, column map, an example scenario.

In a checkout they are at the top level, where analysts edit them. A wheel has a copy, which `setup.py` makes from
`FILES` when the wheel is built. This module imports only the standard library, because the build runs it without the
package's dependencies.
"""

from __future__ import annotations

from pathlib import Path

FILES = (
    "notebooks/01_where_do_i_stand.ipynb",
    "notebooks/02_what_changed.ipynb",
    "notebooks/03_what_if.ipynb",
    "notebooks/04_portfolio.ipynb",
    "notebooks/templates/monthly_report.ipynb",
    "data/column_map.yaml",
    "docs/scenario.yaml",
)
"""The shipped files, as paths relative to the top level of a checkout."""
NOTEBOOKS = tuple(name for name in FILES if name.startswith("notebooks/"))
"""The notebooks in `FILES`, with the report template."""
PACKAGE = Path(__file__).parents[1]
COPY = "shipped"
"""The folder in the package with the copy of a wheel."""


def root() -> Path:
    """Return the folder that holds the shipped files: the copy in an installed package, else the checkout."""
    copy = PACKAGE / COPY
    return copy if copy.is_dir() else PACKAGE.parent


def path_of(name: str) -> Path:
    """Return the path of a shipped file (one of `FILES`), whether or not it exists.

    >>> path_of("docs/scenario.yaml").name
    'scenario.yaml'
    """
    return root() / name


def missing() -> list[str]:
    """Return the shipped files that do not exist, as paths."""
    return [str(path_of(name)) for name in FILES if not path_of(name).is_file()]


def label_of(name: str) -> str:
    """Return the name of a shipped file for messages: its relative path in a checkout, its full path in a wheel."""
    return name if root() == PACKAGE.parent else str(path_of(name))


def copy_notebooks(folder: Path) -> tuple[list[Path], list[Path]]:
    """Copy the notebooks into a folder, which is made if it does not exist; no file is overwritten.

    Returns the copied files, and the existing files that differ from the shipped ones.
    Raises OSError where the folder cannot be written or a notebook of the package cannot be read.
    """
    copied, different = [], []
    for name in NOTEBOOKS:
        source, target = path_of(name), folder / Path(name).relative_to("notebooks")
        content = source.read_bytes()
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with target.open("xb") as file:
                file.write(content)
            copied.append(target)
        except FileExistsError:
            if not target.is_file() or target.read_bytes() != content:
                different.append(target)
    return copied, different
