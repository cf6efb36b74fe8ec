"""Stores that have orders and no rules: every answer names them, and none calls them without orders."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from healthkit.batch import generate_reports
from healthkit.cli import app
from healthkit.ingest import importer
from healthkit.metrics.policy import PolicyError
from healthkit.panels import portfolio_model, where_i_stand_model
from healthkit.panels.where_i_stand_model import QuestionError
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests.builders.store_files import raw

DAY, MONTH = "2026-10-28", "2026-10"
NO_RULES = "No rules for SG (4 orders of "


@pytest.fixture(autouse=True)
def _no_rules_for_singapore(monkeypatch):
    monkeypatch.setattr("healthkit.workspace.workspace.marketplaces_with_policy", lambda: {"US"})


@pytest.fixture
def alone(tmp_path) -> Path:
    """The store of an account whose orders no policy judges."""
    return taken(tmp_path, raw(tmp_path / "raw", "alone", 1, 4, "Amazon.sg"))


@pytest.fixture
def both(tmp_path) -> Path:
    """The store of an account with orders in a store with rules and in one without."""
    one, other = raw(tmp_path / "raw", "both", 1, 20), raw(tmp_path / "raw", "both", 2, 4, "Amazon.sg")
    return taken(tmp_path, one, other)


def taken(folder: Path, *files: Path) -> Path:
    assert not [one.refused for one in importer.import_files(files, Store(folder / "store")) if one.refused]
    return folder / "store"


def run(*words: Any) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [*map(str, words)])
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("command", ["scores", "standing", "outlook"])
def test_a_store_without_rules_is_not_one_without_orders(alone, command):
    code, _, said = run(command, "--as-of", DAY, "--data", alone)
    assert code == 1
    assert "that a policy judges. " + NO_RULES + "alone)" in said
    assert "Write a policy file for such a store (see docs/rules.md)" in said


@pytest.mark.parametrize("command", ["scores", "standing", "outlook"])
@pytest.mark.parametrize("form", ["table", "csv"])
def test_beside_judged_orders_the_others_are_named(both, command, form):
    code, printed, said = run(command, "--as-of", DAY, "--data", both, "--format", form)
    assert code == 0
    assert printed
    assert NO_RULES + "both)" in said


def test_another_account_s_stores_are_not_named(both, tmp_path):
    taken(tmp_path, raw(tmp_path / "raw", "other", 3, 20))
    _, _, said = run("scores", "--as-of", DAY, "--data", both, "--account", "other")
    assert "No rules" not in said


def test_where_every_order_is_judged_nothing_is_said(tmp_path):
    store = taken(tmp_path, raw(tmp_path / "raw", "acme", 1, 20))
    for command in ("scores", "standing", "outlook"):
        assert "No rules" not in run(command, "--as-of", DAY, "--data", store)[2]
    assert "No rules" not in "".join(run("check", "--month", MONTH, "--data", store)[1:])


@pytest.mark.parametrize("command", ["drivers", "bridge", "reconcile"])
def test_a_question_about_the_account_says_that_no_policy_judges_it(alone, command):
    metric = () if command == "reconcile" else ("--metric", "cancellation_rate")
    first = ("--from", "2026-10-01") if command == "bridge" else ()
    code, _, said = run(command, "--account", "alone", *metric, *first, "--as-of", DAY, "--data", alone)
    assert code == 1
    assert "No policy judges SG (4 orders), where alone sells. Write a policy file" in said


def test_check_does_not_pass_a_store_without_rules(alone):
    code, _, said = run("check", "--month", MONTH, "--data", alone)
    assert (code, NO_RULES in said) == (3, True)


def test_check_names_it_in_every_format(both):
    for form in ("table", "csv", "json"):
        code, printed, said = run("check", "--month", MONTH, "--data", both, "--format", form)
        assert code in (1, 3)
        assert NO_RULES + "both)" in said
        if form == "json":
            json.loads(printed)


def test_doctor_names_it_for_the_store_and_for_the_account(alone):
    for words in ((), ("--account", "alone")):
        _, printed, _ = run("doctor", "--data", alone, *words)
        assert "▲ " + NO_RULES + "alone)" in printed


def test_the_import_names_it(tmp_path):
    raw(tmp_path / "raw", "alone", 1, 4, "Amazon.sg")
    code, printed, _ = run("import", tmp_path / "raw", "--data", tmp_path / "store")
    assert code == 0
    assert NO_RULES + "alone)" in printed


def test_the_report_says_why_there_is_no_page(alone, tmp_path):
    for account in ((), ("--account", "alone")):
        code, _, said = run("report", "--month", MONTH, "--data", alone, "--out", tmp_path / "out", *account)
        assert code == 1
        assert NO_RULES + "alone)" in said
        assert "The orders reach from" not in said


def test_the_index_and_the_notes_of_a_batch_name_it(both, tmp_path):
    result = generate_reports(Workspace(both), MONTH, out=tmp_path / "out")
    assert any(note.startswith(NO_RULES + "both)") for note in result.notes)
    assert "No rules for SG (4 orders of both)" in result.index.read_text(encoding="utf-8")


def test_panels_say_so_too(alone):
    with pytest.raises(QuestionError, match="No rules for SG"):
        portfolio_model.rank_accounts(Workspace(alone), date.fromisoformat(DAY))
    with pytest.raises(QuestionError, match="No rules for SG"):
        where_i_stand_model.first_question(Workspace(alone), "alone", DAY)
    with pytest.raises(PolicyError, match=r"No policy judges SG \(4 orders\)"):
        Workspace(alone).account("alone")


def test_the_table_of_all_accounts_names_it(both):
    workspace, day = Workspace(both), date.fromisoformat(DAY)
    ranking = portfolio_model.rank_accounts(workspace, day, look_ahead=False)
    settings = portfolio_model.PortfolioSettings(
        portfolio_model.AccountFilter(), [], ("late_shipment_rate", "seller"), 30
    )
    assert NO_RULES + "both)" in portfolio_model.render_portfolio(workspace, ranking, day, settings)["table"]["key"]
