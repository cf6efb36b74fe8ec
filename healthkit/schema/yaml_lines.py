"""YAML written by hand: read with the line of each mapping, so that an error can name it; nothing in it is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

LINE_KEY = "line"
"""Under this name each mapping holds the line on which it begins, from 1."""


class YamlError(ValueError):
    """A file that is no YAML; the message names file, line and what to do."""


class _LineLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the C loader may be absent
    """Reads YAML and keeps the line of each mapping."""


def _construct_mapping(loader: Any, node: Any) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    names = [key.value for key, _ in node.value]
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise YamlError(f"line {node.start_mark.line + 1}: {', '.join(twice)} stands twice.")
    return {**loader.construct_mapping(node, deep=True), LINE_KEY: node.start_mark.line + 1}


_LineLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_mapping)


def read_yaml(path: Path) -> Any:
    """What a YAML file holds, each mapping with its `line`.

    Raises YamlError for a file that is not UTF-8, not YAML, or names a thing twice; OSError where it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise YamlError(f"{path.name} is no file; give the path of a YAML file.")
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_LineLoader)  # noqa: S506 - a SafeLoader
        _check_size(document)
        return document
    except YamlError as error:
        raise YamlError(f"{path.name}, {error}") from None
    except UnicodeDecodeError as error:
        raise YamlError(f"{path.name} is not UTF-8 (byte {error.start:,}); save it as UTF-8.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise YamlError(f"{path.name} is not YAML: {' '.join(str(error).split())}") from None


MAX_VALUES, MAX_DEPTH = 200_000, 50
"""Limits on what a file holds with its aliases written out: values, and how deep they lie."""


def _check_size(document: Any) -> None:
    """Raise YamlError for aliases that hold themselves, or whose values written out would fill the memory."""
    values, left = 0, [(document, 0)]
    while left:
        one, depth = left.pop()
        values += 1
        if values > MAX_VALUES or depth > MAX_DEPTH:
            raise YamlError(
                f"its aliases (*name) hold themselves, or more than {MAX_VALUES:,} values, or values more than "
                f"{MAX_DEPTH} levels deep. Write the values out."
            )
        if isinstance(one, dict):
            left += [(value, depth + 1) for value in one.values()]
        elif isinstance(one, list | tuple | set):
            left += [(value, depth + 1) for value in one]


def without_lines(document: Any) -> Any:
    """The same without the lines.

    >>> without_lines([{"fewer": {"by": "30%", "line": 2}, "line": 1}])
    [{'fewer': {'by': '30%'}}]
    """
    if isinstance(document, dict):
        return {name: without_lines(value) for name, value in document.items() if name != LINE_KEY}
    return [without_lines(one) for one in document] if isinstance(document, list) else document
