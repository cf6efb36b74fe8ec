"""Clients who bring a part of the sample's files, or files that end early: none looks better than the whole does."""

from __future__ import annotations

import csv
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from healthkit.analysis.verdicts import AccountVerdict, Verdict
from healthkit.cli import app
from healthkit.ingest import importer
from healthkit.metrics.policy import JUDGED_STATUSES
from healthkit.store import Store
from healthkit.workspace.workspace import Workspace
from tests.builders.sample import AMAZON_ACCOUNTS, SAMPLE
from tests.builders.slow import slow_after

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
FORMS = {"werkstatt-lindenau": "%d.%m.%y", "minato-bungu": "%y/%m/%d", "thistle-and-wren": "%d/%m/%y"}
"""How the feedback file of an account writes days, where it is not the American way."""


def kind_of(name: str) -> str:
    """The kind of a sample file, by its name."""
    return re.sub(r"_?\d{4}-\d\d.*|_updated.*|\.\w+$", "", name)


def day_of(cell: str, form: str) -> date | None:
    """The day of a cell: ISO, of a return report, or as the feedback file writes it; None for an empty one."""
    if not cell.strip():
        return None
    if re.match(r"\d{4}-\d\d-\d\d", cell):
        return date.fromisoformat(cell[:10])
    return datetime.strptime(cell, "%d-%b-%Y" if re.search("[A-Z]", cell) else form).date()


def cut(path: Path, first: date, last: date) -> bytes | None:
    """A sample file with the rows of some days only; None where it is a report of a day outside of them."""
    content = path.read_bytes()
    column = WHEN.get(kind_of(path.name))
    if column is None:
        named = re.search(r"(\d{4}-\d\d-\d\d)\.\w+$", path.name)
        return content if named is None or first <= date.fromisoformat(named.group(1)) <= last else None
    head, *lines = content.split(b"\n")
    mark = "\t" if b"\t" in head else ","
    # Bytes as they are: one for each character, whatever the encoding.
    names = head.decode("latin-1").split(mark)
    at = names.index(column) if column in names else 0
    form = FORMS.get(path.parent.name, "%m/%d/%y")
    kept = []
    for line in filter(None, lines):
        day = day_of(next(csv.reader([line.decode("latin-1")], delimiter=mark, quoting=_QUOTES[mark]))[at], form)
        if day is None or first <= day <= last:
            kept.append(line)
    return b"\n".join([head, *kept]) + b"\n"


_QUOTES = {"\t": csv.QUOTE_NONE, ",": csv.QUOTE_MINIMAL}


def client(seed: int, folder: Path) -> tuple[str, Workspace]:
    """A client with a part of the files of a sample account, of some days or of all."""
    luck = Random(seed)
    account = luck.choice(AMAZON_ACCOUNTS)
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
        content = cut(path, first, last) if how != "files" else path.read_bytes()
        if content is not None:
            (raw / path.name).write_bytes(content)
    outcomes = list(importer.import_files([raw], Store(folder / "store")))
    assert any(outcome.parsed_file for outcome in outcomes)
    return account, Workspace(folder / "store")


def by_measure(held: AccountVerdict) -> dict[tuple[str, str, int], Verdict]:
    """The verdicts on an account, by metric, channel and window."""
    return {(one.metric, one.channel, one.window): one for one in held.measures}


@pytest.mark.parametrize("seed", slow_after(2, range(CLIENTS)))
def test_a_client_with_fewer_files_never_looks_better(seed, tmp_path, sample_store):
    account, poor = client(seed, tmp_path)
    whole = Workspace(sample_store)
    greener: list[tuple[object, ...]] = []
    for day in DAYS if account in poor.accounts else ():
        full = {held.marketplace: held for held in whole.verdicts(day, [account])}
        for held in poor.verdicts(day, [account]):
            known = full[held.marketplace]
            if held.status != "cannot be judged" and ORDER.index(held.status) > ORDER.index(known.status):
                greener.append((day, held.status, known.status))
            true = by_measure(known)
            greener += [
                (day, *key, one.status, true[key].status)
                for key, one in by_measure(held).items()
                if key in true and {one.status, true[key].status} <= set(JUDGED_STATUSES)
                and JUDGED_STATUSES.index(one.status) > JUDGED_STATUSES.index(true[key].status)
            ]  # fmt: skip
    assert greener == []


ORDER = ("off target", "at risk", "cannot be judged", "on target")
"""What an account's verdict may be, the worst first."""


def test_an_account_of_which_nothing_can_be_judged_is_not_called_on_target(tmp_path):
    """Its rules are enforced by nobody, so no measure is listed; that does not make it on target."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "EtsySoldOrders.csv").write_text(
        "Sale Date,Order ID,Buyer User ID,Full Name,Number of Items,Date Shipped,Status,SKU\n"
        "10/01/26,3000000001,buyer,Sample,1,10/02/26,Shipped,SKU-1\n"
        "10/29/26,3000000002,buyer,Sample,1,10/30/26,Shipped,SKU-1\n"
    )
    list(importer.import_files([tmp_path / "shop"], Store(tmp_path / "store")))
    answer = CliRunner().invoke(app, ["check", "--month", "2026-10", "--data", str(tmp_path / "store")])
    assert "Every measure" not in answer.output
    assert "cannot be judged  shop (ETSY): no measure can be judged" in answer.output
    assert answer.exit_code == 3
