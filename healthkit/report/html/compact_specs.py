"""The charts of a page in fewer bytes: rows by column, what all share said once; `page.js` unpacks them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from healthkit.report.html.block import json_for_script

CHART_SCRIPT = re.compile(r'(<script type="application/json" data-chart="[^"]*">)(.*?)(</script>)', re.S)
MIN_ROWS_TO_PACK = 8
"""Fewer rows stay as they are."""


def pack_charts(html: Iterable[str]) -> tuple[list[str], str]:
    """Blocks with their charts packed, and the looks that all these share, as JSON (empty where they share none)."""
    parts = list(html)
    specs = [json.loads(text) for part in parts for _, text, _ in CHART_SCRIPT.findall(part)]
    looks = {
        name: specs[0][name]
        for name in SHARED_SPEC_KEYS
        if specs and all(one.get(name) == specs[0].get(name) for one in specs)
    }

    def smaller(found: re.Match[str]) -> str:
        spec = {name: value for name, value in json.loads(found.group(2)).items() if name not in looks}
        spec["usermeta"] = {name: value for name, value in spec.get("usermeta", {}).items() if name != "embedOptions"}
        return found.group(1) + json_for_script(_share_encodings(_pack_rows(spec))) + found.group(3)

    return [CHART_SCRIPT.sub(smaller, part) for part in parts], json_for_script(looks) if looks else ""


SHARED_SPEC_KEYS = ("$schema", "autosize", "background", "config")
"""What is the same in all charts of the kit."""


def _pack_rows(node: Any, name: str = "") -> Any:
    """Return a chart's Vega-Lite with long rows by column."""
    if isinstance(node, dict):
        return {key: _pack_rows(value, key) for key, value in node.items()}
    if not isinstance(node, list):
        return node
    alike = len(node) >= MIN_ROWS_TO_PACK and all(
        isinstance(row, dict) and row.keys() == node[0].keys() for row in node
    )
    if name == "values" and alike:
        return {"rows": len(node), "by": {key: _pack_column([row[key] for row in node]) for key in node[0]}}
    return [_pack_rows(value) for value in node]


def _share_encodings(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a layered chart in which a channel that several layers share stands once, under its number."""
    channels = [held for layer in spec.get("layer", []) for held in layer.get("encoding", {}).values()]
    texts = Counter(json.dumps(held) for held in channels)
    often = {text: place for place, text in enumerate(text for text, many in texts.items() if many > 1)}
    if not often:
        return spec
    for layer in spec["layer"]:
        encoding = layer.get("encoding", {})
        for name, held in encoding.items():
            place = often.get(json.dumps(held))
            encoding[name] = held if place is None else {"as": place}
    return spec | {"shared": [json.loads(text) for text in often]}


def _pack_column(values: list[Any]) -> Any:
    """Return a column: what is the same in every row once, whole numbers in even steps by their first and their step.

    >>> _pack_column([5, 7, 9]), _pack_column(["x", "x"]), _pack_column([1, 5, 2])
    ({'from': 5, 'step': 2}, {'same': 'x'}, [1, 5, 2])
    """
    if all(value == values[0] and type(value) is type(values[0]) for value in values):
        return {"same": values[0]}
    if all(type(value) is int for value in values):
        step = values[1] - values[0]
        if all(value == values[0] + n * step for n, value in enumerate(values)):
            return {"from": values[0], "step": step}
    return values
