"""Read a `Policy` from YAML: the files in `policies/`, or one that the user names. Errors name file, line and field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from healthkit.metrics.policy import OPEN_END, EndedRule, Policy, PolicyError, Rule, SourceConfidence
from healthkit.schema import yaml_lines
from healthkit.schema.tables import CHANNELS, WHOLE_ACCOUNT

POLICY_FOLDER = Path(__file__).parent / "policies"
"""The folder of the policies that come with the package."""
NOT_FOUND = "No source for this store was found"
"""How the source of a rule begins that is taken over from another store's policy without a source of its own."""
_NOT_COMPUTED = "not computed"
_REQUIRED_FIELDS = ("policy", "title", "zone", "read", "rules")
_FIELDS = (*_REQUIRED_FIELDS, "marketplaces", "new_marketplace", "note", "based_on", "inherited_sure")


def find_policy_files(folder: Path = POLICY_FOLDER) -> dict[str, Path]:
    """Return the path of each policy file in a folder, by the name of the policy."""
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_policy(name: str, folder: Path = POLICY_FOLDER) -> Policy:
    """Read one policy by its name, or by the path of a YAML file.

    Raises PolicyError if there is no such policy or it is invalid.

    >>> load_policy("amazon_us").title
    'Amazon US'
    """
    if folder == POLICY_FOLDER and not name.endswith((".yaml", ".yml")):
        return _load_shipped(name)
    return _load(name, folder)


NO_RULES_HINT = (
    "Write a policy file for such a store (see docs/rules.md), or judge every store by one policy, such as "
    "--policy amazon_reference."
)
"""What to do about orders in a store that no policy has rules for."""


def load_policies(marketplaces: Iterable[str], folder: Path = POLICY_FOLDER) -> dict[str, Policy]:
    """Read the policy of each marketplace (by its code), opening only the files needed.

    Raises PolicyError for a marketplace that no policy file names.

    >>> load_policies(["US"])["US"].name
    'amazon_us'
    """
    names = dict(_marketplaces_and_policies(folder))
    codes = list(dict.fromkeys(marketplaces))
    unknown = [code for code in codes if code not in names]
    if unknown:
        raise PolicyError(
            f"No policy for marketplace {', '.join(map(repr, unknown))}. Marketplaces with a policy: "
            f"{', '.join(sorted(names))}. Add policies/NAME.yaml, or choose a policy with --policy."
        )
    return {code: load_policy(names[code], folder) for code in codes}


def marketplaces_with_policy(folder: Path = POLICY_FOLDER) -> set[str]:
    """Return the codes of the marketplaces that a policy file names.

    >>> "US" in marketplaces_with_policy()
    True
    """
    return {code for code, _ in _marketplaces_and_policies(folder)}


