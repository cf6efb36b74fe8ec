"""Find likely mistakes about new raw files before they are added to a store, and describe them.

The usual mistake is a wrong `--account`: another account has the order ids, or the whole file. Such a file is refused
unless the user imports it with `--anyway`. A feedback file that lacks ratings of earlier files gets a warning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import pyarrow.compute as pc

from healthkit.schema import tables
from healthkit.store import FileRows, Store, conflicts
from healthkit.store.conflicts import DuplicateFile, SharedOrders

_RatingCounts = Mapping[str, Mapping[str, int]]


def _is_empty(parsed_file: FileRows) -> bool:
    """Return whether a file of a kind that can report faults has no rows."""
    return parsed_file.kind in tables.EVIDENCE_BY_KIND and not any(
        rows.num_rows for rows in parsed_file.tables.values()
    )


def _count_nouns(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


class ImportChecks:
    """Checks of the files of one import against the store and against earlier files of the import.

    Files that are added are remembered and compared with later ones.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @cached_property
    def _files_by_content(self) -> dict[str, DuplicateFile]:
        return conflicts.files_by_content_digest(self._store)

    def find_contradictions(self, parsed_files: Sequence[FileRows], anyway: bool = False) -> dict[str, str]:
        """Return the reasons why files should not be added, by the report id of the file.

        Each file is compared with the store and with the earlier files of the sequence that are added: all of them
        with `anyway`, else those without a contradiction.
        """
        in_store = conflicts.find_orders_shared_with_store(self._store, parsed_files)
        in_import = conflicts.find_orders_shared_in_import(parsed_files)
        messages = self._find_files_without_marketplace(parsed_files)
        found: dict[str, str] = {}
        for one in parsed_files:
            content = one.content if one.account is not None and one.rows else None
            duplicate = self._files_by_content.get(content) if content else None
            others = in_import.get(one.report, {})
            earlier = next((orders for report, orders in others.items() if anyway or report not in found), None)
            shared = in_store.get(one.report) or earlier
            if duplicate is not None and duplicate.account != one.account:
                found[one.report] = self._same_file_message(one, duplicate)
            elif shared is not None:
                found[one.report] = self._shared_orders_message(one, shared)
            elif one.report in messages:
                found[one.report] = messages[one.report]
            if content and one.account and (anyway or one.report not in found):
                self._files_by_content.setdefault(content, DuplicateFile(one.account, one.name))
        return found

    def _find_files_without_marketplace(self, parsed_files: Sequence[FileRows]) -> dict[str, str]:
        """Return why files without rows need a marketplace, by report.

        Such a file belongs to one marketplace and does not state which, and the account sells in several.
        """
        unclear = [
            one for one in parsed_files
            if one.account is not None and one.kind in tables.SINGLE_MARKETPLACE_KINDS
            and one.stated_marketplace is None and _is_empty(one)
        ]  # fmt: skip
        if not unclear:
            return {}
        sells_in = self._store.marketplaces_by_account({str(one.account) for one in unclear})
        for one in parsed_files:
            if one.account is not None and tables.ORDERS.name in one.tables:
                codes = sells_in.setdefault(one.account, set())
                for batch in one.tables[tables.ORDERS.name].to_batches():
                    codes |= set(pc.unique(batch.column("marketplace")).to_pylist())
        return {
            one.report: f"{one.name}: no row says of which marketplace the file is, and {one.account} sells in "
            f"{' and '.join(sorted(sells_in[str(one.account)]))}. Say which with --marketplace."
            for one in unclear
            if len(sells_in.get(str(one.account), ())) > 1
        }

    def _same_file_message(self, parsed_file: FileRows, duplicate: DuplicateFile) -> str:
        return (
            f"{parsed_file.name}: account {duplicate.account!r} has this very file already ({duplicate.name}). "
            f"If it is of {parsed_file.account!r}, take the other out first: "
            f"{self._removal_command(duplicate.name, duplicate.account)}. If both have it, import it with --anyway."
        )

    def _shared_orders_message(self, parsed_file: FileRows, shared: SharedOrders) -> str:
        orders = f"{'at least ' * shared.at_least}{_count_nouns(shared.orders, 'order id')}"
        return (
            f"{parsed_file.name}: account {shared.account!r} has {orders} of this file for {parsed_file.account!r}, "
            f"the first {shared.first}. If the file is of {shared.account!r}, import it with "
            f"--account {shared.account}. If {shared.account!r} has them by mistake, see `store remove`. "
            "If both have them, import it with --anyway."
        )

    def _removal_command(self, name: str, account: str | None) -> str:
        return f'python -m healthkit store remove --file "{name}" --account "{account}" --data {self._store.folder}'

    def warn_of_vanished_ratings(self, parsed_files: Sequence[FileRows]) -> dict[str, str]:
        """Return warnings about feedback files that lack ratings of earlier files, by report id."""
        missing = conflicts.find_missing_ratings(self._store, parsed_files)
        return {
            one.report: self._missing_ratings_message(one, missing[one.report])
            for one in parsed_files
            if one.report in missing
        }

    def warn_of_empty_files(self, parsed_files: Sequence[FileRows]) -> dict[str, str]:
        """Return warnings about what added files without rows mean, by the report id of the file."""
        empty = [one for one in parsed_files if one.account is not None and _is_empty(one)]
        if not empty:
            return {}
        sells_in = self._store.marketplaces_by_account({str(one.account) for one in empty})
        rated = {str(one.account) for one in empty if one.kind == "feedback"}
        ratings = conflicts.count_current_ratings(self._store, rated) if rated else {}
        warnings = {one.report: self._empty_file_warning(one, sells_in, ratings) for one in empty}
        return {report: warning for report, warning in warnings.items() if warning}

    def _empty_file_warning(
        self, parsed_file: FileRows, sells_in: Mapping[str, set[str]], ratings: _RatingCounts
    ) -> str:
        """Return the warning on one file without rows, or ""."""
        account = str(parsed_file.account)
        of_account = ratings.get(account, {}) if parsed_file.kind == "feedback" else {}
        stated = parsed_file.stated_marketplace
        count = sum(count for code, count in of_account.items() if stated in (None, code))
        if count:
            return (
                "the file holds no rating and does not say of which days, so the "
                f"{_count_nouns(count, 'rating')} of earlier files still count. A rating counts as removed once a "
                "download lacks it that holds an older and a newer one: download the feedback of more days."
            )
        codes = sorted(sells_in.get(account, ()))
        if stated is None and len(codes) > 1 and parsed_file.kind not in tables.SINGLE_MARKETPLACE_KINDS:
            return (
                f"the file has no rows: it is taken to say that there was nothing in {' and '.join(codes)}. If it is "
                f"of one of them alone, take it out again ({self._removal_command(parsed_file.name, account)}) "
                "and import it with --marketplace."
            )
        return ""

    def _missing_ratings_message(self, parsed_file: FileRows, missing: conflicts.MissingRatings) -> str:
        ratings = _count_nouns(missing.ratings, "rating")
        days = f"from {missing.first_day} to {missing.last_day}"
        return (
            f"{ratings} {days} of earlier files are missing from this one: they count as removed by the marketplace, "
            f"from {missing.removed_from} on. If the file is cut or of another account, take it out again: "
            f"{self._removal_command(parsed_file.name, parsed_file.account)}"
        )
