"""Compression of the Vega-Lite specs of a page: data by column, shared parts once; `page.js` unpacks them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from healthkit.report.html.block import json_for_script

CHART_SCRIPT = re.compile(r'(<script type="application/json" data-chart="[^"]*">)(.*?)(</script>)', re.S)
MIN_ROWS_TO_PACK = 8
"""Smallest number of data rows that are packed by column."""


def pack_charts(html: Iterable[str]) -> tuple[list[str], str]:
    """Pack the charts in HTML blocks; return the blocks, and the keys that all charts share as JSON.

    The JSON is empty if the charts share no keys.
    """
    parts = list(html)
    specs = [json.loads(text) for part in parts for _, text, _ in CHART_SCRIPT.findall(part)]
    shared = {
        name: specs[0][name]
        for name in SHARED_SPEC_KEYS
        if specs and all(spec.get(name) == specs[0].get(name) for spec in specs)
    }

    def pack_match(match: re.Match[str]) -> str:
        spec = {name: value for name, value in json.loads(match.group(2)).items() if name not in shared}
        spec["usermeta"] = {name: value for name, value in spec.get("usermeta", {}).items() if name != "embedOptions"}
        return match.group(1) + json_for_script(_share_encodings(_pack_rows(spec))) + match.group(3)

    return [CHART_SCRIPT.sub(pack_match, part) for part in parts], json_for_script(shared) if shared else ""


SHARED_SPEC_KEYS = ("$schema", "autosize", "background", "config")
"""Keys of a Vega-Lite spec whose values are the same in all charts of this package."""


def _pack_rows(node: Any, name: str = "") -> Any:
    """Return a node of a Vega-Lite spec with its long lists of data rows packed by column."""
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
    """Return a layered spec in which an encoding used by several layers is written once and referred to by number."""
    channels = [channel for layer in spec.get("layer", []) for channel in layer.get("encoding", {}).values()]
    uses = Counter(json.dumps(channel) for channel in channels)
    shared = {text: number for number, text in enumerate(text for text, n in uses.items() if n > 1)}
    if not shared:
        return spec
    for layer in spec["layer"]:
        encoding = layer.get("encoding", {})
        for name, channel in encoding.items():
            number = shared.get(json.dumps(channel))
            encoding[name] = channel if number is None else {"as": number}
    return spec | {"shared": [json.loads(text) for text in shared]}


def _pack_column(values: list[Any]) -> Any:
    """Return the values of a column in a shorter form where there is one.

    Equal values are written once; whole numbers at equal steps are written as the first one and the step; a few texts,
    such as colours, once each and their places as digits.

    >>> _pack_column([5, 7, 9]), _pack_column(["x", "x"]), _pack_column([1, 5, 2])
    ({'from': 5, 'step': 2}, {'same': 'x'}, [1, 5, 2])
    >>> _pack_column(["var(--off)", "var(--on)", "var(--off)", "var(--off)"])
    {'of': ['var(--off)', 'var(--on)'], 'at': '0100'}
    """
    if all(value == values[0] and type(value) is type(values[0]) for value in values):
        return {"same": values[0]}
    if all(type(value) is int for value in values):
        step = values[1] - values[0]
        if all(value == values[0] + n * step for n, value in enumerate(values)):
            return {"from": values[0], "step": step}
    if all(type(value) is str for value in values) and len(texts := sorted(set(values))) <= 10:
        packed = {"of": texts, "at": "".join(str(texts.index(value)) for value in values)}
        return min(packed, values, key=lambda one: len(json.dumps(one)))
    return values
