"""The events file: read as people write it, changed without a loss, refused by row; and its marks in charts."""

from __future__ import annotations

import re
import threading
from datetime import date, timedelta
from random import Random

import pandas as pd
import pytest

from healthkit.batch import monthly_batch
from healthkit.panels.where_i_stand_panel import where_i_stand
from healthkit.report import charts
from healthkit.report.charts import rate_labels
from healthkit.report.charts.rate_axis import RateAxis, window_line
from healthkit.report.html import measures
from healthkit.report.html.report import event_lines, measure_chapters
from healthkit.report.model import open_report
from healthkit.schema.events_file import Event, EventsFileError, find_events_file, make_event, parse_events, read_events
from healthkit.store import Store
from healthkit.workspace.event_log import add_event, remove_event
from healthkit.workspace.snapshot import write_snapshot
from healthkit.workspace.workspace import Workspace
from tests.builders.client_files import all_orders, confirmations, imported, order_report, placed
from tests.builders.sample import DAY, MONTH
from tests.builders.store_files import import_all, raw

CARRIER = make_event("acme", "2026-09-03", "new carrier")


# -- reading ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"account,day,note\nacme,2026-09-03,new carrier\n",
        b"\xef\xbb\xbfaccount;day;note\r\nacme;03.09.2026;new carrier\r\n",
        b"# ours\n\nNote\tMarketplace\tDay\tAccount\tby\nnew carrier\t\t2026/9/3\tacme\tKim\n,,,\n",
        b'account,day,note\n"acme",2026-09-03,"new carrier"',
    ],
)
def test_a_file_is_read_as_people_write_it(content):
    assert list(parse_events(content).events.values()) == [CARRIER]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"account,day\nacme,2026-09-03\n", "row 1: the header needs one column note"),
        (b"account,day,note,day\n", "row 1: the header needs one column day"),
        (b"account,day,note\n,2026-09-03,x\n", "row 2: account is empty"),
        (b"# a\naccount,day,note\nacme,2026-09-03,\n", "row 3: note is empty"),
        (b"account,day,note\nacme,9/3/2026,x\n", "row 2: '9/3/2026' is not a day"),
        (b"account,day,note\nacme,2026-02-30,x\n", "row 2: '2026-02-30' is not a day"),
        (b"account,day,note\nacme,2026-09-03,a,b\n", "row 2: there are more cells than columns"),
        (b'account,day,note\nacme,2026-09-03,"a\nb"\n', "row 2: a quote is not closed"),
        (b"account,day,note\nacme,2026-09-03,x\nacme,2026-09-03,x\n", "row 3: the same event is in row 2"),
        (b"account,day,note,marketplace\nacme,2026-09-03,x,XX\n", "row 2: 'XX' is no marketplace"),
        (b"account,day,note\nacme,2026-09-03,\xe4\n", "is not UTF-8"),
        (b"account,day,note\nacme,2026-09-03," + b"x" * 201 + b"\n", "row 2: the note is longer"),
        (b"account,day,note\nacme,2026-09-03,a\x07b\n", "row 2: note holds a line break"),
    ],
)
def test_a_bad_row_is_refused_by_file_and_row_with_what_to_do(content, problem):
    with pytest.raises(EventsFileError) as refused:
        parse_events(content, "events.csv")
    assert str(refused.value).startswith("events.csv")
    assert problem in str(refused.value)
    assert str(refused.value).rstrip(".").count(".") >= 1, "it says what to do"


def test_the_file_beside_the_store_comes_before_that_of_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = tmp_path / "data" / "store"
    assert find_events_file(store) == tmp_path / "data" / "events.csv"
    (tmp_path / "events.csv").write_text("account,day,note\n")
    assert find_events_file(store).resolve() == tmp_path / "events.csv"
    store.mkdir(parents=True)
    (tmp_path / "data" / "events.csv").write_text("account,day,note\n")
    assert find_events_file(store) == tmp_path / "data" / "events.csv"
    assert read_events(tmp_path / "none.csv") == []


