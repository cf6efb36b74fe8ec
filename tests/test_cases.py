"""The cases of `cases/*.yaml`: what a seller would expect of a few orders, worked out by hand.

A case is a sentence, a few orders as a text table, and `as_of`: what each day shows, as "k of n" at fault, or
"nothing" where no such rate is shown. Columns are those of `tables`; one that is left out takes its default, a cell
that is left empty is not known. A row `A1..A20` stands for twenty orders. Instants are written in UTC, and the day of
an instant (`ship_by_on` of `ship_by`) follows from it. Where it matters, a case says its `policy` (else amazon_us),
which `window` of several, `hindsight: true`, or what alone was `imported` beside the orders, and what it expects of
`status`, `headroom` and `proxy`: one value for all days, or one for each.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
import yaml

from healthkit.metrics import exposure, policy, scores
from healthkit.metrics.definitions import METRICS
from healthkit.report import wording
from healthkit.schema import tables
from tests import plain
from tests.builders.written_ledgers import TABLES, ledger, rows

FOLDER = Path(__file__).parent / "cases"
FIELDS = {"case", "policy", "window", "hindsight", "imported", *TABLES, "as_of", "status", "headroom", "proxy", "value"}


class Case(NamedTuple):
    """One case as its file says it."""

    metric: str
    said: dict[str, Any]

    @property
    def policy(self) -> policy.Policy:
        return loaded(self.said.get("policy", "amazon_us"))

    @property
    def marketplace(self) -> str:
        return next(iter(self.policy.marketplaces), "US")

    @property
    def channel(self) -> str:
        """The channel that is meant where a case names none."""
        whole = any(
            rule.channels == (tables.WHOLE_ACCOUNT,) for rule in self.policy.rules if rule.metric == self.metric
        )
        return tables.WHOLE_ACCOUNT if whole else "seller"

    @property
    def hindsight(self) -> bool:
        return self.said.get("hindsight", False)

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Its orders and what is told of them, as plain rows."""
        texts = {name: self.said[name] for name in TABLES if name in self.said}
        # An account is one that has orders; where a case speaks of none, there is one long ago.
        return rows({"orders": "order_id\nZ"} | texts, self.marketplace)

    def expected(self) -> dict[tuple[date, str], tuple[int, int] | None]:
        """(at fault, counted) by as-of day and channel; None where no rate is shown."""
        return {
            (as_of, channel): None if text == "nothing" else tuple(map(int, text.split(" of ")))  # type: ignore[misc]
            for as_of, told in self.said["as_of"].items()
            for channel, text in (told if isinstance(told, dict) else {self.channel: told}).items()
        }


@cache
def loaded(name: str) -> policy.Policy:
    return policy.load(name)


def table_of(case: Case) -> pd.DataFrame:
    """SCORES of the case's metric on the days it names, in the window it names."""
    held = ledger(case.rows())
    if "imported" in case.said:
        held = replace(held, coverage=held.coverage.assign(evidence=case.said["imported"]))
    counts = exposure.count_orders(held, [rule for rule in case.policy.rules if rule.metric == case.metric])
    table = scores.score(counts, case.policy, list(case.said["as_of"]), hindsight=case.hindsight)
    table = table[table["metric"] == case.metric]
    return table[table["window"] == case.said["window"]] if "window" in case.said else table


def said_in(path: Path) -> list[dict[str, Any]]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


CASES = [
    pytest.param(Case(path.stem, said), id=f"{path.stem}: {said['case']}")
    for path in sorted(FOLDER.glob("*.yaml"))
    for said in said_in(path)
]


def asked(told: Any, as_of: date, channel: str) -> Any:
    """What a case expects that day in that channel: one value for all, or one by day, or by channel of a day."""
    by_day = told.get(as_of, ...) if isinstance(told, dict) else told
    return by_day.get(channel, ...) if isinstance(by_day, dict) else by_day


@pytest.mark.parametrize("case", CASES)
def test_a_case_shows_what_its_sentence_says(case):
    assert set(case.said) <= FIELDS
    table = table_of(case)
    for (as_of, channel), numbers in case.expected().items():
        shown = table[(table["as_of"] == pd.Timestamp(as_of)) & (table["channel"] == channel)]
        assert len(shown) == (numbers is not None), f"{as_of}, {channel}: {len(shown)} rows"
        if numbers is not None:
            row = shown.iloc[0]
            assert (row["at_fault"], row["counted"]) == numbers, f"{as_of}, {channel}"
            for name in ("status", "headroom", "proxy", "value"):
                said = asked(case.said.get(name, ...), as_of, channel)
                found = None if pd.isna(row[name]) else row[name]
                assert said is ... or found == said, f"{as_of}, {channel}: {name} is {found}"


@pytest.mark.parametrize("case", CASES)
def test_the_slow_oracle_says_the_same_of_a_case(case):
    held = case.rows()
    for (as_of, channel), numbers in case.expected().items():
        unheard = "imported" in case.said and asked(case.said.get("status", ...), as_of, channel) == "no data"
        for rule in case.policy.on(as_of) if numbers is not None and not unheard else ():
            if rule.metric == case.metric and case.said.get("window", rule.windows[0]) in rule.windows:
                window = case.said.get("window", rule.windows[0])
                told = asked(case.said.get("value", ...), as_of, channel)
                if told not in (..., None):
                    assert plain.value(case.metric, held, rule, "acme", as_of, window) == pytest.approx(told)
                if case.metric == "policy_violations":
                    continue
                judged = plain.judged(case.metric, held, rule.counting, rule.clock, as_of, case.hindsight)
                told = plain.counts(judged, "acme", channel, as_of, window, rule.lag)
                if rule.fallback is not None and told[0] < rule.fallback.under:
                    told = plain.counts(judged, "acme", channel, as_of, rule.fallback.window, rule.lag)
                assert told == numbers[::-1], as_of


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_has_cases_a_label_and_a_rule_that_asks_it(metric):
    assert (FOLDER / f"{metric}.yaml").is_file(), f"write tests/cases/{metric}.yaml"
    assert len(said_in(FOLDER / f"{metric}.yaml")) >= 5
    assert metric in wording.METRIC_WORDS, f"give {metric} its words in wording"
    assert any(metric in loaded(name).metrics() for name in policy.find_policy_files()), f"no policy asks for {metric}"


def test_every_case_file_is_of_a_metric_and_no_sentence_stands_twice():
    assert {path.stem for path in FOLDER.glob("*.yaml")} <= set(METRICS)
    sentences = [case.id for case in CASES]
    assert len(set(sentences)) == len(sentences)
