"""Charts saved as pictures: white behind them, the colours of the page in them, and nothing that only a page knows."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest

from healthkit.panels import notebook
from healthkit.report import charts
from healthkit.report.html.outputs import VEGA_LITE_MIME_PREFIX, output_html
from tests.builders.pictures import colours_of, png_pixels

AS_OF = date(2026, 10, 31)
WHITE = [255, 255, 255, 255]


def daily() -> pd.DataFrame:
    """SCORES of one measure that goes off target."""
    days = pd.to_datetime([AS_OF - timedelta(n) for n in range(59, -1, -1)])
    at_fault = np.linspace(2, 30, 60).astype(int)
    return pd.DataFrame(
        {
            "as_of": days, "window": 60, "counted": 1000, "at_fault": at_fault, "rate": at_fault / 1000,
            "status": np.where(at_fault >= 10, "off target", "on target"), "side": "below", "target": 0.01,
        }
    )  # fmt: skip


def faults() -> pd.DataFrame:
    days = pd.to_datetime([AS_OF + timedelta(n) for n in range(1, 10)])
    return pd.DataFrame({"causes": "chargeback", "clock_day": days - pd.Timedelta(days=60), "leaves_on": days})


CHARTS: dict[str, tuple[Any, set[str]]] = {
    "rate": (lambda: charts.rate_over_time(daily(), 60), {"off", "zone", "ink"}),
    "leaving": (lambda: charts.leaving_calendar(faults(), AS_OF, date(2026, 11, 4)), {"mark-2"}),
    "causes": (lambda: charts.defects_by_cause(faults()), {"mark-2"}),
    "small": (lambda: charts.small_multiples([("harbor", daily()), ("moth", daily())]), {"off", "ink"}),
}


@pytest.mark.parametrize("name", CHARTS)
def test_a_saved_png_is_white_with_the_colours_of_the_page(tmp_path: Path, name: str) -> None:
    make, used = CHARTS[name]
    make().save(str(tmp_path / "chart.png"))
    pixels = png_pixels((tmp_path / "chart.png").read_bytes())
    corners = [pixels[row, column].tolist() for row in (0, -1) for column in (0, -1)]
    assert corners == [WHITE] * 4
    assert (pixels[..., 3] == 255).all()
    assert (pixels == WHITE).all(axis=2).mean() > 0.2
    assert {charts.COLOURS[one] for one in used} <= colours_of(pixels)


@pytest.mark.parametrize("name", CHARTS)
def test_a_saved_svg_holds_no_colour_that_only_a_page_knows(tmp_path: Path, name: str) -> None:
    make, used = CHARTS[name]
    make().save(str(tmp_path / "chart.svg"))
    svg = (tmp_path / "chart.svg").read_text(encoding="utf-8")
    assert "var(" not in svg
    assert re.search(r'<rect width="\d+" height="\d+" fill="#ffffff"', svg)
    assert all(charts.COLOURS[one] in svg for one in used)


def test_a_chart_of_the_kit_follows_the_page_in_a_notebook_and_in_a_report_and_others_stay() -> None:
    ours = CHARTS["rate"][0]()
    other = alt.Chart(daily()).mark_line(color="#b83a00").encode(x="as_of:T", y="rate:Q")
    shown = [notebook._chart_as_html(chart)["text/html"] for chart in (ours, other)]
    printed = [
        output_html({"output_type": "display_data", "data": {f"{VEGA_LITE_MIME_PREFIX}v6+json": chart.to_dict()}}, "x")
        for chart in (ours, other)
    ]
    for own, theirs in (shown, printed):
        assert "var(--off, #b83a00)" in own
        assert '"#b83a00"' not in own
        assert '"background":"transparent"' in own
        assert '"#b83a00"' in theirs
        assert "var(--" not in theirs


def test_every_colour_has_a_name_of_its_own() -> None:
    assert len(set(charts.COLOURS.values())) == len(charts.COLOURS)
    assert '"#' not in json.dumps(charts.vega_lite_spec(CHARTS["small"][0]()))