# -- changing -----------------------------------------------------------------------------------------------------


def test_the_users_own_lines_stay_byte_for_byte(tmp_path):
    path = tmp_path / "events.csv"
    before = (
        b'\xef\xbb\xbf# ours\r\nnote;by;day;account\r\n\r\n# more\r\n"a; b";Kim;2026-01-02;acme\r\nc;;1.2.2026;acme'
    )
    path.write_bytes(before)
    path.chmod(0o640)
    assert add_event(path, CARRIER)
    assert path.read_bytes() == before + b"\r\nnew carrier;;2026-09-03;acme\r\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert not add_event(path, CARRIER)
    assert remove_event(path, CARRIER)
    assert path.read_bytes() == before + b"\r\n"
    assert not remove_event(path, CARRIER)
    assert [event.note for event in read_events(path)] == ["a; b", "c"]


def test_a_new_file_has_the_columns_that_the_event_needs(tmp_path):
    add_event(tmp_path / "a" / "events.csv", CARRIER)
    assert (tmp_path / "a" / "events.csv").read_text() == "account,day,note\nacme,2026-09-03,new carrier\n"
    german = make_event("#acme", "2026-09-03", 'say "hi", all', "de")
    add_event(tmp_path / "b.csv", german)
    assert read_events(tmp_path / "b.csv") == [german]
    with pytest.raises(EventsFileError, match="no column marketplace"):
        add_event(tmp_path / "a" / "events.csv", german)


def test_nothing_is_written_into_a_file_that_is_invalid(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("account,day,note\nacme,yesterday,x\n")
    with pytest.raises(EventsFileError, match="row 2"):
        add_event(path, CARRIER)
    assert path.read_text() == "account,day,note\nacme,yesterday,x\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.csv").write_text("account,day,note\n")
    (tmp_path / "events.csv").symlink_to(tmp_path / "real.csv")
    add_event(tmp_path / "events.csv", CARRIER)
    assert (tmp_path / "events.csv").is_symlink()
    assert read_events(tmp_path / "real.csv") == [CARRIER]


def test_events_added_at_once_are_all_there(tmp_path):
    path = tmp_path / "events.csv"
    events = [make_event("acme", date(2026, 1, 1) + timedelta(days=n), f"change {n}") for n in range(12)]
    threads = [threading.Thread(target=add_event, args=(path, event)) for event in events]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_events(path) == events


# -- commands, page and panel ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_events(tmp_path_factory):
    """The folder of a store of two accounts beside which lies an events file; the second event of one helped."""
    folder = tmp_path_factory.mktemp("events")
    orders = placed(date(2026, 6, 1), DAY, 6)
    late = {number for place, (number, day) in enumerate(orders) if place % (4 if day < date(2026, 9, 20) else 15) == 0}
    others = [(number.replace("111-", "222-"), day) for number, day in orders[-90:]]
    for account, own in (("acme", orders), ("other", others)):
        files = {"orders": all_orders(own), "report": order_report(own), "confirmations": confirmations(own, late)}
        imported(folder, account, **files)
    (folder / "events.csv").write_text(
        "account,day,note\nacme,2026-09-20,printer <b>replaced</b>\nacme,2026-07-20,new warehouse\n"
    )
    return folder / "store"


@pytest.fixture(scope="module")
def workspace(with_events):
    """A workspace over that store, whose counts are made once."""
    return Workspace(with_events)


