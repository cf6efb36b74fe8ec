"""What is likely to be a mistake about new raw files, in sentences: found before they are added to a store.

A wrong `--account` is the usual one: order ids, or a whole file, that another account has. Such a file is refused
unless the user says otherwise. A file of feedback that lacks ratings of earlier ones is taken with a warning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import pyarrow.compute as pc

from healthkit.schema import tables
from healthkit.store import DuplicateFile, FileRows, SharedOrders, Store, conflicts

_RatingCounts = Mapping[str, Mapping[str, int]]


def _is_empty(parsed_file: FileRows) -> bool:
    """Whether a file of a kind that can tell of faults holds no row of them."""
    return parsed_file.kind in tables.EVIDENCE_BY_KIND and not any(
        rows.num_rows for rows in parsed_file.tables.values()
    )


class ImportChecks:
    """The checks of one import; what it adds is remembered for its later files."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @cached_property
    def _files_by_content(self) -> dict[str, DuplicateFile]:
        return conflicts.files_by_content_digest(self._store)

    def find_contradictions(self, parsed_files: Sequence[FileRows], anyway: bool = False) -> dict[str, str]:
        """Why files should not be added, by their report. A file is held against those of the store, and against the
        earlier ones of these that are added: all of them `anyway`, else those without a contradiction."""
        in_store = conflicts.find_orders_shared_with_store(self._store, parsed_files)
        in_import = conflicts.find_orders_shared_in_import(parsed_files)
        unclear = self._find_files_without_marketplace(parsed_files)
        found: dict[str, str] = {}
        for taken in parsed_files:
            same = self._files_by_content.get(taken.content or "") if taken.account is not None and taken.rows else None
            others = in_import.get(taken.report, {})
            earlier = next((one for report, one in others.items() if anyway or report not in found), None)
            shared = in_store.get(taken.report) or earlier
            if same is not None and same.account != taken.account:
                found[taken.report] = self._same_file_message(taken, same)
            elif shared is not None:
                found[taken.report] = self._shared_orders_message(taken, shared)
            elif taken.report in unclear:
                found[taken.report] = unclear[taken.report]
            if taken.content and taken.rows and taken.account and (anyway or taken.report not in found):
                self._files_by_content.setdefault(taken.content, DuplicateFile(taken.account, taken.name))
        return found

    def _find_files_without_marketplace(self, parsed_files: Sequence[FileRows]) -> dict[str, str]:
        """Why some files without rows are refused until a marketplace is named, by their report.

        Such a file is of one marketplace, does not say of which, and the account sells in several.
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

    def _same_file_message(self, parsed_file: FileRows, same: DuplicateFile) -> str:
        return (
            f"{parsed_file.name}: account {same.account!r} has this very file already ({same.name}). If it is of "
            f"{parsed_file.account!r}, take the other out first: "
            f"{self._removal_command(same.name, same.account)}. If both have it, "
            "import it with --anyway."
        )

    def _shared_orders_message(self, parsed_file: FileRows, shared: SharedOrders) -> str:
        many = f"{'at least ' * shared.at_least}{shared.orders:,} order id{'s' * (shared.orders != 1)}"
        return (
            f"{parsed_file.name}: account {shared.account!r} has {many} of this file for {parsed_file.account!r}, "
            "the first "
            f"{shared.first}. If the file is of {shared.account!r}, import it with --account {shared.account}. If "
            f"{shared.account!r} has them by mistake, see `store remove`. If both have them, import it with --anyway."
        )

    def _removal_command(self, name: str, account: str | None) -> str:
        return f'python -m healthkit store remove --file "{name}" --account "{account}" --data {self._store.folder}'

    def warnings(self, parsed_files: Sequence[FileRows]) -> dict[str, str]:
        """What is said of files that are added all the same, by their report: ratings that they make vanish."""
        missing = conflicts.find_missing_ratings(self._store, parsed_files)
        return {
            one.report: self._missing_ratings_message(one, missing[one.report])
            for one in parsed_files
            if one.report in missing
        }

    def warn_of_empty_files(self, parsed_files: Sequence[FileRows]) -> dict[str, str]:
        """What is said of files without rows that were added, by their report: what each is taken to mean."""
        empty = [one for one in parsed_files if one.account is not None and _is_empty(one)]
        if not empty:
            return {}
        sells_in = self._store.marketplaces_by_account({str(one.account) for one in empty})
        rated = {str(one.account) for one in empty if one.kind == "feedback"}
        ratings = conflicts.count_current_ratings(self._store, rated) if rated else {}
        sentences = {one.report: self._empty_file_warning(one, sells_in, ratings) for one in empty}
        return {report: sentence for report, sentence in sentences.items() if sentence}

    def _empty_file_warning(
        self, parsed_file: FileRows, sells_in: Mapping[str, set[str]], ratings: _RatingCounts
    ) -> str:
        """The sentence on one file without rows; empty where there is nothing to say."""
        account = str(parsed_file.account)
        of_account = ratings.get(account, {}) if parsed_file.kind == "feedback" else {}
        stated = parsed_file.stated_marketplace
        many = sum(count for code, count in of_account.items() if stated in (None, code))
        if many:
            return (
                f"the file holds no rating and does not say of which days, so the {many:,} "
                f"rating{'s' * (many != 1)} of earlier files still count. A rating counts as removed once a download "
                "lacks it that holds an older and a newer one: download the feedback of more days."
            )
        codes = sorted(sells_in.get(account, ()))
        if stated is None and len(codes) > 1 and parsed_file.kind not in tables.SINGLE_MARKETPLACE_KINDS:
            return (
                f"the file has no rows: it is taken to say that there was nothing in {' and '.join(codes)}. If it is "
                f"of one of them alone, take it out again ({self._removal_command(parsed_file.name, account)}) "
                "and import it with "
                "--marketplace."
            )
        return ""

    def _missing_ratings_message(self, parsed_file: FileRows, missing: conflicts.MissingRatings) -> str:
        ratings = f"{missing.ratings:,} rating{'s' * (missing.ratings != 1)}"
        days = f"from {missing.first_day} to {missing.last_day}"
        return (
            f"{ratings} {days} of earlier files are missing from this one: they count as removed by the marketplace, "
            f"from {missing.removed_from} on. If the file is cut or of another account, take it out again: "
            f"{self._removal_command(parsed_file.name, parsed_file.account)}"
        )
