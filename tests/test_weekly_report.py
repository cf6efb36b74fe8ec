"""`report --as-of DAY`: the pages of the week to a day, in a folder of their own."""

from __future__ import annotations

import json
from datetime import date

import pytest

import healthkit as hk
from healthkit import batch
from healthkit.batch import pages, run_notebook
from healthkit.batch.manifest import MANIFEST_SUFFIX
from healthkit.report import html
from healthkit.report.model import MonthError, parse_period
from tests.builders.notebooks import page_template, write_notebook
from tests.builders.pages import words
from tests.builders.sample import MONTH

DAY = "2026-10-14"
ACCOUNT = "paper-moth"


@pytest.mark.parametrize(
    ("text", "first", "before", "last"),
    [
        ("2026-02", date(2026, 2, 1), date(2026, 1, 31), date(2026, 2, 28)),
        ("2026-03-03", date(2026, 2, 25), date(2026, 2, 24), date(2026, 3, 3)),
        ("2026-10-31", date(2026, 10, 25), date(2026, 10, 24), date(2026, 10, 31)),
    ],
)
def test_a_period_is_a_month_or_the_seven_days_to_a_day(text, first, before, last):
    period = parse_period(text)
    assert (period.first, period.before, period.last) == (first, before, last)
    assert period.is_month == (len(text) == 7)


@pytest.mark.parametrize("text", ["", "2026-13", "2026-10-32", "yesterday"])
def test_a_text_that_is_neither_is_refused(text):
    with pytest.raises(MonthError, match="is not a month"):
        parse_period(text)


def test_the_figures_are_those_of_the_day_beside_those_of_a_week_before(desk):
    report = hk.open_report(desk, ACCOUNT, DAY)
    view = desk.account(ACCOUNT)
    for day, rows in ((date(2026, 10, 14), report.scores), (date(2026, 10, 7), report.earlier)):
        expected = view.score(day)
        assert list(rows["at_fault"].fillna(-1)) == list(expected["at_fault"].fillna(-1))
        assert list(rows["counted"].fillna(-1)) == list(expected["counted"].fillna(-1))
    assert (report.as_of, report.before) == (date(2026, 10, 14), date(2026, 10, 7))
    text = words(html.scorecard(report)._repr_html_())
    assert "Since 7 Oct, in points" in text.replace("\N{NO-BREAK SPACE}", " ")
    assert "Account health as displayed on 14 October 2026" in words(html.verdict(report)._repr_html_())


def test_files_that_end_before_the_week_make_no_page(desk):
    last = desk.account(ACCOUNT).last_day_known(date(2027, 6, 1))
    with pytest.raises(MonthError, match="for the week to 2027-06-01"):
        hk.open_report(desk, ACCOUNT, "2027-06-01")
    [ended] = hk.model.accounts_ended_before(desk, "2027-06-01", [ACCOUNT])
    assert ended == (ACCOUNT, "US", last)
    assert "nothing is known of the week" in pages.ended_sentence(*ended, "week")


def test_a_week_has_a_folder_of_its_own_and_leaves_the_month_as_it_was(desk, tmp_path, threads):
    options = {
        "accounts": [ACCOUNT],
        "out": tmp_path,
        "executor": threads,
        "template": page_template(tmp_path / "t.ipynb"),
    }
    month = batch.generate_reports(desk, MONTH, **options).index.parent
    before = {path: path.read_bytes() for path in month.iterdir() if path.is_file()}
    week = batch.generate_reports(desk, DAY, **options)
    assert week.failures == []
    assert {path: path.read_bytes() for path in before} == before
    assert week.index == tmp_path / DAY / "index.html"
    folder = week.index.parent
    manifest = json.loads((folder / f"paper-moth_us{MANIFEST_SUFFIX}").read_text(encoding="utf-8"))
    assert manifest["inputs"]["parameters"]["as_of"] == DAY
    assert f"<title>Account health, {DAY}</title>" in week.index.read_text(encoding="utf-8")
    assert batch.generate_reports(desk, DAY, only_changed=True, **options).skipped == 1
    # A page of the month in the folder of the week is not taken for one of the week.
    for path in month.glob("paper-moth_us*"):
        (folder / path.name).write_bytes(path.read_bytes())
    found = pages.read_folder(folder, DAY, [(ACCOUNT, "US")], [])
    assert found.index_rows == []
    assert [reason for _, reason, _ in found.unusable_files] == ["it is not of the week to 2026-10-14"]


def test_a_template_without_the_parameter_says_what_to_add(tmp_path):
    run_notebook.check_parameters({"account": ACCOUNT, "as_of": DAY}, batch.TEMPLATE)
    old = write_notebook(tmp_path / "t.ipynb", "pass", parameters="account = ''\nmonth = ''")
    with pytest.raises(batch.BatchError, match="A weekly report needs it: add as_of"):
        run_notebook.check_parameters({"account": ACCOUNT, "as_of": DAY}, old)


@pytest.mark.slow
def test_the_command_prints_a_week(run, sample_store, tmp_path):
    shown = run("report", "--as-of", DAY, "--account", ACCOUNT, "--data", sample_store, "--out", tmp_path)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[-1] == str(tmp_path / DAY / "index.html")
    assert json.loads((tmp_path / DAY / "paper-moth_us.json").read_text(encoding="utf-8"))["as_of"] == DAY


@pytest.mark.parametrize("words_given", [[], ["--month", MONTH, "--as-of", DAY]])
@pytest.mark.parametrize("command", ["report", "check"])
def test_exactly_one_of_month_and_day_is_given(run, command, words_given, sample_store):
    shown = run(command, *words_given, "--data", sample_store)
    assert shown.exit_code == 2
    assert "Give either --month 2026-10 or --as-of 2026-10-31." in shown.output


def test_check_judges_any_day(run, sample_store):
    shown = run("check", "--as-of", DAY, "--account", "birchway-crafts", "--data", sample_store)
    month = run("check", "--month", MONTH, "--account", "birchway-crafts", "--data", sample_store)
    assert (shown.exit_code, month.exit_code) == (1, 1)
    assert "off target  birchway-crafts (US): Late Shipment Rate" in shown.output
    assert shown.output != month.output
