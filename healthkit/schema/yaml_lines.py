"""Read YAML with the line number of each mapping, for error messages. Tags that run code are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

LINE_KEY = "line"
"""The key under which each mapping holds its line number, counted from 1."""


class YamlError(ValueError):
    """Raised if a file is not valid YAML; the message names the file and the problem."""


class _LineLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the C loader may be absent
    """A safe loader that adds the line number to each mapping."""


def _construct_mapping(loader: Any, node: Any) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    names = [key.value for key, _ in node.value]
    duplicates = sorted({str(name) for name in names if names.count(name) > 1})
    if duplicates:
        raise YamlError(f"line {node.start_mark.line + 1}: duplicate {', '.join(duplicates)}.")
    return {**loader.construct_mapping(node, deep=True), LINE_KEY: node.start_mark.line + 1}


_LineLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_mapping)


def read_yaml(path: Path) -> Any:
    """Read a YAML file; each mapping in the result holds its line number under the key `line`.

    Raises YamlError for a file that is not UTF-8, not YAML, or has a duplicate key; OSError where it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise YamlError(f"{path.name} is no file; give the path of a YAML file.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise YamlError(f"{path.name} is not UTF-8 (byte {error.start:,}); save it as UTF-8.") from None
    return read_yaml_text(text, path.name)


def read_yaml_text(text: str, name: str) -> Any:
    """Read YAML from text, as `read_yaml` does from a file; `name` is what messages call it.

    >>> read_yaml_text("volume: {by: 20%}", "a step")
    {'volume': {'by': '20%', 'line': 1}, 'line': 1}
    """
    try:
        document = yaml.load(text, Loader=_LineLoader)  # noqa: S506 - a SafeLoader
        _check_size(document)
        return document
    except YamlError as error:
        raise YamlError(f"{name}, {error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise YamlError(f"{name} is not YAML: {' '.join(str(error).split())}") from None


MAX_VALUES, MAX_DEPTH = 200_000, 50
"""Limits on a YAML file: the number of values, with aliases expanded, and the depth of nesting."""


def _check_size(document: Any) -> None:
    """Raise YamlError for recursive aliases, and for aliases that expand to too many values."""
    values, pending = 0, [(document, 0)]
    while pending:
        value, depth = pending.pop()
        values += 1
        if values > MAX_VALUES or depth > MAX_DEPTH:
            raise YamlError(
                f"its aliases (*name) contain themselves, or more than {MAX_VALUES:,} values, or values more than "
                f"{MAX_DEPTH} levels deep. Write the values out."
            )
        if isinstance(value, dict | list | tuple | set):
            pending += [(part, depth + 1) for part in (value.values() if isinstance(value, dict) else value)]


def without_lines(document: Any) -> Any:
    """Return a document read by `read_yaml` without its line numbers.

    >>> without_lines([{"fewer": {"by": "30%", "line": 2}, "line": 1}])
    [{'fewer': {'by': '30%'}}]
    """
    if isinstance(document, dict):
        return {name: without_lines(value) for name, value in document.items() if name != LINE_KEY}
    return [without_lines(one) for one in document] if isinstance(document, list) else document
