"""Feedback that a later download lacks was removed: held against a slow reading of the same files, in any order."""

from __future__ import annotations

import random
import tempfile
from datetime import date, timedelta
from pathlib import Path

import pytest

from healthkit import intake, policy, scores
from healthkit.desk import Desk
from healthkit.exposure import count
from healthkit.store import Store

HEAD = "Date\tRating\tComments\tYour Response\tOrder ID\tRater Email"
BEGIN = date(2026, 3, 1)


def order_id(number):
    return f"111-0000000-{number:07d}"


def written(path, ratings):
    """A download: rows of (order number, day, stars), the newest first as Amazon writes them."""
    lines = [
        f"{day.month}/{day.day}/{day:%y}\t{stars}\t\t\t{order_id(number)}\t"
        for number, day, stars in sorted(ratings, key=lambda row: row[1], reverse=True)
    ]
    path.write_text("\n".join([HEAD, *lines]) + "\n", encoding="utf-8")
    return path


def found(tmp_path, downloads, order=None):
    """When each rating of some downloads was removed, by order number and day; imported in an order of one's own."""
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    files = [written(folder / f"feedback_{place}.txt", rows) for place, rows in enumerate(downloads) if rows]
    store = Store(folder / "store")
    for place in order or range(len(files)):
        (outcome,) = intake.take_in([files[place]], store, "acme", "US")
        assert outcome.refused is None
    rows = store.ledger().feedback.collect().to_native().to_pylist()
    return {(int(row["order_id"][-7:]), row["received_on"]): row["removed_on"] for row in rows}


def plainly(downloads):
    """The same, read slowly: one rating after the other."""
    held = [rows for rows in downloads if rows]
    made = {}
    for number, day in {(number, day) for rows in held for number, day, _ in rows}:
        holding = [max(row[1] for row in rows) for rows in held if number in {row[0] for row in rows}]
        lacking = [
            max(row[1] for row in rows)
            for rows in held
            if number not in {row[0] for row in rows}
            and min(row[1] for row in rows) < day < max(row[1] for row in rows)
            and max(row[1] for row in rows) >= max(holding)
        ]
        one = timedelta(days=1)
        made[number, day] = max(min(lacking), max(holding) + one, day + one) if lacking else None
    return made


def days(*numbers):
    """Ratings of one star, an order a day, by their days from the first of March."""
    return [(number, BEGIN + timedelta(days=number), 1) for number in numbers]


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
    desk = Desk(sample_store)
    rows = desk.ledger("thistle-and-wren").feedback.collect().to_native().to_pylist()
    (gone,) = [row for row in rows if row["removed_on"]]
    ledger = desk.store.ledger(["thistle-and-wren"])
    rule = next(rule for rule in desk.policies["UK"].on(date(2026, 9, 15)) if rule.metric == "negative_feedback_rate")
    faults = count(ledger, [rule]).faults
    mine = faults[faults["order_id"] == gone["order_id"]]
    assert mine["cleared_on"].dt.date.tolist() == [gone["removed_on"]]
    assert mine["known_on"].dt.date.tolist() == [gone["received_on"]]
    held = {"UK": policy.load("amazon_uk")}
    before = scores.score(desk.counts.of(["thistle-and-wren"]), held, date(2026, 9, 15))
    row = before[before["metric"] == "negative_feedback_rate"].iloc[0]
    assert gone["order_id"] in set(desk.orders_at_fault(row)["order_id"])
