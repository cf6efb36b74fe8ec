"""All commands as the app knows them, for the tests that must miss none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import typer

from healthkit.cli import app


def commands(one: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command with the words that call it, such as "store check"."""
    one = one or typer.main.get_command(app)
    below = getattr(one, "commands", None)
    if below is None:
        yield " ".join(path), one
        return
    for name, command in below.items():
        yield from commands(command, (*path, name))


def path_options(command: Any) -> list[tuple[str, bool]]:
    """The options and arguments of a command that name a file or folder, and whether each is an option."""
    hints = get_type_hints(
        command.callback.__wrapped__ if hasattr(command.callback, "__wrapped__") else command.callback
    )
    named = {name for name, hint in hints.items() if _is_path(hint)}
    return [(one.opts[0], one.opts[0].startswith("-")) for one in command.params if one.name in named]


def _is_path(hint: Any) -> bool:
    """Whether a path stands anywhere in a type."""
    return hint is Path or (get_origin(hint) is not None and any(map(_is_path, get_args(hint))))
