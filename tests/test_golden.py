"""Windows and counts that marketplaces published themselves, with the answers that they gave."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest

from healthkit.metrics import exposure, policy, scores
from healthkit.metrics.policy import Target
from tests.builders.written_ledgers import ledger, rows

US = policy.load("amazon_us")


def defect_rate(orders, defects, *days):
    """The order defect rate of some orders on some days."""
    rule = [one for one in US.rules if one.metric == "order_defect_rate"]
    counts = exposure.count_orders(ledger(rows({"orders": orders, "defects": defects})), rule)
    table = scores.score(counts, US, list(days))
    return table[table["metric"] == "order_defect_rate"].set_index("as_of")


@pytest.mark.parametrize(
    ("read_on", "first", "last"),
    [
        (date(2022, 1, 11), date(2021, 10, 29), date(2021, 12, 27)),
        (date(2024, 1, 29), date(2023, 11, 16), date(2024, 1, 14)),
    ],
)
def test_an_order_defect_rate_covers_the_sixty_days_that_amazon_names(read_on, first, last):
    """The day before the first and the day after the last are not counted."""
    placed = [
        first.fromordinal(day.toordinal() + off) for day, offs in ((first, (-1, 0)), (last, (0, 1))) for off in offs
    ]
    lines = "\n".join(f"{name} | {day}" for name, day in zip("ABCD", placed, strict=True))
    claims = "\n".join(f"{name} | chargeback | {last}" for name in "BC")
    row = defect_rate(f"order_id | ordered_on\n{lines}", f"order_id | kind | known_on\n{claims}", read_on).iloc[0]
    assert (row["first_day"].date(), row["last_day"].date()) == (first, last)
    assert (last - first).days + 1 == row["window"] == 60
    assert (row["counted"], row["at_fault"]) == (2, 2)


def test_1085_defects_on_1078_orders_are_1078_orders_at_fault():
    """Amazon's example counts 400 bad ratings, 405 claims and 280 chargebacks, on orders some of which have two."""
    orders = "order_id | ordered_on\nA1..A1100 | 2026-03-01"
    kinds = [("negative_feedback", 1, 400), ("a_to_z_claim", 394, 798), ("chargeback", 799, 1078)]
    assert sum(last - first + 1 for _, first, last in kinds) == 1085
    defects = "order_id | kind | known_on\n" + "\n".join(
        f"A{first}..A{last} | {kind} | 2026-03-10" for kind, first, last in kinds
    )
    row = defect_rate(orders, defects, date(2026, 4, 1)).iloc[0]
    assert (row["counted"], row["at_fault"]) == (1100, 1078)


def test_one_late_of_twenty_meets_at_least_95_percent_and_misses_above_95_percent():
    share = Fraction(95, 100)
    assert [bool(Target(share, side).met(20, 1)) for side in ("at least", "above")] == [True, False]
