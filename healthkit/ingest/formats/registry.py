"""The registry of file formats: one row for each kind of raw file that healthkit reads.

To add a kind of file, write a module in this package with a FileKind (a table) or a DocumentKind (JSON, XML) and a
`parse` function that returns FileContents, and add its row to FORMATS.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from healthkit.ingest.formats import (
    all_orders,
    amazon_shipments,
    confirmations,
    contacts,
    defect_lists,
    defects,
    ebay_orders,
    ebay_standards,
    fba_returns,
    feedback,
    invoices,
    mercado_libre_api,
    olist,
    order_files,
    order_report,
    orders_api,
    performance_json,
    performance_xml,
    return_requests,
    returns,
    sale_report,
    settlement,
    surveys,
    unshipped,
    violations,
    walmart_defects,
    walmart_orders,
)
from healthkit.ingest.parsing.column_map import FILE_LABEL
from healthkit.ingest.parsing.csv_table import FileKind
from healthkit.ingest.parsing.marketplace_of_row import ReadContext
from healthkit.ingest.parsing.parsed_file import FileContents
from healthkit.ingest.parsing.raw_file import DocumentKind, ReaderError


@dataclass(frozen=True)
class FileFormat:
    """A kind of raw file and the function that parses it.

    `parse` receives a CsvTable if `kind` is a FileKind, and bytes if it is a DocumentKind. Kinds of one `group` are
    parsed together, as a dictionary of tables by kind. Files that `may_be_large` are parsed in chunks of whole orders;
    their first required column is the order id. With `has_single_update_time` all rows of a file share one update time.
    """

    kind: FileKind | DocumentKind
    parse: Callable[[Any, ReadContext], FileContents]
    group: str = ""
    may_be_large: bool = False
    has_single_update_time: bool = False

    @property
    def name(self) -> str:
        """Name of the kind of file in the store; for a file of a group, the name of the group."""
        return self.group or self.kind.name


FORMATS: tuple[FileFormat, ...] = (
    FileFormat(all_orders.KIND, all_orders.parse, may_be_large=True),
    *(FileFormat(kind, olist.parse, group=olist.KIND_NAME) for kind in olist.KINDS),
    FileFormat(orders_api.V0, orders_api.parse_v0),
    FileFormat(orders_api.TABLE, orders_api.parse_table),
    FileFormat(orders_api.V2026, orders_api.parse_2026),
    FileFormat(orders_api.V0_ITEMS, orders_api.parse_v0_items),
    FileFormat(walmart_orders.KIND, walmart_orders.parse),
    FileFormat(ebay_orders.KIND, ebay_orders.parse),
    FileFormat(mercado_libre_api.ORDERS, mercado_libre_api.parse_orders),
    FileFormat(sale_report.KIND, sale_report.parse),
    FileFormat(amazon_shipments.KIND, amazon_shipments.parse, may_be_large=True),
    FileFormat(order_report.KIND, order_report.parse, may_be_large=True, has_single_update_time=True),
    FileFormat(unshipped.KIND, unshipped.parse),
    FileFormat(confirmations.KIND, confirmations.parse),
    FileFormat(feedback.KIND, feedback.parse),
    FileFormat(returns.KIND, returns.parse),
    FileFormat(fba_returns.KIND, fba_returns.parse),
    FileFormat(defects.KIND, defects.parse),
    FileFormat(walmart_defects.KIND, walmart_defects.parse),
    FileFormat(settlement.KIND, settlement.parse),
    FileFormat(invoices.KIND, invoices.parse),
    FileFormat(return_requests.KIND, return_requests.parse),
    FileFormat(contacts.KIND, contacts.parse),
    FileFormat(surveys.KIND, surveys.parse),
    FileFormat(violations.KIND, violations.parse),
    FileFormat(performance_json.KIND, performance_json.parse),
    FileFormat(performance_xml.KIND, performance_xml.parse),
    FileFormat(ebay_standards.KIND, ebay_standards.parse),
    FileFormat(mercado_libre_api.REPUTATION, mercado_libre_api.parse_reputation),
)
"""All formats except those that YAML describes, in the order in which their files are imported.

Files of orders come first: files that name no marketplace take it from the orders they name.
"""


def all_formats() -> tuple[FileFormat, ...]:
    """Return the formats in import order: order files that layouts describe, FORMATS, and the defect lists.

    Raises ReaderError if `data/column_map.yaml` cannot be read, or gives an order file the name of another kind.
    """
    formats = (
        *(FileFormat(kind, order_files.parse) for kind in order_files.order_file_kinds()),
        *FORMATS,
        *(FileFormat(kind, defect_lists.parse) for kind in defect_lists.defect_list_kinds()),
    )
    added = [one for one in formats if isinstance(one.kind, FileKind) and one.kind.added_by_user]
    names = Counter(one.kind.name for one in formats) if added else Counter()
    names.update({one.group for one in formats if one.group and added})
    for one in added:
        if names[one.kind.name] > 1:
            raise ReaderError(
                f"{FILE_LABEL}: orders, {one.kind.name}: is the name of another kind of file. Choose another name."
            )
    return formats


def find_format(name: str) -> FileFormat:
    """Return the first format with the given name, which is that of a kind of file or of a group."""
    return next(one for one in all_formats() if one.name == name)


def table_kinds() -> list[FileKind]:
    """Return all kinds of raw files that are tables, including the defect lists."""
    return [one.kind for one in all_formats() if isinstance(one.kind, FileKind)]


def document_kinds() -> list[DocumentKind]:
    """Return all kinds of raw files that are JSON or XML, in the order in which detection tries them."""
    kinds = [one.kind for one in FORMATS if isinstance(one.kind, DocumentKind)]
    # The marks of the Orders API, such as "Orders", are the least specific; those of reports are the most.
    return sorted(kinds, key=lambda kind: ("orders" in kind.name) + kind.name.startswith("orders_api"))


def import_order() -> dict[str, int]:
    """Return the position of each kind of file in the import order: order files first, defect lists last."""
    # The kinds of a group have one name, that of the group: the position of the first counts.
    return {one.name: position for position, one in reversed(list(enumerate(all_formats())))}
