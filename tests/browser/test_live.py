"""A drawing that took new figures is the drawing that would have been made of them anew."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest

from healthkit.panels import portfolio_model, where_i_stand_model
from healthkit.panels.js_widgets import SCRIPTS_FOLDER
from healthkit.panels.where_i_stand_model import Question
from healthkit.report.vega_bundle import vega_bundle
from tests.builders.slow import slow_after

AS_OF = date(2026, 10, 31)
EARLIER = date(2026, 9, 12)
SCRIPTS = ("shared.js", "live.js")


@pytest.fixture
def page(offline_chromium):
    """A page that holds the kit's own scripts and Vega, and can draw into `place`."""
    context = offline_chromium.new_context(offline=True, viewport={"width": 1000, "height": 900})
    made = context.new_page()
    made.set_content("<div id='follows' style='width: 900px'></div><div id='anew' style='width: 900px'></div>")
    made.add_script_tag(content=vega_bundle())
    script = (SCRIPTS_FOLDER / "vega.js").read_text(encoding="utf-8")
    drawn = re.search(r"function needsInterpreter.*", script, re.S).group(0)
    own = "\n".join((SCRIPTS_FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS)
    made.add_script_tag(
        content=f"const shared = {{ vega: Promise.resolve(vegaEmbed) }};\n{drawn}\n{own}\nwindow.Live = Live;"
    )
    yield made
    context.close()


DRAW = """async (specs) => {
  const follows = document.getElementById("follows");
  const live = new Live(follows);
  for (const spec of specs) await live.show(spec);
  const anew = document.getElementById("anew");
  await new Live(anew).show(specs.at(-1));
  // Vega numbers its clips, and sets ticks that stayed before those that came; the rest is the same to the last digit.
  const plain = (node) => node.querySelector("svg").outerHTML.replace(/clip\\d+/g, "").match(/<[^>]+>[^<]*/g).sort();
  return { made: Number(follows.dataset.made), follows: plain(follows), anew: plain(anew) };
}"""


def compared(page, specs: list[dict]) -> dict:
    page.evaluate("document.querySelectorAll('#follows, #anew').forEach(node => node.replaceChildren())")
    return page.evaluate(DRAW, json.loads(json.dumps(specs)))


@pytest.mark.parametrize("account", slow_after(1, ["birchway-crafts", "werkstatt-lindenau", "lantern-hill-lighting"]))
def test_a_rate_that_follows_windows_days_and_measures(page, desk, account):
    first = where_i_stand_model.first_question(desk, account, AS_OF)
    pairs, pairs_before = (
        where_i_stand_model.list_measures(desk, account, first.marketplace, day) for day in (AS_OF, EARLIER)
    )
    for metric, channel in pairs:
        asked = Question(account, first.marketplace, metric, channel, 30, AS_OF)
        steps = [asked, asked._replace(window=45), asked._replace(window=7)]
        if (metric, channel) in pairs_before:  # a rule may have begun since
            steps.append(asked._replace(as_of=EARLIER))
        shown = [
            where_i_stand_model.render_answer(where_i_stand_model.answer_question(desk, one))["figure"] for one in steps
        ]
        drawn = [figure["spec"] for figure in shown if figure]
        if len(drawn) < 2:
            continue
        held = compared(page, drawn)
        assert held["follows"] == held["anew"], (account, metric)


def test_a_window_moves_without_a_new_drawing(page, desk):
    asked = Question("birchway-crafts", "US", "late_shipment_rate", "seller", 20, AS_OF)
    drawn = [
        where_i_stand_model.render_answer(where_i_stand_model.answer_question(desk, asked._replace(window=n)))[
            "figure"
        ]["spec"]
        for n in range(20, 26)
    ]
    held = compared(page, drawn)
    assert held["made"] == 1
    assert held["follows"] == held["anew"]


def test_many_small_charts_follow(page, desk):
    held = portfolio_model.rank_accounts(desk, AS_OF, look_ahead=False)
    pairs = [
        (row.account, row.marketplace)
        for row in portfolio_model.select_accounts(held, portfolio_model.AccountFilter()).itertuples()
    ]
    specs = [
        portfolio_model.render_small_charts(
            desk,
            held,
            AS_OF,
            portfolio_model.PortfolioSettings(
                portfolio_model.AccountFilter(), pairs, ("late_shipment_rate", "seller"), window
            ),
        )["spec"]
        for window in (10, 30, 60)
    ]
    told = compared(page, specs)
    assert told["made"] == 1
    assert told["follows"] == told["anew"]
