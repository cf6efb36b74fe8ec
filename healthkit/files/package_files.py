"""Files outside the package that it needs or copies: notebooks, report template, column map and a scenario.

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
    "notebooks/05_dashboard.ipynb",
    "notebooks/templates/monthly_report.ipynb",
    "data/column_map.yaml",
    "docs/scenario.yaml",
)
"""Shipped files, as paths relative to the top level of a checkout."""
NOTEBOOKS = tuple(name for name in FILES if name.startswith("notebooks/"))
"""Notebooks in `FILES`, including the report template."""
PACKAGE = Path(__file__).parents[1]
COPY = "shipped"
"""Name of the folder in the package that contains the shipped files of an installed package."""


def root() -> Path:
    """Return the folder with the shipped files: the copy in an installed package, or else the checkout."""
    copy = PACKAGE / COPY
    return copy if copy.is_dir() else PACKAGE.parent


def path_of(name: str) -> Path:
    """Return the path of a shipped file (a name in `FILES`), whether or not it exists.

    >>> path_of("docs/scenario.yaml").name
    'scenario.yaml'
    """
    return root() / name


def missing() -> list[str]:
    """Return the paths of the shipped files that do not exist."""
    return [str(path_of(name)) for name in FILES if not path_of(name).is_file()]


def label_of(name: str) -> str:
    """Return the name used in messages for a file included in the package.

    It is the relative path in a checkout and the full path in an installed package.
    """
    return name if root() == PACKAGE.parent else str(path_of(name))


def copy_notebooks(folder: Path) -> tuple[list[Path], list[Path]]:
    """Copy the notebooks into a folder without overwriting any file.

    The folder is made if it does not exist. Returns the copied files, and the existing files that differ from the
    shipped ones. Raises OSError if the folder cannot be written or a notebook of the package cannot be read.
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
