"""What to do, in order: actions as data, last days counted by hand, what each brings against a recount without it."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from functools import cache
from itertools import combinations
from urllib.parse import urlsplit

import pytest
import yaml

from healthkit.analysis import rolloff, verdicts
from healthkit.analysis.todo import OrderToAct, find_todo
from healthkit.batch.report_data import MIME_TYPE, ReportData
from healthkit.metrics import scores
from healthkit.metrics.action_files import (
    ACTION_FOLDER,
    ActionCatalogue,
    ActionError,
    load_actions,
    read_action_file,
)
from healthkit.metrics.counts import count_orders
from healthkit.report.html import todo as todo_block
from healthkit.report.html import what_to_do
from healthkit.report.html.missing_files import download_advice
from healthkit.report.html.report import verdict_lines
from healthkit.report.html.todo import rows_of_report
from healthkit.report.model import open_report
from healthkit.report.text import labels
from healthkit.report.text.figures import format_long_day
from healthkit.report.text.outlook import format_chance, likely_clause
from healthkit.report.todo_list import account_todo
from healthkit.schema import tables
from healthkit.schema.marketplaces import MARKETPLACES
from tests import plain
from tests.builders import client_files as client
from tests.builders.ledger_rows import about, defect, order
from tests.builders.random_ledgers import START, instant, ledger, made_policy, random_ledger, rule
from tests.builders.sample import DAY
from tests.builders.slow import slow_after

FILES = sorted(ACTION_FOLDER.glob("*.yaml"))
SHIPPED = [(path.stem, action) for path in FILES for action in read_action_file(path).actions]
US = load_actions("US")


# -- actions as data ----------------------------------------------------------------------------------------------


def test_each_company_with_rules_of_its_own_has_a_file_of_actions():
    companies = {one.company for one in MARKETPLACES.values()} - {"Olist"}
    assert {read_action_file(path).company for path in FILES} == companies


@pytest.mark.parametrize(("file", "action"), SHIPPED, ids=lambda one: getattr(one, "id", one))
def test_every_shipped_action_has_a_source_and_words_for_what_it_is_about(file, action):
    assert action.source
    assert action.url.startswith("https://")
    assert action.sure in "ARTI"
    assert date(2026, 1, 1) <= action.read <= date(2026, 12, 31)
    assert set(action.causes) <= set(labels.CAUSE_LABELS), "a cause without words is none of ours"
    assert not action.title.endswith(".")
    assert action.title[0].isupper()
    # Nobody may read a number of days that no source confirms as if one did.
    if action.deadline is not None:
        assert action.deadline.event
        assert action.deadline.sure == "A" or action.deadline.note, "say why the last day is not sure"
    elif action.kind == "clear":
        assert action.until, "say in words that no last day is known"
    if action.kind == "clear":
        assert action.grounds, "say in which circumstances it is granted"


MADE = {
    "company": "Amazon",
    "read": "2026-11-29",
    "actions": {
        "appeal": {
            "title": "Appeal the claim", "kind": "clear", "causes": ["a_to_z_claim"], "sure": "A", "source": "A page",
            "url": "https://example.com/page", "until": "no last day is stated",
        }
    },
}  # fmt: skip


def written(tmp_path, **changes):
    """A file of one action with some fields changed; None leaves a field out."""
    row = MADE["actions"]["appeal"] | changes
    row = {name: value for name, value in row.items() if value is not None}
    path = tmp_path / "made.yaml"
    path.write_text(yaml.safe_dump(MADE | {"actions": {"appeal": row}}, sort_keys=False), encoding="utf-8")
    return path


def test_a_file_of_actions_is_read(tmp_path):
    [action] = read_action_file(written(tmp_path)).actions
    assert (action.id, action.read) == ("appeal", date(2026, 11, 29))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"source": None}, "source"),
        ({"source": " "}, "source"),
        ({"url": None}, "url"),
        ({"url": "http://example.com"}, "url"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"sure": "certain"}, "sure"),
        ({"causes": []}, "action"),
        ({"metrics": ["wrong_rate"]}, "metrics"),
        ({"marketplaces": ["XX"]}, "marketplaces"),
        ({"kind": "due", "metrics": ["late_shipment_rate"]}, "action"),
        ({"kind": "resolve"}, "action"),
        ({"deadline": {"days": 30}}, "deadline.event"),
        ({"deadline": {"days": -1, "event": "x", "counted_from": "known_on", "sure": "A"}}, "deadline.days"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_action_that_is_not_whole_is_refused_with_file_line_and_field(tmp_path, changes, field):
    with pytest.raises(ActionError, match=rf"^made\.yaml, line 5, appeal, field {field}: .+\.$"):
        read_action_file(written(tmp_path, **changes))


@pytest.mark.parametrize("text", ["- a list", "company: Amazon", "actions: {a: 1}\ncompany: Amazon\nread: 2026-11-29"])
def test_what_is_no_file_of_actions_is_refused(tmp_path, text):
    path = tmp_path / "made.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ActionError, match=r"made\.yaml"):
        read_action_file(path)


def test_a_link_to_orders_that_names_no_order_is_refused(tmp_path):
    path = written(tmp_path)
    page = {"link": "https://example.com/orders", "source": "x", "url": "https://example.com", "sure": "T"}
    path.write_text(path.read_text(encoding="utf-8") + yaml.safe_dump({"order_page": page}), encoding="utf-8")
    with pytest.raises(ActionError, match=r"made\.yaml, line \d+, field order_page\.link: the link lacks"):
        read_action_file(path)


@pytest.mark.parametrize("code", [code for code, one in MARKETPLACES.items() if one.is_amazon])
def test_an_order_of_each_amazon_store_is_linked_to_its_own_seller_central(code):
    domain = MARKETPLACES[code].sales_channel.lower()
    link = load_actions(code).order_link(code, "111-2222222-3333333")
    assert link == f"https://sellercentral.{domain}/orders-v3/order/111-2222222-3333333"


@pytest.mark.parametrize("order_id", ["", "a b", "a/b", "a?b", "a#b", '"><script>', "a%2f", "é"])
def test_an_id_that_could_lead_elsewhere_is_not_linked(order_id):
    assert US.order_link("US", order_id) == ""


# -- last days, by hand -------------------------------------------------------------------------------------------

AS_OF = date(2026, 6, 30)
ODR = rule("order_defect_rate", "ordered_on", windows=(60,), lag=15, below=Fraction(1, 100), counting={})
LATE = rule("late_shipment_rate", "ship_by_on", windows=(30,), below=Fraction(1, 25), counting={"counts": "confirmed"})
ANSWERS = rule("late_response_rate", "received_on", windows=(30,), below=Fraction(1, 10), counting={"within_hours": 24})
ANSWERS = ANSWERS.model_copy(update={"channels": ("all",)})
MADE_POLICY = made_policy([ODR, LATE, ANSWERS])


def todo_of(rows, policy=MADE_POLICY, as_of=AS_OF, account="acme", catalogue=US, files_end=None):
    """What to do in a made account, by our count alone."""
    tables_of_account = ledger(rows)
    counts = count_orders(tables_of_account, policy.rules)
    scored = scores.score(counts, policy, as_of)
    scored = scored[scored["account"] == account].reset_index(drop=True)
    verdict = verdicts.judge_account(policy.rules, tables.records(scored), [], as_of, (account, "US"))
    failing = scored[scored["status"].isin(["off target", "at risk"]) & scored["rate"].notna()]
    calendars = {
        (row["metric"], row["channel"], int(row["window"])): rolloff.roll_off_calendar(counts, policy, row)
        for _, row in failing.iterrows()
    }
    return find_todo(verdict, counts, policy, scored, calendars, tables_of_account, catalogue, files_end or as_of)


def items_of(todo, metric):
    [measure] = [one for one in todo.measures if one.metric == metric and one.channel in ("seller", "all")]
    return measure, {one.action.id: one for one in measure.items}


def claims(*known_on, orders=100):
    """A hundred orders in the window of the defect rate, with one claim that became known on each day."""
    placed = [order(f"o{n:03}", date(2026, 4, 17) + timedelta(n % 60)) for n in range(orders)]
    return {
        "orders": placed,
        "defects": [defect(f"o{n:03}", "a_to_z_claim", day) for n, day in enumerate(known_on)],
    }


def test_the_last_day_of_an_appeal_is_thirty_days_after_the_claim_became_known():
    todo = todo_of(claims(date(2026, 5, 31), date(2026, 5, 30), date(2026, 6, 20)))
    _, items = items_of(todo, "order_defect_rate")
    appeal = items["appeal_a_to_z_claim"]
    # 31 May + 30 days = 30 June, today; 30 May + 30 = 29 June, yesterday; 20 June + 30 = 20 July.
    assert {one.order_id: one.last_day for one in appeal.orders} == {"o000": AS_OF, "o002": date(2026, 7, 20)}
    assert [(one.order_id, one.last_day) for one in appeal.past] == [("o001", date(2026, 6, 29))]
    assert appeal.last_day == AS_OF


def test_each_cause_of_an_order_has_its_own_last_day():
    rows = claims(date(2026, 6, 25), date(2026, 6, 25))
    rows["defects"].append(defect("o000", "chargeback", date(2026, 6, 22)))
    rows["defects"].append(defect("o001", "chargeback", date(2026, 6, 23)))
    _, items = items_of(todo_of(rows), "order_defect_rate")
    assert {one.last_day for one in items["appeal_a_to_z_claim"].orders} == {date(2026, 7, 25)}
    chargebacks = items["represent_chargeback"]
    assert [(one.order_id, one.last_day) for one in chargebacks.past] == [("o000", date(2026, 6, 29))]
    assert [(one.order_id, one.last_day) for one in chargebacks.orders] == [("o001", date(2026, 6, 30))]
    # Neither is saved by one of the two alone, and no set of claims is called enough.
    assert not any(one.is_saved for one in items["appeal_a_to_z_claim"].orders)
    assert items["appeal_a_to_z_claim"].needed is None


def test_a_claim_that_only_a_list_names_may_have_been_granted_before():
    rows = claims(date(2026, 6, 20), date(2026, 6, 20))
    rows["defects"][0]["assumed"] = "day_from_list"
    _, items = items_of(todo_of(rows), "order_defect_rate")
    assert {one.order_id: one.is_latest for one in items["appeal_a_to_z_claim"].orders} == {"o000": True, "o001": False}


def test_a_review_is_reported_until_a_hundred_days_after_the_order():
    etsy = read_action_file(ACTION_FOLDER / "etsy.yaml")
    bad = rule("negative_review_rate", "ordered_on", windows=(102,), below=Fraction(1, 100), counting={})
    placed = [order("old", AS_OF - timedelta(101)), order("new", AS_OF - timedelta(100))]
    rated = [
        about(one["order_id"], feedback_id=one["order_id"], rating=1, received_on=AS_OF - timedelta(5), rank="1",
              removed_on=None)
        for one in placed
    ]  # fmt: skip
    todo = todo_of({"orders": placed, "feedback": rated}, made_policy([bad]), catalogue=etsy)
    _, items = items_of(todo, "negative_review_rate")
    assert [one.order_id for one in items["report_review"].orders] == ["new"]
    assert [one.order_id for one in items["report_review"].past] == ["old"]


def test_what_waits_is_named_with_its_own_last_day_and_only_while_the_files_tell_of_it():
    waits = {"status": None, "shipped_at": None, "shipped_on": None}

    def due(order_id, ship_by_on, **more):
        noon = instant((ship_by_on - START).days, 20)
        return order(order_id, AS_OF - timedelta(3), ship_by_on=ship_by_on, ship_by=noon, **waits | more)

    rows = {
        "orders": [
            due("today", AS_OF), due("tomorrow", AS_OF + timedelta(1)), due("late", AS_OF - timedelta(1)),
            due("far", AS_OF + timedelta(3)), due("fulfilled by Amazon", AS_OF, channel="amazon"),
        ],
        "contacts": [
            about(None, contact_id=name, kind="message", received_at=instant((asked_on - START).days),
                  received_on=asked_on,
                  due_24h_on=asked_on + timedelta(1), due_48h_on=asked_on + timedelta(2), answered_at=None,
                  answered_on=answered, excused_on=None, outcome=None, assumed=None)
            for name, asked_on, answered in (
                ("m1", AS_OF, None), ("m2", AS_OF - timedelta(1), None), ("m3", AS_OF - timedelta(2), None),
                ("m4", AS_OF, AS_OF), ("m5", AS_OF - timedelta(1), AS_OF + timedelta(1)),
            )
        ],
    }  # fmt: skip
    todo = todo_of(rows)
    shipments = next(i for m in todo.measures for i in m.items if i.action.id == "confirm_shipments")
    assert [(one.order_id, one.last_day) for one in shipments.orders] == [
        ("today", AS_OF), ("tomorrow", AS_OF + timedelta(1))
    ]  # fmt: skip
    assert [one.order_id for one in shipments.past] == ["late"]
    messages = next(i for m in todo.measures for i in m.items if i.action.id == "answer_messages")
    assert {one.order_id: one.last_day for one in messages.orders} == {
        "m1": AS_OF + timedelta(1), "m2": AS_OF, "m5": AS_OF
    }  # fmt: skip
    stale = todo_of(rows, files_end=AS_OF - timedelta(1))
    assert not [i for m in stale.measures for i in m.items if i.action.kind == "due"]


def test_an_account_without_actions_has_nothing_invented():
    none = ActionCatalogue(company="Olist", read=AS_OF, actions=())
    [measure] = todo_of(claims(date(2026, 6, 20), date(2026, 6, 21)), catalogue=none).measures
    assert measure.items == ()
    assert measure.together is None
    assert todo_of({"orders": [order("o1", date(2026, 5, 20))]}).measures == ()


# -- what it brings, against a recount without it -----------------------------------------------------------------

SMALL = rule(
    "order_defect_rate", "ordered_on", windows=(20,), lag=3, below=Fraction(1, 4), counting={"negative_up_to": 2}
)
RANDOM_POLICY = made_policy([SMALL])
RANDOM_DAY = START + timedelta(days=30)


def without(rows, order_ids, causes):
    """The raw rows without what made some orders defective."""
    ids = set(order_ids)
    defects = [row for row in rows["defects"] if row["order_id"] not in ids or row["kind"] not in causes]
    feedback = [row for row in rows["feedback"] if row["order_id"] not in ids or "negative_feedback" not in causes]
    return rows | {"defects": defects, "feedback": feedback}


def recount(rows, account, channel):
    judged = plain.judged("order_defect_rate", rows, dict(SMALL.counting), SMALL.clock, RANDOM_DAY, False)
    return plain.counts(judged, account, channel, RANDOM_DAY, 20, 3)


@cache
def random_todos(seed):
    rows = random_ledger(seed, orders=40)
    return [
        (rows, account, measure)
        for account in "ab"
        for measure in todo_of(rows, RANDOM_POLICY, RANDOM_DAY, account).measures
    ]


def clearing(measure):
    return [one for one in measure.items if one.action.kind == "clear" and one.then is not None]


SEEDS = pytest.mark.parametrize("seed", slow_after(2, (1, 6, 0, 2, 3, 4, 5, *range(7, 12))))


@SEEDS
def test_what_an_action_brings_is_what_a_count_without_its_orders_gives(seed):
    """Every row of the raw tables that made them defective is taken away, and the orders are counted in plain loops."""
    seen = 0
    for rows, account, measure in random_todos(seed):
        for item in clearing(measure):
            edited = without(rows, [one.order_id for one in item.first_orders], item.action.causes)
            recounted = recount(edited, account, measure.channel)
            assert (item.then.counted, item.then.at_fault) == recounted, (account, item.action.id)
            if item.needed is not None:
                assert SMALL.target.is_met(*recounted)
            seen += 1
    assert seen


@SEEDS
def test_on_target_from_is_the_day_from_which_a_ledger_without_these_orders_stays_on_target(seed):
    seen = 0
    for rows, account, measure in random_todos(seed):
        for item in clearing(measure)[:1]:
            edited = ledger(without(rows, [one.order_id for one in item.first_orders], item.action.causes))
            counts = count_orders(edited, RANDOM_POLICY.rules)
            table = scores.score(counts, RANDOM_POLICY, RANDOM_DAY)
            [row] = [
                row for _, row in table.iterrows() if (row["account"], row["channel"]) == (account, measure.channel)
            ]
            assert item.then.back_on == rolloff.roll_off_calendar(counts, RANDOM_POLICY, row).back_on
            seen += 1
    assert seen


@pytest.mark.parametrize("seed", slow_after(2, (1, 6, 0, 2, 3, 4, 5, *range(7, 12))))
def test_no_smaller_set_of_orders_would_do(seed):
    for rows, account, measure in random_todos(seed):
        for item in clearing(measure):
            saved = [one.order_id for one in item.orders if one.is_saved]
            for fewer in combinations(saved, item.needed - 1) if item.needed else ():
                recounted = recount(without(rows, fewer, item.action.causes), account, measure.channel)
                assert not SMALL.target.is_met(*recounted)


@SEEDS
def test_all_actions_together_are_worked_out_where_none_is_enough_alone(seed):
    for rows, account, measure in random_todos(seed):
        if measure.together is None:
            continue
        edited = rows
        for item in measure.items:
            if item.action.kind == "clear":
                edited = without(edited, [one.order_id for one in item.orders], item.action.causes)
        recounted = recount(edited, account, measure.channel)
        assert (measure.together.counted, measure.together.at_fault) == recounted
        assert all(item.needed is None for item in measure.items)


def test_the_random_ledgers_have_sets_that_are_enough_and_some_that_are_enough_together():
    measures = [measure for seed in (1, 6) for *_, measure in random_todos(seed)]
    assert any(item.needed and item.needed > 1 for measure in measures for item in measure.items)
    assert any(measure.together for measure in measures)


@SEEDS
def test_actions_that_are_enough_come_first_the_smallest_set_on_top(seed):
    for *_, measure in random_todos(seed):
        order_of_doing = [(one.needed is None, one.needed or 0) for one in clearing(measure)]
        assert order_of_doing == sorted(order_of_doing)
        for one in clearing(measure):
            assert one.needed is None or all(row.is_saved for row in one.first_orders)


@pytest.mark.parametrize("code", slow_after(1, ["US", "DE", "ETSY"]))
def test_a_figure_of_the_marketplace_that_decides_brings_nothing_that_is_not_known(code):
    """Amazon says 9 of 100; the files name two orders: what these bring cannot be worked out."""
    rows = claims(date(2026, 6, 20), date(2026, 6, 21))
    tables_of_account = ledger(rows)
    policy = made_policy([ODR])
    counts = count_orders(tables_of_account, policy.rules)
    scored = scores.score(counts, policy, AS_OF)
    scored = scored[scored["channel"] == "seller"].reset_index(drop=True)
    [ours] = tables.records(scored)
    theirs = ours | {"case": "amazon", "counted": 100, "at_fault": 9, "status": "off target", "reported_on": AS_OF}
    verdict = verdicts.judge_account(policy.rules, [ours | {"status": "at risk"}], [theirs], AS_OF, ("acme", "US"))
    calendar = rolloff.roll_off_calendar(counts, policy, scored.iloc[0])
    todo = find_todo(
        verdict,
        counts,
        policy,
        scored,
        {("order_defect_rate", "seller", 60): calendar},
        tables_of_account,
        load_actions(code),
        AS_OF,
    )
    [measure] = todo.measures
    assert measure.figure_is_reported
    assert measure.unknown == 7
    assert all(one.then is None and one.needed is None for one in measure.items)


# -- the list and the command -------------------------------------------------------------------------------------

LANTERN = "lantern-hill-lighting"


def asked(run, sample_store, *words):
    """The command todo on the sample, for an as-of day and accounts."""
    return run("todo", "--data", sample_store, *words)


@pytest.fixture(scope="module")
def lantern(desk):
    return account_todo(desk.account(LANTERN), DAY, draws=100)


def test_the_list_leads_with_the_smallest_set_for_the_worst_measure(lantern):
    first = lantern[0]
    assert (first.measure, first.action_id, first.needed) == ("Order Defect Rate", "appeal_a_to_z_claim", 5)
    assert first.brings.startswith("with these 5 of 11 granted: 0.98% instead of 1.28%, on target from 5 November")
    assert first.until == "by 9 November (inferred)"
    assert [row.position for row in lantern] == list(range(1, len(lantern) + 1))


def test_the_best_case_never_stands_alone(lantern):
    assert all(row.likely for row in lantern if "if nothing new goes wrong" in row.brings)


def test_what_is_likely_with_a_request_granted_is_a_scenario_of_its_orders(desk, lantern):
    view, tried = desk.account(LANTERN), 0
    for row in lantern:
        if row.kind != "clear" or row.metric != "order_defect_rate":
            continue
        steps = [{"cleared": {"orders": [one.order_id for one in row.first_orders], "since": DAY + timedelta(days=1)}}]
        futures = view.simulate_scenario(view.measure(row.metric, DAY), steps, draws=100)
        back = {tenth: day and format_long_day(day, 2026) for tenth, day in futures.back_on_by_tenth.items()}
        middle = futures.back_on_by_tenth[5]
        if middle is None:
            phrase = f"likely still off target on {format_long_day(futures.last_day, 2026)}"
        elif back[9] is None or futures.back_on_by_tenth[9] == futures.last_day:
            phrase = f"back by {back[5]} with a chance of {round(futures.chance_back_by(middle) * 100)}%"
        else:
            phrase = f"likely back between {back[1]} and {back[9]}"
        assert row.brings.endswith(f"; at the usual pace {phrase}")
        tried += 1
    assert tried > 2


def test_what_cannot_be_judged_with_a_request_granted_says_nothing_of_what_is_likely(desk):
    rows = [row for row in account_todo(desk.account("paper-moth"), DAY, draws=20) if row.kind == "clear"]
    unjudged = [row for row in rows if "cannot be judged then" in row.brings]
    assert unjudged
    assert not any("usual pace" in row.brings for row in unjudged)
    assert any("usual pace" in row.brings for row in rows)


def test_the_smallest_set_of_claims_is_among_the_strongest_steps_of_a_report(desk):
    report = open_report(desk, LANTERN, "2026-10")
    key = "order_defect_rate", "seller", 60
    [won] = [one for one in report.steps[key] if one.step.kind == "cleared"]
    assert won.step.orders == report.todo.measures[0].items[0].saved_orders
    assert len(won.step.orders) == 5
    assert won.step.since == DAY + timedelta(days=1)
    days = [one.simulation.days["off"].mean() for one in report.steps[key]]
    assert days == sorted(days)
    plain = report.futures[key].days["off"]
    assert days[-1] < plain.mean()
    figures = ReportData(report, "page")._repr_mimebundle_()[MIME_TYPE]["figures"]
    told = next(one for one in figures["outlook"] if (one["metric"], one["window"]) == ("order_defect_rate", 60))
    assert [one["kind"] for one in told["strongest_steps"]] == [one.step.kind for one in report.steps[key]]
    listed = next(one for one in told["strongest_steps"] if one["kind"] == "cleared")
    assert (listed["orders"], listed["since"]) == (list(won.step.orders), "2026-11-01")
    assert listed["futures"]["breach"]["30"] == won.simulation.breach_chances[30]
    chance = format_chance(won.simulation.chance_off(DAY + timedelta(days=30)))
    clause = likely_clause(won.simulation, DAY.year)
    assert listed["likely"] == f"{clause}; {chance} chance still off target on 30 November"
    assert json.dumps(figures)


def test_failing_measures_come_first_then_files_then_what_waits_elsewhere(desk):
    rows = account_todo(desk.account("paper-moth"), DAY, draws=20)
    rank = {"off target": 0, "at risk": 1, "cannot be judged": 2}
    found = [rank.get(row.status, 3) for row in rows]
    assert found == sorted(found)
    assert {0, 2, 3} <= set(found)


def test_the_command_prints_the_list_as_table_csv_and_json(run, sample_store, lantern):
    words = ("--as-of", DAY, "--account", LANTERN)
    table = asked(run, sample_store, *words).output
    assert "Appeal the A-to-z" in table
    assert "As it goes on:" in table
    assert "published nowhere" in table
    assert "Last days are as of 31 October 2026; earlier ones count as past." in " ".join(table.split())
    rows = list(csv.DictReader(io.StringIO(asked(run, sample_store, *words, "--format", "csv").output)))
    assert [(row["action_id"], row["last_day"], row["url"]) for row in rows] == [
        (row.action_id, "" if row.last_day is None else row.last_day.isoformat(), row.url) for row in lantern
    ]
    assert rows[0]["order_ids"].split("; ") == [one.order_id for one in lantern[0].orders]
    data = json.loads(asked(run, sample_store, *words, "--format", "json").output)
    first = data[0]["orders"][0]
    assert first["link"] == f"https://sellercentral.amazon.com/orders-v3/order/{first['order_id']}"
    assert first["last_day"] >= "2026-10-31"


def test_an_account_whose_files_end_earlier_is_told_which_file_to_bring(run, sample_store):
    answer = asked(run, sample_store, "--as-of", "2026-12-31", "--account", "paper-moth", "--format", "json")
    rows = json.loads(answer.output)
    assert {row["kind"] for row in rows} == {"file"}
    assert rows[0]["action"] == "Download the all-orders file and import it"
    assert all(row["orders"] == [] and row["brings"].startswith("it contains") for row in rows)


def test_a_list_of_files_that_end_early_leads_with_newer_orders(run, sample_store):
    """As of 20 November, 19 days after the last day that the files cover; the page of a month says so, too."""
    answer = asked(run, sample_store, "--as-of", "2026-11-20", "--account", LANTERN, "--format", "json")
    rows = json.loads(answer.output)
    assert rows[0]["action"] == "Download the all-orders file and import it"
    assert "2 to 20 November 2026" in rows[0]["until"]
    assert [row["action_id"] for row in rows].count("all_orders") == 1
    assert rows[1]["status"] == "off target"


def test_the_page_of_files_that_end_in_the_month_asks_for_the_rest_of_it(tmp_path):
    """Orders until 19 October, of which the last was updated on the 20th: missing are the 20th to the 31st."""
    orders = client.placed(date(2026, 6, 1), date(2026, 10, 19), 5)
    workspace = client.imported(
        tmp_path,
        all_orders_dot_txt=client.all_orders(orders, cancelled={number for number, _ in orders[-30:]}),
        feedback_dot_txt=client.feedback([]),
    )
    report = open_report(workspace, "acme", "2026-10")
    advice = [one for one in download_advice(report) if one.kind == "all_orders"]
    assert [(one.ranges, one.missing) for one in advice] == [(((date(2026, 10, 20), date(2026, 10, 31)),), "end")]
    rows = rows_of_report(report)
    assert (rows[0].action_id, rows[0].until) == (
        "all_orders", "12 days more, 20 to 31 October 2026: yours ends on 19 October 2026",
    )  # fmt: skip
    assert rows[1].status == "off target"
    assert what_to_do(report).html.index("all-orders file") < what_to_do(report).html.index(rows[1].action)


def test_page_and_command_list_the_same_orders_where_amazon_s_figure_decides(tmp_path):
    """Amazon counts 3 defects of 190 orders; the files name one bad rating of 300, which is on target."""
    day = date(2026, 10, 31)
    orders = client.placed(date(2026, 6, 1), day, 5)
    [rated] = [number for number, placed in orders if placed == date(2026, 9, 20)][:1]
    workspace = client.imported(
        tmp_path,
        all_orders_dot_txt=client.all_orders(orders),
        feedback_dot_txt=client.feedback([(rated, date(2026, 9, 25), 1)]),
        performance_dot_json=client.performance(day, orderDefectRate=client.defect_rate(day, 190, 3, "BAD")),
    )
    report = open_report(workspace, "acme", "2026-10")
    [measure] = [one for one in report.verdict.measures if one.metric == "order_defect_rate"]
    assert (measure.status, measure.decided_by) == ("off target", verdicts.AMAZON)
    rows = rows_of_report(report)
    assert [one.order_id for row in rows if row.action_id == "request_feedback_removal" for one in row.orders] == [
        rated
    ]
    assert rows == account_todo(workspace.account("acme"), day)


@pytest.mark.parametrize("account", [LANTERN, "birchway-crafts", "paper-moth"])
def test_page_and_command_list_the_same_rows(desk, account):
    assert rows_of_report(open_report(desk, account, "2026-10")) == account_todo(desk.account(account), DAY)


def test_the_tables_of_what_waits_alone_give_the_same_list(desk):
    fresh, full = replace(desk.account(LANTERN)), replace(desk.account(LANTERN))
    assert full.ledger.orders is full.ledger_with(()).orders, "tables at hand are not read again"
    todo = fresh.todo(DAY)
    assert "ledger" not in vars(fresh)
    assert todo == full.todo(DAY)
    waiting = {item.action.waiting for measure in todo.measures for item in measure.items if item.orders}
    assert waiting >= {"shipments", "messages", "returns"}


@pytest.mark.parametrize("account", [LANTERN, "birchway-crafts"])
def test_rows_of_scores_at_hand_give_the_same_list(desk, account):
    view = desk.account(account)
    scored = desk.score(DAY)
    own = scored[scored["account"] == account].reset_index(drop=True)
    assert account_todo(view, DAY, draws=20, scored=own) == account_todo(view, DAY, draws=20)


def test_an_account_with_nothing_to_do_is_told_so(run, sample_store):
    assert "Nothing is off target" in asked(run, sample_store, "--as-of", DAY, "--account", "clearbrook-bath").output
    unknown = asked(run, sample_store, "--as-of", DAY, "--account", "nobody")
    assert (unknown.exit_code, unknown.output.count("\n")) == (1, 1)


# -- on the page and in summaries ---------------------------------------------------------------------------------


def test_the_page_shows_the_first_action_of_each_measure_in_at_most_three_kilobytes(desk):
    report = open_report(desk, LANTERN, "2026-10")
    html = what_to_do(report).html
    assert len(html.encode()) <= 3000
    assert html.count("<li>") == 4
    rows = rows_of_report(report)
    assert f"And {len(rows) - 4} more in the whole list." in html
    first = rows[0].first_orders
    assert [f'href="{one.link}"' in html for one in first] == [True] * 3 + [False] * (len(first) - 3)
    assert verdict_lines(report)[-1][0] == "What to do, in order"
    assert "5 of 11 orders; by 9 November (inferred)" in verdict_lines(report)[-1][1]


def test_the_page_of_an_account_with_nothing_to_do_has_no_such_part(desk):
    assert what_to_do(open_report(desk, "clearbrook-bath", "2026-10")).html == ""


def test_an_id_from_a_file_is_escaped_and_not_linked(desk):
    report = open_report(desk, "birchway-crafts", "2026-10")
    measure = report.todo.measures[0]
    item = replace(measure.items[0], orders=(OrderToAct('"><script>alert(1)</script>', DAY),))
    todo = replace(report.todo, measures=(replace(measure, items=(item,)),))
    html = what_to_do(replace(report, todo=todo)).html
    assert "<script>" not in html
    assert "<a " not in html


STORES_OF_HOSTS = {
    ".co.jp": {"JP"}, ".com.au": {"AU"}, ".co.uk": {"UK"},
    "sellercentral-europe.amazon.com": {"UK", "DE", "FR", "IT", "ES"},
    "seller-us.tiktok.com": {"TIKTOK_US"},
}  # fmt: skip
"""Ends of hosts of one country or region -> the stores for which its pages are the marketplace's own word."""


