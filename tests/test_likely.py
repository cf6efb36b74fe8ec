"""What is likely comes first: the days of the phrase, worked out draw by draw, and no best case that stands alone."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from healthkit.analysis import simulation
from healthkit.panels.what_if_panel import what_if
from healthkit.report.model import SIMULATION_DRAWS
from healthkit.report.text.figures import format_day, format_long_day
from healthkit.report.text.outlook import format_chance, likely_return_phrase
from tests.builders.sample import DAY

AS_OF = DAY
YEAR = AS_OF.year
DEFECTS = ("--account", "lantern-hill-lighting", "--metric", "order_defect_rate")
SCENARIO = Path(__file__).parents[1] / "docs" / "scenario.yaml"


@pytest.fixture(scope="module")
def watched(desk):
    """The view and row of each rate of the sample that is off target or at risk."""
    return views_and_rows(desk, desk.score(AS_OF))


def views_and_rows(desk, rows):
    rows = rows[rows["status"].isin(["off target", "at risk"]) & rows["rate"].notna() & rows["target"].notna()]
    return [(desk.account(row["account"], row["marketplace"]), row) for _, row in rows.iterrows()]


def draws_of(view, row, monkeypatch):
    """The simulation of a row, and of each of its futures on each day whether it is off target."""
    seen = []
    summarise = simulation._summarise
    monkeypatch.setattr(simulation, "_summarise", lambda *all_of: seen.append(all_of[1]) or summarise(*all_of))
    made = view.simulate(row, draws=SIMULATION_DRAWS)
    return made, seen[-1]


def phrase_by_hand(off, best, last, as_of):
    """The phrase, counted from the futures one by one."""
    back = []
    for future in off.tolist():
        day = len(future)
        while day and not future[day - 1]:
            day -= 1
        back.append(day)
    if not off[0, 0]:
        chance = sum(any(future[1:31]) for future in off.tolist()) / len(back)
        return f"{format_chance(chance)} chance to be off target within 30 days"
    text = lambda ahead: format_long_day(as_of + timedelta(days=ahead), YEAR)  # noqa: E731
    by = lambda tenths: next(  # noqa: E731
        (day for day in range(off.shape[1]) if sum(one <= day for one in back) * 10 >= tenths * len(back)), None
    )
    if by(5) is None:
        lead = f"likely still off target on {text(off.shape[1] - 1)}"
    elif by(9) is None or by(9) == off.shape[1] - 1:
        chance = sum(one <= by(5) for one in back) / len(back)
        lead = f"back by {text(by(5))} with a chance of {format_chance(chance)}"
    else:
        several = by(1) < by(9)
        lead = f"likely back between {text(by(1))} and {text(by(9))}" if several else f"likely back on {text(by(1))}"
    case = f"{format_long_day(best, YEAR)} if" if best else f"not before {format_long_day(last, YEAR)} even if"
    chance = format_chance(sum(future[30] for future in off.tolist()) / len(back))
    return f"{lead}; {case} nothing new goes wrong; {chance} chance still off target on {text(30)}"


def best_day(calendar):
    """The day from which no day of a calendar is off target, read from its last day back."""
    days = [(one.day.date(), one.status == "off target") for one in calendar.days.itertuples()]
    if days[-1][1]:
        return None
    return next(day for n, (day, _) in enumerate(days) if not any(off for _, off in days[n:]))


def test_the_phrase_counts_the_futures_one_by_one(desk, watched, monkeypatch):
    """On the day of the sample, and two weeks before it those of an account that is soon back."""
    kinds = set()
    for view, row in [*watched, *views_and_rows(desk, desk.score(AS_OF - timedelta(days=16), {"paper-moth"}))]:
        made, off = draws_of(view, row, monkeypatch)
        calendar = view.calendar(row)
        phrase = likely_return_phrase(made, calendar, YEAR)
        assert phrase == phrase_by_hand(off, best_day(calendar), calendar.last_day, made.as_of), (
            row["account"],
            row["metric"],
        )
        kinds.add(re.match(r"likely \w+|back by|\d+%|over|under", phrase)[0].split("%")[0])
    assert {"likely back", "likely still", "back by"} <= kinds, "the sample shows each form of the phrase"


@pytest.mark.parametrize(
    ("tenths", "lead"),
    [
        ((5, 12, 30), "likely back between 5 November and 30 November;"),
        ((12, 12, 12), "likely back on 12 November;"),
        ((5, 40, None), "back by 10 December with a chance of 60%;"),
        ((5, 40, 90), "back by 10 December with a chance of 60%;"),
        ((5, None, None), "likely still off target on 29 January 2027;"),
        ((None, None, None), "likely still off target on 29 January 2027;"),
    ],
)
def test_each_form_of_the_phrase_has_both_cases_and_the_chance(desk, tenths, lead):
    view = desk.account("lantern-hill-lighting")
    row = view.measure("order_defect_rate", DAY)
    made, calendar = view.simulate(row, draws=20), view.calendar(row)
    days = [None if ahead is None else AS_OF + timedelta(days=ahead) for ahead in tenths]
    made.back_on_by_tenth.update(zip((1, 5, 9), days, strict=True))
    made.days.loc[30, "off"] = 0.4
    made.share_back_by_day[40] = 0.6
    phrase = likely_return_phrase(made, calendar, YEAR)
    best = format_long_day(calendar.back_on, YEAR)
    assert phrase.startswith(lead)
    assert phrase.endswith(f"; {best} if nothing new goes wrong; 40% chance still off target on 30 November")


# -- no best case alone ---------------------------------------------------------------------------------------


class _Blocks(HTMLParser):
    """The text of a page, one piece for each paragraph, cell, note or section of what-if."""

    def __init__(self):
        super().__init__()
        self.texts, self.depth, self.skipped = [""], 0, False

    def handle_starttag(self, tag, attrs):
        self.skipped = tag in ("script", "style")
        if self.depth or dict(attrs).get("class") == "whatif":
            self.depth += tag == "div"
        elif tag in ("p", "td", "th", "li", "h1", "h2", "h3", "figcaption", "section", "dd"):
            self.texts.append("")

    def handle_endtag(self, tag):
        self.skipped = False
        if self.depth and tag == "div":
            self.depth -= 1
            if not self.depth:
                self.texts.append("")

    def handle_data(self, data):
        if not self.skipped:
            self.texts[-1] += data


LIKELY = re.compile(r"likely|chance (of|to be off target|still off target)", re.IGNORECASE)
BEST = re.compile(r"nothing new (goes wrong|defect)|best case", re.IGNORECASE)


def alone(texts):
    """The texts that state a best case and nothing that is likely; the explanation of the words is none."""
    explained = re.compile(r"The best case: nothing new goes wrong, and [^.]*\.")
    return [text for text in texts if BEST.search(explained.sub("", text)) and not LIKELY.search(text)]


def days_alone(texts, best_days):
    """The texts that name the day of a best case as a day of return, without a likely one."""
    names = {form(day, YEAR) for day in best_days for form in (format_day, format_long_day)}
    back = re.compile(rf"back (on |by )?({'|'.join(map(re.escape, sorted(names)))})\b")
    return [text for text in texts if back.search(text) and not LIKELY.search(text)]


@pytest.fixture(scope="module")
def best_days(watched):
    return {day for view, row in watched if (day := best_day(view.calendar(row))) not in (None, AS_OF)}


def test_the_search_finds_a_best_case_that_stands_alone(best_days):
    """The sentences of the pages before: each would be found."""
    day = format_long_day(min(best_days), YEAR)
    assert alone(["If nothing new goes wrong, Order Defect Rate is back on 22 November."])
    assert alone(["22 days of waiting, if nothing new goes wrong."])
    assert days_alone([f"Order Defect Rate is back on {day}."], best_days)


def test_no_page_and_no_index_states_the_best_case_alone(printed, best_days):
    folder, likely = printed.index.parent, 0
    for page in folder.glob("*.html"):
        blocks = _Blocks()
        blocks.feed(page.read_text(encoding="utf-8"))
        assert alone(blocks.texts) == days_alone(blocks.texts, best_days) == [], page.name
        likely += sum("if nothing new goes wrong" in text for text in blocks.texts)
    assert likely > 10


def test_the_data_and_the_summary_of_a_page_hold_what_is_likely(printed, desk, best_days):
    folder, seen = printed.index.parent, 0
    for file in folder.glob("*_??.json"):
        data = json.loads(file.read_text(encoding="utf-8"))
        assert alone(text for _, text in data["verdict"]) == [], file.name
        assert days_alone([text for _, text in data["verdict"]], best_days) == []
        view = desk.account(data["account"], data["marketplace"])
        for one in data["outlook"]:
            row = view.measure(
                one["metric"], date.fromisoformat(data["as_of"]), channel=one["channel"], window=one["window"]
            )
            made = view.simulate(row, draws=SIMULATION_DRAWS)
            assert one["likely"] == likely_return_phrase(made, view.calendar(row), YEAR)
        if data["row"]["likely"]:
            of_metric = [one["likely"] for one in data["outlook"] if one["metric"] == data["row"]["metric"]]
            assert data["row"]["likely"] in of_metric
            seen += 1
    assert seen >= 3


def test_the_index_gives_what_is_likely_for_the_worst_measure(printed):
    text = printed.index.read_text(encoding="utf-8")
    rows = [json.loads(file.read_text("utf-8"))["row"] for file in printed.index.parent.glob("*_??.json")]
    phrases = [row["likely"] for row in rows if row["likely"]]
    assert len(phrases) >= 3
    for phrase in phrases:
        assert f'<small class="likely">{phrase}</small>' in text


@pytest.mark.parametrize(
    "words",
    [
        ("outlook", "--account", "lantern-hill-lighting"),
        ("outlook", "--account", "birchway-crafts", "--no-new-orders"),
        ("outlook", *DEFECTS, "--by", "2026-12-10"),
        ("whatif", *DEFECTS, "--scenario", SCENARIO),
        ("standing", "--account", "lantern-hill-lighting"),
    ],
    ids=lambda words: f"{words[0]} {words[-2]}",
)  # fmt: skip
def test_no_command_states_the_best_case_alone(run, sample_store, best_days, words):
    shown = run(*words, "--as-of", DAY, "--data", sample_store)
    assert shown.exit_code == 0, shown.output
    text = " ".join(shown.stdout.split())
    if words[0] == "standing":
        assert days_alone([text], best_days) == alone([text]) == []
        return
    assert "if nothing new goes wrong" in text
    # A table folds its cells: a sentence is looked for in what is left of it, and the phrase in the whole.
    assert alone([line for line in shown.stdout.splitlines() if line.rstrip().endswith(".")][:1]) == []
    assert LIKELY.search(text)


def test_csv_and_json_of_the_outlook_hold_both(run, sample_store):
    words = ("outlook", "--as-of", DAY, "--account", "lantern-hill-lighting", "--data", sample_store)
    rows = list(csv.DictReader(io.StringIO(run(*words, "--format", "csv").stdout)))
    assert any(row["status"] == "off target" for row in rows)
    for row in rows:
        assert bool(row["likely"]) == (row["status"] in ("off target", "at risk"))
    one = json.loads(run(*words, "--metric", "order_defect_rate", "--format", "json").stdout)
    assert f"{format_long_day(date.fromisoformat(one['back_on']), YEAR)} if nothing new goes wrong" in one["likely"]


def test_check_names_no_day_of_return(run, sample_store, best_days):
    shown = run("check", "--month", f"{DAY:%Y-%m}", "--data", sample_store)
    assert days_alone(shown.stdout.splitlines(), best_days) == alone(shown.stdout.splitlines()) == []


def test_the_panel_of_what_if_states_the_best_case_beside_what_is_likely(desk):
    panel = what_if(desk, "lantern-hill-lighting", DAY)
    panel.measure.value = ("order_defect_rate", "seller")
    view = desk.account("lantern-hill-lighting")
    row = view.measure("order_defect_rate", DAY)
    phrase = likely_return_phrase(view.simulate(row, draws=SIMULATION_DRAWS), view.calendar(row), YEAR)
    for percent in (0, 30):
        panel.cause_sliders["a_to_z_claim"].value = percent
        assert f"As it goes on: {phrase}." in panel.finding
        assert "likely still off target on 29 January 2027; 22 November if nothing new goes wrong" in panel.finding
        assert "best case" not in panel.finding
        assert alone([panel.finding]) == []
    panel.no_new_orders.value = True
    assert f"As it goes on: {phrase}." in panel.finding


def test_all_sliders_of_a_page_start_at_nothing(printed):
    starts = []
    for page in printed.index.parent.glob("*.html"):
        starts += re.findall(r'<input type="range"[^>]* value="(\d+)"', page.read_text(encoding="utf-8"))
    assert starts
    assert set(starts) == {"0"}


def test_the_sliders_of_a_page_say_what_is_likely_above_the_best_case(printed):
    html = (printed.index.parent / "lantern-hill-lighting_us.html").read_text(encoding="utf-8")
    sections = html.split('<div class="whatif"')[1:]
    assert len(sections) > 1
    for section in sections:
        assert 0 < section.find("As it goes on: ") < section.index("Back on target, if nothing new goes wrong")
