"""Clients who bring a part of the sample's files, or files that end early: none looks better than the whole does."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from healthkit import intake
from healthkit.desk import Desk
from healthkit.policy import ON_SCALE
from healthkit.store import Store
from healthkit.verdicts import Verdict
from tests.conftest import SAMPLE

DAYS = (date(2026, 9, 30), date(2026, 10, 15), date(2026, 10, 31))
"""The days on which the clients are judged."""
CLIENTS = 10
WHEN = {
    "all_orders": "purchase-date", "order_report": "purchase-date", "ship_confirmations": "confirmed-at",
    "seller_feedback": "Date", "defects": "known-on", "contacts": "received-at", "invoices": "invoiced-at",
    "violations": "opened-on", "surveys": "surveyed-at", "return_requests": "requested-at",
    "returns": "Return request date", "amazon_shipments": "shipment-date", "fba_returns": "return-date",
}  # fmt: skip
"""The column of each kind of file that says when a row came to be, by the beginning of the file's name."""
FORMS = ("%m/%d/%y", "%d.%m.%y", "%y/%m/%d", "%d/%m/%y", "%d-%b-%Y", "%d.%m.%Y", "%Y/%m/%d")


def kind_of(name: str) -> str:
    """The kind of a sample file, by its name."""
    return re.sub(r"_?\d{4}-\d\d.*|_updated.*|\.\w+$", "", name)


def day_of(cell: str, dates: str) -> date:
    """The day of a cell: ISO, or as the marketplace of the feedback file writes it."""
    if re.match(r"\d{4}-\d\d-\d\d", cell):
        return date.fromisoformat(cell[:10])
    for form in (dates, *FORMS):
        try:
            return datetime.strptime(cell, form).date()
        except ValueError:
            continue
    raise AssertionError(f"no day: {cell!r}")


def cut(path: Path, first: date, last: date) -> str | None:
    """The text of a sample file with the rows of some days only; None where it is of a day outside, or has none."""
    text = path.read_bytes().decode(
        "utf-8" if path.suffix in (".csv", ".json") else "cp932" if "minato" in str(path) else "utf-8"
    )
    of_file = re.search(r"(\d{4}-\d\d-\d\d)\.\w+$", path.name)
    column = WHEN.get(kind_of(path.name))
    if column is None:
        return text if of_file is None or first <= date.fromisoformat(of_file.group(1)) <= last else None
    mark = "\t" if "\t" in text.split("\n")[0] else ","
    quoting = csv.QUOTE_NONE if mark == "\t" else csv.QUOTE_MINIMAL
    rows = list(csv.reader(io.StringIO(text), delimiter=mark, quoting=quoting))
    at = rows[0].index(column) if column in rows[0] else 0
    dates = {"werkstatt": "%d.%m.%y", "minato": "%y/%m/%d", "thistle": "%d/%m/%y"}.get(
        path.parent.name.split("-")[0], "%m/%d/%y"
    )
    kept = [row for row in rows[1:] if row and first <= day_of(row[at], dates) <= last]
    lines = text.split("\n")
    wanted = {tuple(row) for row in kept}
    return (
        "\n".join([lines[0], *(line for line, row in zip(lines[1:], rows[1:], strict=False) if tuple(row) in wanted)])
        + "\n"
    )


def client(seed: int, folder: Path) -> tuple[str, Desk]:
    """A client with a part of the files of a sample account, of some days or of all."""
    luck = Random(seed)
    account = luck.choice(sorted(path.name for path in SAMPLE.iterdir()))
    how = luck.choice(("files", "days", "both"))
    files = sorted((SAMPLE / account).iterdir())
    if how != "days":
        orders = [path for path in files if path.name.startswith("all_orders")]
        chosen = {luck.choice(orders), *(path for path in files if luck.random() < 0.6)}
        files = [path for path in files if path in chosen]
    first, last = date.min, date.max
    if how != "files":
        ends = luck.choice(("start", "end", "both"))
        if ends != "end":
            first = date(2026, 7, 1) + timedelta(luck.randrange(100))
        if ends != "start":
            last = date(2026, 10, 31) - timedelta(luck.randrange(40))
    raw = folder / account
    raw.mkdir(parents=True)
    for path in files:
        text = cut(path, first, last) if how != "files" else None
        if how == "files":
            (raw / path.name).write_bytes(path.read_bytes())
        elif text is not None:
            (raw / path.name).write_text(
                text, encoding="cp932" if "minato" in account and path.suffix == ".txt" else "utf-8"
            )
    outcomes = list(intake.take_in([raw], Store(folder / "store")))
    assert any(outcome.taken for outcome in outcomes)
    return account, Desk(folder / "store")


def stands(desk: Desk, account: str, day: date) -> dict[tuple[str, str, str, int], Verdict]:
    """The verdicts on an account on a day, by measure."""
    if account not in desk.accounts:
        return {}
    return {
        (one.marketplace, one.metric, one.channel, one.window): one
        for held in desk.verdicts(day, [account])
        for one in held.measures
    }


@pytest.mark.parametrize("seed", range(CLIENTS))
def test_a_client_with_fewer_files_never_looks_better(seed, tmp_path, sample_store):
    account, poor = client(seed, tmp_path)
    whole = Desk(sample_store)
    greener = []
    for day in DAYS:
        known = stands(whole, account, day)
        for key, one in stands(poor, account, day).items():
            full = known.get(key)
            if full is None or one.status not in ON_SCALE or full.status not in ON_SCALE:
                continue
            if ON_SCALE.index(one.status) > ON_SCALE.index(full.status):
                greener.append((day, key, one.status, full.status, one.ours and one.ours["counted"]))
    assert greener == []


def test_the_accounts_verdict_is_no_better_either(tmp_path, sample_store):
    whole = Desk(sample_store)
    order = ("off target", "at risk", "cannot be judged", "on target")
    for seed in range(CLIENTS):
        account, poor = client(seed, tmp_path / str(seed))
        for day in DAYS:
            if account not in poor.accounts:
                continue
            known = {held.marketplace: held.status for held in whole.verdicts(day, [account])}
            for held in poor.verdicts(day, [account]):
                full = known[held.marketplace]
                assert held.status == "cannot be judged" or order.index(held.status) <= order.index(full), (seed, day)
