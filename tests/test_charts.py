"""Charts: valid Vega-Lite, small, with their finding as description, and nothing in them but what was given."""

from __future__ import annotations

import json
from datetime import date, timedelta
from random import Random
from typing import Any

import altair as alt
import pandas as pd
import pytest

import healthkit as hk
from healthkit.report import charts
from healthkit.report.charts import rate_labels
from healthkit.report.charts.rate_axis import RateAxis, window_line
from healthkit.report.text import movements
from healthkit.schema.events_file import Event
from tests.builders.bridges import bridged

AS_OF = date(2026, 10, 31)


def daily(
    at_fault: list[int], side: str = "below", target: float = 0.01, window: int = 60, counted: int = 1000
) -> pd.DataFrame:
    """SCORES of one measure on days that end on the as-of day."""
    days = [AS_OF - timedelta(n) for n in range(len(at_fault) - 1, -1, -1)]
    few = side == "below"
    return pd.DataFrame(
        {
            "as_of": pd.to_datetime(days),
            "window": window,
            "counted": counted,
            "at_fault": at_fault,
            "rate": [(n if few else counted - n) / counted for n in at_fault],
            "status": ["off target" if (n / counted >= target) == few else "on target" for n in at_fault],
            "side": side,
            "target": target,
        }
    )


def faults(causes: list[str], first: date = AS_OF) -> pd.DataFrame:
    """Orders at fault, each leaving a day after the one before."""
    days = pd.to_datetime([first + timedelta(n + 1) for n in range(len(causes))])
    return pd.DataFrame({"causes": causes, "clock_day": days - pd.Timedelta(days=60), "leaves_on": days})


CHARTS: dict[str, Any] = {
    "rate": lambda: charts.rate_over_time(daily([5, 8, 12] * 40), 60, before=date(2026, 9, 30), description="It rose."),
    "at least": lambda: charts.rate_over_time(daily([50, 80, 120] * 40, "at least", 0.9), 60, description="It fell."),
    "causes": lambda: charts.defects_by_cause(faults(["a_to_z_claim"] * 3 + ["chargeback"]), description="Claims."),
    "leaving": lambda: charts.leaving_calendar(
        faults(["chargeback"] * 9), AS_OF, date(2026, 11, 4), description="Some leave."
    ),
    "why": lambda: charts.bridge_chart(bridged((2391, 2498), (14, 31), 6, 2, 7, 18)),
    "why, below 0": lambda: charts.bridge_chart(bridged((99, 6), (1, 1), 1, 0, 0, 1)),
    "days": lambda: charts.faults_by_day(faults(["shipped_late"] * 9), date(2026, 9, 1), AS_OF, description="By day."),
}


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_is_valid_small_and_says_its_finding(name: str) -> None:
    chart = CHARTS[name]()
    held = charts.vega_lite_spec(chart)
    alt.LayerChart.validate(held)
    assert charts.chart_description(chart) == held["description"] != ""
    assert set(charts.chart_sizes(held)) == {"wide", "narrow"}
    assert charts.chart_sizes(held)["narrow"][0] == 328
    assert len(json.dumps(held)) < 20_000


@pytest.mark.parametrize("name", CHARTS)
def test_every_colour_of_a_chart_follows_the_page(name: str) -> None:
    assert '"#' not in json.dumps(charts.vega_lite_spec(CHARTS[name]()))


def test_the_same_rows_give_the_same_chart() -> None:
    assert charts.vega_lite_spec(CHARTS["rate"]()) == charts.vega_lite_spec(CHARTS["rate"]())


def test_an_under_target_is_drawn_from_nought_and_an_at_least_target_from_below_it() -> None:
    assert domain(CHARTS["rate"]())[0] == 0
    low, high = domain(CHARTS["at least"]())
    assert (0 < low < 0.88, high) == (True, 1.0)


def domain(chart: Any) -> list[float]:
    """The ends of a chart's rate axis."""
    return next(layer["encoding"]["y"]["scale"]["domain"] for layer in charts.vega_lite_spec(chart)["layer"]
                if "scale" in layer["encoding"].get("y", {}))  # fmt: skip


def test_a_day_without_orders_is_a_gap_and_not_nought() -> None:
    rows = daily([5, 5, 5])
    rows.loc[1, ["status", "counted"]] = ["no data", 0]
    line = next(
        layer
        for layer in charts.vega_lite_spec(charts.rate_over_time(rows, 60))["layer"]
        if layer["mark"]["type"] == "line"
    )
    assert [row["rate"] for row in line["data"]["values"]] == [0.005, None, 0.005]


def test_days_travel_as_midnight_in_utc() -> None:
    line = next(layer for layer in charts.vega_lite_spec(CHARTS["rate"]())["layer"] if layer["mark"]["type"] == "line")
    assert line["data"]["values"][-1]["day"] == 1_793_404_800_000  # 2026-10-31T00:00:00Z


def marks(chart: Any) -> list[dict[str, Any]]:
    """The rows of a chart's first layer."""
    return charts.vega_lite_spec(chart)["layer"][0]["data"]["values"]


