"""Where files lie that a user keeps beside a store: accounts, events and rates of currencies."""

from __future__ import annotations

from pathlib import Path


def user_file_places(name: str, store_folder: object) -> list[Path]:
    """Return where a file of a user may lie: beside the store if that is a folder, then in the working folder.

    >>> [str(path) for path in user_file_places("events.csv", Path("data/store"))]
    ['data/events.csv', 'events.csv']
    """
    beside = [store_folder.parent / name] if isinstance(store_folder, Path) else []
    return [*beside, Path(name)]


def find_user_file(name: str, store_folder: object, given: Path | None = None) -> Path | None:
    """Return the file to use: the given one, else the first that exists beside the store or in the working folder.

    Returns None if there is none. Raises FileNotFoundError if the given one does not exist.
    """
    if given is not None:
        if not given.is_file():
            raise FileNotFoundError(given)
        return given
    return next((path for path in user_file_places(name, store_folder) if path.is_file()), None)
