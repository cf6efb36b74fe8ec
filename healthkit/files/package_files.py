"""The files outside of the package that it needs or hands out: notebooks, report template, column map, a scenario.

In a checkout they lie at the top level, where analysts edit them. A wheel holds a copy, which `setup.py` makes of the
same list (`FILES`) when the wheel is built. This module imports nothing but the standard library, for the build runs it
without the package's dependencies.
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
"""The shipped files, by their paths from the top level of a checkout."""
NOTEBOOKS = tuple(name for name in FILES if name.startswith("notebooks/"))
"""The notebooks among them, with the template of the report."""
PACKAGE = Path(__file__).parents[1]
COPY = "shipped"
"""The folder of the package into which a wheel puts its copy."""


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
    """Return how a message names a shipped file: as it is called in a checkout, by its full path in a wheel."""
    return name if root() == PACKAGE.parent else str(path_of(name))


def copy_notebooks(folder: Path) -> tuple[list[Path], list[Path]]:
    """Copy the notebooks into a folder of the user's, which is made where there is none; no file there is overwritten.

    Returns the files that were copied, and those that were there before and differ from the shipped ones.
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