def test_an_order_with_two_causes_is_one_square_in_a_group_of_its_own() -> None:
    chart = charts.defects_by_cause(faults(["a_to_z_claim", "a_to_z_claim+negative_feedback", "negative_feedback"]))
    assert len(marks(chart)) == 3
    names = [row["t"] for row in charts.vega_lite_spec(chart)["layer"][1]["data"]["values"] if row["w"] == "bold"]
    assert names == [
        "A-to-z Guarantee claim: 1",
        "A-to-z Guarantee claim and negative feedback: 1",
        "Negative feedback: 1",
    ]


def test_sixty_orders_are_squares_and_one_more_makes_bars() -> None:
    assert len(marks(charts.defects_by_cause(faults(["chargeback"] * 60)))) == 60
    assert len(marks(charts.defects_by_cause(faults(["chargeback"] * 61)))) == 2


def test_each_leaving_order_is_one_mark_on_its_day() -> None:
    rows = marks(charts.leaving_calendar(faults(["chargeback"] * 3), AS_OF, date(2026, 11, 2)))
    assert [row["day"] for row in rows] == [1_793_404_800_000 + n * 86_400_000 for n in (1, 2, 3)]


def test_a_calendar_of_which_all_have_left_writes_no_sum() -> None:
    some = charts.vega_lite_spec(charts.leaving_calendar(faults(["chargeback"] * 3), AS_OF, date(2026, 11, 2)))
    every = charts.vega_lite_spec(charts.leaving_calendar(faults(["chargeback"] * 3), AS_OF, date(2026, 11, 30)))
    assert [row["t"] for row in some["layer"][-1]["data"]["values"]] == ["2 of 3 by 2 Nov"]
    assert len(every["layer"]) == 1


def test_two_windows_are_two_lines_with_their_names_on_them() -> None:
    rows = pd.concat([daily([40] * 60, target=0.04, window=30), daily([9] * 60, target=0.04, window=10)])
    held = charts.vega_lite_spec(charts.rate_over_time(rows, 30, 10))
    assert [layer["mark"]["type"] for layer in held["layer"]].count("line") == 2
    words = [row["t"] for row in held["layer"][-1]["data"]["values"]]
    assert {"30 days", "10 days", "Target: under 4%", "Off target"} <= set(words)


@pytest.mark.parametrize("seed", range(6))
def test_labels_of_up_to_six_windows_never_overlap(seed: int) -> None:
    """In both drawings; a window without a label is told apart by its dashes in the legend."""
    luck = Random(seed)
    walks = {}
    for window in (30, 7, 14, 45, 60, 90)[: luck.randrange(3, 7)]:
        walk = [luck.randrange(5, 60)]
        for _ in range(119):
            walk.append(max(0, walk[-1] + luck.randrange(-3, 4)))
        walks[window] = daily(walk, target=0.04, window=window)
    rows = pd.concat(walks.values())
    spec = charts.vega_lite_spec(charts.rate_over_time(rows, 30, [days for days in walks if days != 30]))
    lines = [layer["mark"] for layer in spec["layer"] if layer["mark"]["type"] == "line"]
    assert len({str(mark.get("strokeDash")) + str(mark["strokeWidth"]) for mark in lines}) == len(lines) == len(walks)
    judged = window_line(rows, 30)
    others = {days: window_line(rows, days) for days in walks if days != 30}
    axis = RateAxis.from_lines(judged, others.values())
    placed = rate_labels.rate_labels(judged, others, axis, 30, AS_OF - timedelta(31))
    named = [label for label in placed if label.text.endswith(" days")]
    assert len(named) >= 2
    for placer in (rate_labels._LabelPlacer(judged, [], axis), rate_labels._wide_placer(judged, [], axis)):
        boxes = {label: placer.label_box(label) for label in placed}
        for label in named:
            left, right, low, high = boxes[label]
            assert not [
                other.text for other, box in boxes.items()
                if other is not label and left < box[1] and box[0] < right and low < box[3] and box[2] < high
            ]  # fmt: skip
            assert left >= -4
            assert right <= placer.width + 4


@pytest.mark.parametrize("days_off", [-12, -6, -3, -1, 1, 3, 6, 12])
def test_the_label_of_the_day_compared_lies_over_no_mark_of_an_event(days_off: int) -> None:
    """In both drawings, though the wide one has more room between that day and the event."""
    compared = AS_OF - timedelta(31)
    rows = daily([10 + n % 3 for n in range(120)], target=0.04, window=30)
    judged = window_line(rows, 30)
    axis = RateAxis.from_lines(judged)
    event = Event(compared + timedelta(days_off), "harbor", "US", "New carrier")
    placed = rate_labels.rate_labels(judged, {}, axis, 30, compared, [event])
    [named] = [label for label in placed if label.text.startswith("30 Sep: ")]
    for placer in (rate_labels._LabelPlacer(judged, [], axis), rate_labels._wide_placer(judged, [], axis)):
        left, right, _, _ = placer.label_box(named)
        mark, _ = placer.to_pixels(rate_labels.date_to_epoch_ms(event.day), axis.low)
        assert not left < mark < right


