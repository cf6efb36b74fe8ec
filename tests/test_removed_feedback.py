"""Feedback that a later download lacks was removed: held against a slow reading of the same files, in any order."""

from __future__ import annotations

import random
import tempfile
from datetime import date, timedelta
from pathlib import Path

import pytest

from healthkit.ingest import importer
from healthkit.metrics import policy, scores
from healthkit.metrics.exposure import count_orders
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests.builders.feedback_files import BEGIN, days, written


def found(tmp_path, downloads, order=None):
    """When each rating of some downloads was removed, by order number and day; imported in an order of one's own."""
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    files = [written(folder / f"feedback_{place}.txt", rows) for place, rows in enumerate(downloads) if rows]
    store = Store(folder / "store")
    for place in order or range(len(files)):
        (outcome,) = importer.import_files([files[place]], store, "acme", "US")
        assert outcome.refused is None
    rows = store.ledger().feedback.collect().to_native().to_pylist()
    return {(int(row["order_id"][-7:]), row["received_on"]): row["removed_on"] for row in rows}


def plainly(downloads):
    """The same, read slowly: one rating after the other."""
    files = [{row[:2] for row in rows} for rows in downloads if rows]
    made = {}
    for number, day in set().union(*files):
        holding = [file for file in files if (number, day) in file]
        last = max(last_of(file) for file in holding)
        lacking = [
            last_of(file)
            for file in files
            if lacks(file, (number, day))
            and last_of(file) >= last
            and not any(order == number and other > day for order, other in file)
            and not any(interleaved(file, other) for other in holding)
        ]
        one = timedelta(days=1)
        made[number, day] = max(min(lacking), last + one, day + one) if lacking else None
    return made


def last_of(file):
    return max(day for _, day in file)


def lacks(file, rating):
    """Whether a download covers the day of a rating and does not hold it."""
    return rating not in file and min(day for _, day in file) < rating[1] < last_of(file)


def interleaved(one, other):
    """Whether each of two downloads lacks a rating of the other."""
    return any(lacks(one, rating) for rating in other) and any(lacks(other, rating) for rating in one)


def test_a_rating_that_the_next_download_lacks_was_gone_by_its_last_day(tmp_path):
    removed = found(tmp_path, [days(1, 5, 9), days(1, 9, 20)])
    assert removed == {(n, BEGIN + timedelta(n)): None for n in (1, 9, 20)} | {(5, date(2026, 3, 6)): date(2026, 3, 21)}


def test_a_download_that_begins_or_ends_on_the_day_proves_nothing(tmp_path):
    """Of its first and last day it may tell a part."""
    first = [*days(5, 9), (99, BEGIN + timedelta(5), 1)]
    assert found(tmp_path, [[*first, *days(1)], [*days(5, 9)]])[99, BEGIN + timedelta(5)] is None
    assert found(tmp_path, [[*days(1, 5), (98, BEGIN + timedelta(5), 1)], days(1, 5)])[98, BEGIN + timedelta(5)] is None


def test_a_download_of_other_days_proves_nothing(tmp_path):
    assert set(found(tmp_path, [days(1, 5, 9), days(10, 15, 20)]).values()) == {None}


def test_a_rating_that_a_later_download_holds_again_was_not_removed(tmp_path):
    assert found(tmp_path, [days(1, 5, 9), days(1, 9, 12), days(1, 5, 20)])[5, BEGIN + timedelta(5)] is None


def test_of_two_downloads_up_to_one_day_the_one_that_lacks_it_is_the_later(tmp_path):
    assert found(tmp_path, [days(1, 9), days(1, 5, 9)])[5, BEGIN + timedelta(5)] == BEGIN + timedelta(10)


def test_downloads_that_lack_ratings_of_each_other_lose_nothing(tmp_path):
    """As of good and of bad ratings alone: neither is the later one."""
    assert set(found(tmp_path, [days(1, 3, 5, 7), days(2, 4, 6, 8)]).values()) == {None}


def test_a_rating_that_is_removed_frees_its_order_though_an_older_one_stays(tmp_path):
    older, newer = (5, BEGIN + timedelta(3), 5), (5, BEGIN + timedelta(9), 1)
    removed = found(tmp_path, [[older, newer, *days(1, 12)], [older, *days(1, 12, 20)]])
    assert removed[newer[:2]] == BEGIN + timedelta(20)
    assert removed[older[:2]] is None


def test_an_order_that_is_rated_anew_was_not_freed(tmp_path):
    again = [*days(1, 9, 20), (5, BEGIN + timedelta(15), 5)]
    assert set(found(tmp_path, [days(1, 5, 9), again]).values()) == {None}


@pytest.mark.parametrize("seed", range(12))
def test_random_downloads_in_any_order_are_read_as_plainly(tmp_path, seed):
    rng = random.Random(seed)
    ratings = [(number, BEGIN + timedelta(rng.randrange(30)), rng.randint(1, 5)) for number in range(25)]
    downloads = []
    for _ in range(rng.randint(2, 4)):
        begin, end = sorted(rng.sample(range(32), 2))
        downloads.append(
            [row for row in ratings if begin <= (row[1] - BEGIN).days <= end and rng.random() < 0.85]
        )  # fmt: skip
    files = [rows for rows in downloads if rows]
    order = rng.sample(range(len(files)), len(files))
    assert found(tmp_path, files, order) == found(tmp_path, files) == plainly(files)


def test_the_defect_is_gone_from_the_day_of_removal_on_and_stands_before(sample_store):
    desk = Workspace(sample_store)
    rows = desk.ledger("thistle-and-wren").feedback.collect().to_native().to_pylist()
    (gone,) = [row for row in rows if row["removed_on"]]
    ledger = desk.store.ledger(["thistle-and-wren"])
    rule = next(rule for rule in desk.policies["UK"].on(date(2026, 9, 15)) if rule.metric == "negative_feedback_rate")
    faults = count_orders(ledger, [rule]).faults
    mine = faults[faults["order_id"] == gone["order_id"]]
    assert mine["cleared_on"].dt.date.tolist() == [gone["removed_on"]]
    assert mine["known_on"].dt.date.tolist() == [gone["received_on"]]
    held = {"UK": policy.load("amazon_uk")}
    before = scores.score(desk.counts.of(["thistle-and-wren"]), held, date(2026, 9, 15))
    row = before[before["metric"] == "negative_feedback_rate"].iloc[0]
    assert gone["order_id"] in set(desk.orders_at_fault(row)["order_id"])