def test_the_commands_add_list_and_remove(with_events, run, tmp_path):
    (tmp_path / "data").mkdir()
    store = tmp_path / "data" / "store"
    store.symlink_to(with_events)
    options = "--data", store
    words = "acme", "2026-09-03", "new carrier"
    assert run("event", "list", *options).stdout.startswith("No events.")
    assert "Added to" in run("event", "add", *words, *options).stdout
    assert "holds this event already" in run("event", "add", *words, "--anyway", *options).stdout
    listed = run("event", "list", "--format", "csv", *options).stdout
    assert listed.splitlines() == ["account,marketplace,day,note", "acme,,2026-09-03,new carrier"]
    wrong = run("event", "add", "acne", *words[1:], *options)
    assert wrong.exit_code == 1
    assert "There are: acme, other" in wrong.output
    elsewhere = run("event", "add", *words, "--marketplace", "DE", *options)
    assert (elsewhere.exit_code, "acme has no orders in DE. There are: US." in elsewhere.output) == (1, True)
    assert run("event", "add", "acme", "soon", "x", *options).exit_code == 1
    run("event", "add", "acme", "2026-09-03", "labels", "--anyway", *options)
    assert "2 such events: labels; new carrier" in run("event", "remove", *words[:2], *options).output
    assert "Removed" in run("event", "remove", *words, *options).stdout
    assert read_events(tmp_path / "data" / "events.csv") == [make_event("acme", "2026-09-03", "labels")]
    assert run("event", "remove", *words, *options).exit_code == 1


def test_the_effects_are_a_table_csv_and_json(with_events, run):
    command = "event", "effect", "--as-of", DAY, "--data", with_events
    table = run(*command).stdout
    assert "20 September (printer <b>replaced</b>)" in table
    assert "Every order is judged at the same age" in table
    header, *rows = run(*command, "--format", "csv").stdout.splitlines()
    assert header.startswith("account,marketplace,day,notes,metric,channel,window,side,target,verdict")
    late = [row.split(",") for row in rows if ",late_shipment_rate," in row]
    assert [(row[2], row[9]) for row in late] == [("2026-09-20", "helped"), ("2026-07-20", "too few")]
    assert run(*command, "--format", "json").stdout.count('"verdict"') == len(rows) > len(late)
    assert run(*command, "--account", "other").stdout.startswith("No events.")
    assert run(*command, "--account", "nobody").exit_code == 1


def test_the_page_marks_the_events_and_tells_their_effect(workspace):
    report = open_report(workspace, "acme", MONTH)
    block = measure_chapters(report)
    assert "<b>1: since </b><b>20 July (new warehouse)</b>: 25.0% before, " in block.html
    assert "2: since </b><b>20 September (printer &lt;b&gt;replaced&lt;/b&gt;)</b>" in block.html
    assert "1: new warehouse" in str(block.charts)
    characters = sum(len(str(line)) for row in measures.measures(report)[:1] for line in event_lines(report, row))
    assert 0 < characters < 1_500


def test_a_page_is_made_again_when_the_events_of_its_account_change(with_events):
    def inputs(account):
        return dict(monthly_batch._data_of_pages(Workspace(with_events), [(account, "US")])[account, "US"])

    file = with_events.parent / "events.csv"
    before, text = [inputs(name) for name in ("acme", "other")], file.read_text()
    file.write_text(text.replace("warehouse", "depot"))
    after = [inputs(name) for name in ("acme", "other")]
    file.write_text(text)
    assert before[0] != after[0]
    assert before[1] == after[1]
    assert "events" not in before[1]


def test_a_snapshot_keeps_the_events_that_its_pages_show(workspace, tmp_path):
    counts = workspace.ensure_counts_saved(tmp_path, False)
    write_snapshot(workspace.store, ["acme"], counts, tmp_path / "part", workspace.events)
    assert Workspace(tmp_path / "part").events == workspace.events
    write_snapshot(workspace.store, ["other"], counts, tmp_path / "other", workspace.events)
    assert Workspace(tmp_path / "other").events == ()


def test_an_invalid_file_stops_reports_before_the_first_page(with_events, run, tmp_path):
    file = with_events.parent / "events.csv"
    text = file.read_text()
    file.write_text("account,day,note\nacme,20/7,moved\n")
    refused = run("report", "--month", MONTH, "--data", with_events, "--out", tmp_path)
    file.write_text(text)
    assert refused.exit_code == 1
    assert "events.csv, row 2: '20/7' is not a day" in refused.output
    assert not list(tmp_path.rglob("*.html"))