def test_more_windows_than_lines_can_show_are_refused_with_what_to_do() -> None:
    rows = pd.concat([daily([9] * 60, window=window) for window in range(1, 8)])
    with pytest.raises(charts.ChartError, match="up to 6 windows; these are 7"):
        charts.rate_over_time(rows, 1, range(1, 8))
    grid = charts.small_multiples([(f"{days} days", rows[rows["window"] == days]) for days in range(1, 8)])
    assert len(charts.vega_lite_spec(grid)["concat"]) == 7


def test_many_orders_on_one_day_become_bars_that_still_reach_their_number() -> None:
    late = pd.DataFrame({"causes": "shipped_late", "clock_day": pd.to_datetime([AS_OF] * 500)})
    rows = marks(charts.faults_by_day(late, AS_OF - timedelta(9), AS_OF))
    assert (len(rows), max(row["high"] for row in rows)) == (1, 500)


def bars(chart: Any, width: int = 512) -> list[tuple[float, float]]:
    """The ends of a bridge's bars in one of its drawings."""
    layer = next(held for held in charts.vega_lite_spec(chart)["layer"] if "c" in held["data"]["values"][0])
    near = "n" if width == 328 else ""
    return [(row[f"{near}x"], row[f"{near}x2"]) for row in layer["data"]["values"]]


def texts(chart: Any) -> list[str]:
    """All that is written in a bridge, from the top down."""
    return [row["t"] for row in charts.vega_lite_spec(chart)["layer"][-1]["data"]["values"]]


def test_a_bridge_names_both_days_every_step_and_the_counts_behind_it() -> None:
    assert texts(CHARTS["why"]()) == [
        "30 Sep", "14 of 2,391", "0.59%", "Left the window:", "6 orders at fault", "−0.25",
        "Removed:", "2 no longer at fault", "−0.08", "Learnt late:", "7 orders of earlier days", "+0.28",
        "New in the window:", "18 orders at fault", "+0.74", "More orders:", "1,307 in, 1,200 out", "−0.04",
        "31 Oct", "31 of 2,498", "1.24%",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [512, 328])
def test_the_bars_of_a_bridge_lead_from_rate_to_rate(width: int) -> None:
    first, left, removed, late, new, more, last = bars(CHARTS["why"](), width)
    assert (first[0], first[1], left[0], removed[0], late[1]) == (last[0], left[1], removed[1], late[0], new[0])
    assert (new[1], more[0]) == (more[1], last[1])
    assert last[1] < new[1] < width


def test_a_step_that_moves_nothing_is_not_drawn() -> None:
    chart = charts.bridge_chart(bridged((100, 100), (2, 3), 0, 0, 0, 1))
    assert [text for text in texts(chart) if text.endswith(":")] == ["New in the window:"]
    assert charts.chart_sizes(charts.vega_lite_spec(chart))["wide"][1] == 96


def test_the_finding_of_a_bridge_is_its_title_unless_one_is_given() -> None:
    bridge = bridged((2391, 2498), (14, 31), 6, 2, 7, 18)
    assert charts.chart_description(charts.bridge_chart(bridge)) == movements.bridge_title(
        movements.movement_from_bridge(bridge)
    )
    assert charts.chart_description(charts.bridge_chart(bridge, description="It rose.")) == "It rose."


def test_bars_begin_at_nothing_where_few_are_wanted_and_at_a_round_value_where_many_are() -> None:
    few = movements.movement_from_bridge(bridged((2391, 2498), (14, 31), 6, 2, 7, 18))
    many = movements.movement_from_bridge(bridged((361, 412), (13, 33), 13, 0, 0, 33, below=None, at_least="90/100"))
    low = movements.movement_from_bridge(bridged((99, 6), (1, 1), 1, 0, 0, 1))
    assert charts.bar_scale(few) == (0, 0, 128)
    assert charts.bar_scale(many) == (900, 900, 998)
    assert charts.bar_scale(low)[:2] == (0, min(low.values))


def test_a_line_marks_nothing_only_where_steps_pass_below_it() -> None:
    assert len(charts.vega_lite_spec(CHARTS["why"]())["layer"]) == 3
    assert len(charts.vega_lite_spec(CHARTS["why, below 0"]())["layer"]) == 4


def test_a_chart_can_be_shown_as_any_altair_chart(sample_store):
    """Analysts show the kit's charts in cells of their own; Altair takes them apart and checks them on the way."""
    desk = hk.Workspace(sample_store)
    days = hk.list_days(date(2026, 9, 1), date(2026, 10, 31))
    rows = desk.score(days, ["birchway-crafts"], metrics=["late_shipment_rate"])
    for chart in (
        charts.rate_over_time(rows, 30, 10, description="late"),
        charts.small_multiples([("birchway", rows[rows["window"] == 30])], description="late"),
    ):
        held = alt.JupyterChart(chart).spec
        assert "$schema" in held
        assert held["description"] == "late"
        assert charts.vega_lite_spec(chart).keys() - {"$schema"} <= held.keys()