def _marketplaces_and_policies(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (marketplace, policy name) pairs; reads the one field by a pattern, which is faster than parsing YAML."""
    for name, path in find_policy_files(folder).items():
        field = re.search(r"^marketplaces:\s*(\[[^\]]*\]|(?:\n\s*- .*)+)", path.read_text(encoding="utf-8"), re.M)
        for code in re.findall(r"\w+", re.sub("#.*", "", field.group(1))) if field else ():
            yield code, name


@cache
def _load_shipped(name: str) -> Policy:
    """Read a policy of the package once: its files do not change while a process runs."""
    return _load(name, POLICY_FOLDER)


def _load(name: str, folder: Path) -> Policy:
    path = Path(name) if name.endswith((".yaml", ".yml")) else find_policy_files(folder).get(name)
    if path is None or not path.is_file():
        raise PolicyError(
            f"No policy {name!r}. Policies: {', '.join(find_policy_files(folder))}; or give the path of a YAML file."
        )
    try:
        document = yaml_lines.read_yaml(path)
    except yaml_lines.YamlError as error:
        raise PolicyError(str(error)) from None
    return _build_policy(path, document, folder)


def _build_policy(path: Path, document: Any, folder: Path) -> Policy:
    """Build the policy of one file, together with the policy that it is `based_on`."""
    _check_document(path, document)
    name = document["policy"]
    rows_by_metric = {metric: rows for metric, rows in document["rules"].items() if metric != yaml_lines.LINE_KEY}
    rules = [rule for metric, rows in rows_by_metric.items() for rule in _build_rules(path, name, metric, rows)]
    ended = [one for metric, rows in rows_by_metric.items() for one in _build_ended_rules(metric, rows)]
    first_days = {metric: min(row["since"] for row in rows) for metric, rows in rows_by_metric.items()}
    files: tuple[str, ...] = (str(path),)
    if document.get("based_on"):
        base = load_policy(document["based_on"], folder)
        sure = document.get("inherited_sure")
        rules += [_inherit_rule(rule, name, base, sure) for rule in base.rules if rule.metric not in rows_by_metric]
        ended += [one for one in base.ended_rules if one.metric not in rows_by_metric]
        first_days = {**base.first_days, **first_days}
        files += base.files
    position = {metric: number for number, metric in enumerate(first_days)}
    return Policy(
        name=name,
        title=document["title"],
        marketplaces=tuple(document.get("marketplaces") or ()),
        zone=document["zone"],
        read_on=document["read"],
        # A metric keeps its position in the base policy, so that all marketplaces list metrics in one order.
        rules=tuple(sorted(rules, key=lambda rule: position[rule.metric])),
        first_days=first_days,
        note=document.get("note", ""),
        files=files,
        ended_rules=tuple(ended),
    )


def _inherit_rule(rule: Rule, name: str, base: Policy, sure: SourceConfidence | None) -> Rule:
    """Return a rule of the base policy as one of the policy `name`.

    With `sure`, no source of the store itself was found: the rule is as sure as that, and its source says whose it is.
    A note on a store's own rule is not about other stores; one in a policy that judges no store by itself is about all
    that are based on it.
    """
    changes: dict[str, Any] = {"policy": name}
    if base.marketplaces:
        changes["note"] = ""
    if sure is not None:
        changes["sure"] = sure
        if not rule.source.startswith(NOT_FOUND):
            changes["source"] = f"{NOT_FOUND}; taken over from {base.title}: {rule.source}"
    return rule.model_copy(update=changes)


def _check_document(path: Path, document: Any) -> None:
    """Raise PolicyError for a document whose fields outside `rules` are invalid."""
    if not isinstance(document, dict):
        raise PolicyError(f"{path.name} is not a mapping of fields; see the files in policies/ for an example.")
    if document.get("based_on") in (path.stem, document.get("policy")):
        raise PolicyError(f"{path.name}, field based_on: a policy cannot be based on itself.")
    for field in document:
        if field not in (*_FIELDS, yaml_lines.LINE_KEY):
            raise PolicyError(f"{path.name}: unknown field {field!r}. Fields: {', '.join(sorted(_FIELDS))}.")
    sure = document.get("inherited_sure")
    if sure is not None and (sure not in get_args(SourceConfidence) or not document.get("based_on")):
        raise PolicyError(
            f"{path.name}, field inherited_sure: {sure!r} will not do; it is one of "
            f"{', '.join(get_args(SourceConfidence))}, in a policy that is based_on another."
        )
    missing = [field for field in _REQUIRED_FIELDS if field not in document]
    if missing:
        raise PolicyError(f"{path.name}: missing field {', '.join(missing)}.")
    if "new_marketplace" in document:
        _check_new_marketplace(path, document)
    if not isinstance(document["rules"], dict):
        raise PolicyError(f"{path.name}, field rules: not a mapping of metrics to rows.")


def _check_new_marketplace(path: Path, document: dict[str, Any]) -> None:
    """Raise PolicyError unless the policy judges the marketplace it adds; `marketplaces` checks the other fields."""
    new = document["new_marketplace"]
    if not isinstance(new, dict):
        raise PolicyError(f"{path.name}, field new_marketplace: not a mapping of fields, such as code: NZ.")
    where = f"{path.name}, line {new['line']}, new_marketplace, field"
    code, zone = new.get("code"), new.get("zone")
    if not isinstance(code, str):
        # YAML reads NO as false.
        raise PolicyError(f"{where} code: write it in quotes, here and in marketplaces, such as 'NO'.")
    if code not in (document.get("marketplaces") or ()):
        raise PolicyError(f"{where} code: {code} is not listed in marketplaces; add it there.")
    if zone != document["zone"]:
        raise PolicyError(f"{where} zone: {zone} is not the policy's zone, {document['zone']}.")


def _build_rules(path: Path, policy: str, metric: str, rows: Any) -> list[Rule]:
    """Build the rules of one metric; each ends on the day before the next row of the same channels."""
    _check_rows(path, metric, rows)
    rows = sorted(rows, key=lambda row: row["since"])
    rules = []
    for number, row in enumerate(rows):
        if _ends_rule(row):
            continue
        later = next((other for other in rows[number + 1 :] if _channels(other) & _channels(row)), None)
        if later is not None and not _channels(later) >= _channels(row):
            raise PolicyError(
                f"{path.name}, line {later['line']}, {metric}, field channels: this row ends the row of line "
                f"{row['line']} for only some of its channels; write that one as a row for each channel."
            )
        last_day = later["since"] - timedelta(days=1) if later is not None else OPEN_END
        rules.append(_build_rule(path, policy, metric, row, last_day))
    return rules


def _build_ended_rules(metric: str, rows: list[dict[str, Any]]) -> list[EndedRule]:
    """Build an EndedRule for each row that ends a rule, in the order of their days."""
    ended = sorted((row for row in rows if _ends_rule(row)), key=lambda row: row["since"])
    return [
        EndedRule(
            metric,
            tuple(sorted(row.get("channels", CHANNELS), reverse=True)),
            row["since"],
            row["source"],
            row["rule"] is not None,
        )
        for row in ended
    ]


def _check_rows(path: Path, metric: str, rows: Any) -> None:
    """Raise PolicyError for anything but a list of dated rows, of which no two of a channel begin on one day."""
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise PolicyError(f"{path.name}, {metric}: not a list of rows, each with a day `since`.")
    for number, row in enumerate(rows):
        where = f"{path.name}, line {row['line']}, {metric}, field"
        since, until = row.get("since"), row.get("until", OPEN_END)
        if type(since) is not date:
            raise PolicyError(f"{where} since: a row needs its first day in force, such as 2026-02-01.")
        if type(until) is not date:
            raise PolicyError(f"{where} until: {until!r} is not a day such as 2026-02-01.")
        if until < since:
            raise PolicyError(f"{where} until: {until} is before {since}.")
        if _ends_rule(row) and not row.get("source"):
            raise PolicyError(f"{where} source: a row that ends a rule needs its source.")
        if any(other["since"] == since and _channels(other) & _channels(row) for other in rows[:number]):
            raise PolicyError(f"{where} since: another row of the same channel begins on {since}.")


def _ends_rule(row: dict[str, Any]) -> bool:
    """Return whether a row is `rule: null` or `rule: not computed`: no rule is in force from its day on."""
    return "rule" in row and row["rule"] in (None, _NOT_COMPUTED)


def _channels(row: dict[str, Any]) -> set[str]:
    """Return the channels of a row; by default seller, or all of them for a row that ends a rule."""
    return set(row.get("channels", (*CHANNELS, WHOLE_ACCOUNT) if _ends_rule(row) else ("seller",)))


def _build_rule(path: Path, policy: str, metric: str, row: dict[str, Any], last_day: date) -> Rule:
    """Build one Rule from a row that ends on `last_day` at the latest."""
    fields = {"channels": ["seller"], **yaml_lines.without_lines(row)}
    fields["until"] = min(fields.get("until", OPEN_END), last_day)
    if fields.get("counting") is None:
        fields["counting"] = {}
    try:
        return Rule(policy=policy, metric=metric, **fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "rule"
        raise PolicyError(f"{path.name}, line {row['line']}, {metric}, field {field}: {first['msg']}.") from None