def test_the_panel_marks_the_events_of_its_days(workspace):
    panel = where_i_stand(workspace, "acme", "2026-10-31")
    panel.measure.value = ("late_shipment_rate", "seller")
    answer = panel._render_answer()
    assert [note[:2] for note in answer["notes"]][1] == [("1: since ", True), ("20 July (new warehouse)", True)]
    assert "1: new warehouse" in str(answer["figure"]["spec"])


# -- marks ----------------------------------------------------------------------------------------------------------


def daily_rates(luck):
    """SCORES of a rate that walks up and down for 120 days."""
    at_fault, walk = 10, []
    for _ in range(120):
        at_fault = max(0, at_fault + luck.choice([-2, -1, 0, 1, 2]))
        walk.append(at_fault)
    return pd.DataFrame({
        "as_of": pd.to_datetime([DAY - timedelta(days=n) for n in reversed(range(120))]), "window": 60,
        "counted": 1000, "at_fault": walk, "rate": [n / 1000 for n in walk], "side": "below", "target": 0.01,
        "status": ["off target" if n >= 10 else "on target" for n in walk],
    })  # fmt: skip


def test_the_marks_of_small_charts_are_as_high_as_their_plots(tmp_path):
    """A grid of charts knows no height of one, so that a line to "height" had no length."""
    rows = daily_rates(Random(1)).assign(account="acme", marketplace="US")
    events = [Event(DAY - timedelta(days=40), "acme", "", "x"), Event(DAY - timedelta(days=9), "other", "", "y")]
    charts.small_multiples([("a", rows), ("b", rows)], events=events).save(str(tmp_path / "grid.svg"))
    marks = re.findall(r'<line [^>]*y2="([\d.]+)"[^>]*stroke-dasharray="3,3"', (tmp_path / "grid.svg").read_text())
    assert [float(height) for height in marks] == [charts.SMALL_CHART_SIZE[1]] * 2


def boxes_overlap(one, other):
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


@pytest.mark.parametrize("seed", range(8))
def test_labels_never_overlap_however_near_the_events_are(seed):
    """In the narrow drawing; the wide one has more room between the same labels."""
    luck = Random(seed)
    rows = window_line(daily_rates(luck), 60)
    last = DAY
    events = [
        Event(last - timedelta(days=luck.randrange(121)), "acme", "", "x" * luck.randrange(3, 40))
        for _ in range(luck.choice([1, 2, 3, 8, 20]))
    ]
    marked = charts.shown_events(events, last - timedelta(days=119), last)
    axis = RateAxis.from_lines(rows)
    placed = rate_labels.rate_labels(rows, {}, axis, 60, last - timedelta(days=31), marked)
    placer = rate_labels._LabelPlacer(rows, [], axis)
    found = [placer.label_box(label) for label in placed]
    for number, label in enumerate(placed):
        if label.size == 12:
            assert not any(boxes_overlap(found[number], box) for n, box in enumerate(found) if n != number)
            assert found[number][0] >= -4
            assert found[number][1] <= placer.width + 4
    numbers = [label.text.split(":")[0] for label in placed if label.size == 12]
    assert numbers, "the events are named"


@pytest.mark.parametrize(
    ("as_of", "said"),
    [
        ("2027-09-01", "No event lies in the 180 days up to 1 September 2027; the last is of 10 October 2026."),
        ("2026-11-29", "cannot be compared: no rate with a target has orders around"),
    ],
)
def test_events_that_cannot_be_compared_are_not_said_to_be_none(as_of, said, run, tmp_path):
    """A few days of orders, and nothing since: an event of these days is there, and no measure can tell of it."""
    store = Store(tmp_path / "store")
    import_all(store, raw(tmp_path / "raw", "acme", 1))
    assert run("event", "add", "acme", "2026-10-10", "new carrier", "--data", store.folder).exit_code == 0
    shown = run("event", "effect", "--data", store.folder, "--as-of", as_of)
    assert (shown.exit_code, said in " ".join(shown.output.split())) == (0, True)