@pytest.mark.parametrize("path", sorted(ACTION_FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_page_of_one_country_is_sure_for_the_stores_of_that_country_alone(path):
    for action in read_action_file(path).actions:
        host = urlsplit(action.url).hostname
        stores = [codes for end, codes in STORES_OF_HOSTS.items() if host.endswith(end)]
        if stores and action.sure == "A":
            assert action.marketplaces, action.id
            assert set(action.marketplaces) <= stores[0], action.id


def test_what_to_do_first_is_the_first_step_of_the_list_where_no_order_is_at_fault(desk):
    lines = dict(verdict_lines(open_report(desk, "applegate-plants", "2026-10")))
    assert lines["What to do first"].startswith(
        "Ship and confirm the orders that are due (Late Shipment Rate over 30 days"
    )
    assert lines["What to do, in order"].startswith(f"1. {lines['What to do first'].rstrip('.')}")


@pytest.mark.parametrize("account", ["lantern-hill-lighting", "minato-bungu", "clearbrook-bath", "applegate-plants"])
def test_the_verdict_names_no_other_first_step_than_the_list(desk, account):
    report = open_report(desk, account, "2026-10")
    lines = dict(verdict_lines(report))
    shared = lines.pop("Where the faults come from", "")
    assert not shared.startswith(("Start", "Go through", "Look at"))
    first = todo_block.first_row(report)
    if "What to do first" in lines and first is not None:
        assert lines["What to do first"].startswith(first.action)
    assert shared or "What to do first" in lines


def test_the_first_file_to_bring_has_the_days_of_the_list(tmp_path):
    orders = client.placed(date(2026, 10, 1), date(2026, 10, 10), 3)
    workspace = client.imported(tmp_path, all_orders_dot_txt=client.all_orders(orders))
    report = open_report(workspace, "acme", "2026-10")
    lines = dict(verdict_lines(report))
    first, days = todo_block.first_row(report), re.search(r" for (.*): it contains", lines["What to do first"])
    assert first.kind == "file"
    assert days is not None
    assert days[1] in first.until
    assert days[1].endswith("31 October 2026"), "the rest of the month, too"
    assert "Late Shipment Rate" in first.measure
    assert "violations" not in first.measure.lower(), "orders tell nothing of them"
    assert "Rating" not in first.measure
