"""The tables of healthkit: the meaning of a row, the columns, the key; and `check_table`, which validates a frame.

Three kinds of time are kept apart:

- a *day* is a date in the marketplace's own zone; the parsers convert to it once;
- an *instant* is a UTC timestamp; lateness is judged on instants;
- a *count* of days is a whole number.

A frame may be of any library that narwhals supports (pandas, pyarrow, polars).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import narwhals as nw

if TYPE_CHECKING:
    import pandas as pd


class TableError(ValueError):
    """Raised if a frame does not match its table; the message names the table, the column and the problem."""


DAY_FROM_LIST = "day_from_list"
"""The assumption that a cause became known on the day of the list that names it, which may be after it did."""
AMOUNT_SCALE = 10_000
"""An amount of 1 of a currency as tables hold it, so that sums are exact. [ten-thousandths]"""


@dataclass(frozen=True)
class Column:
    """A column of a table: its kind of values, whether cells may be empty, and which value a merge keeps.

    `keep` selects the value where several files state the same row: the `newest` known one, the `first` (smallest) or
    the `last` (largest).
    """

    kind: str
    nullable: bool = False
    keep: str = "newest"


@dataclass(frozen=True)
class Table:
    """The definition of a table: what a row means, the columns in order, and the key that identifies a row.

    With `merge_whole_rows` the newest row of a key replaces older ones; else each column is merged by itself.
    """

    name: str
    row_meaning: str
    columns: dict[str, Column]
    key: tuple[str, ...] = field(default=())
    merge_whole_rows: bool = False

    def required(self) -> list[str]:
        """Return the names of the columns that may not be empty."""
        return [name for name, column in self.columns.items() if not column.nullable]


def _parse_columns(text: str) -> dict[str, Column]:
    """Return the columns of `name kind[?] [keep]` lines; a question mark marks a column that may be empty.

    >>> _parse_columns("cancelled_on day? first")
    {'cancelled_on': Column(kind='day', nullable=True, keep='first')}
    """
    columns = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, kind, *keep = line.split()
        columns[name] = Column(kind.rstrip("?"), kind.endswith("?"), *keep)
    return columns


ORDERS = Table(
    "orders",
    "one order of one account",
    _parse_columns("""
        account         text
        marketplace     text
        channel         text?
        order_id        text
        ordered_at      instant?
        ordered_on      day?
        status          text?
        cancelled_on    day?      first
        cancelled_by    text?
        part_cancelled  flag?
        restored_on     day?
        ship_by         instant?
        ship_by_on      day?
        shipped_at      instant?  first
        shipped_on      day?      first
        deliver_by      instant?
        deliver_by_on   day?
        delivered_at    instant?  last
        delivered_on    day?      last
        tracking        flag?
        invoiced_at     instant?  first
        invoiced_on     day?      first
        is_business     flag?
        is_premium      flag?
        ship_method     text?
        country         text?
        state           text?
        units           count?
        assumed         text?
        updated_at      instant
        report          text
    """),
    ("account", "marketplace", "order_id"),
)
"""`restored_on` is the day on which a cancelled order turned out to be valid, for example was shipped.

It is computed when a ledger is read.
"""
ITEMS = Table(
    "items",
    "one line of an order: what was bought",
    _parse_columns("""
        account      text
        marketplace  text
        order_id     text
        sku          text
        asin         text?
        product      text?
        units        count?
        amount       count?
        currency     text?
        updated_at   instant
        report       text
    """),
    ("account", "marketplace", "order_id", "sku"),
)
"""`amount` is the price of all units as the file states it, without shipping. [ten-thousandths of `currency`]

Both are empty if no file states them, and in stores that an older version wrote; importing the files again fills them.
"""
SHIPMENTS = Table(
    "shipments",
    "one parcel of an order",
    _parse_columns("""
        account       text
        marketplace   text
        order_id      text
        shipment_id   text
        units         count?
        confirmed_at  instant?  first
        confirmed_on  day?      first
        delivered_at  instant?
        delivered_on  day?
        tracking      flag?
        scanned       flag?
        in_business_hours  flag?
        carrier       text?
        ship_method   text?
        updated_at    instant
        report        text
    """),
    ("account", "marketplace", "order_id", "shipment_id"),
)
"""`in_business_hours` says whether the parcel was delivered within the opening hours of a business customer."""
FEEDBACK = Table(
    "feedback",
    "one rating that a buyer gave for one order",
    _parse_columns("""
        account      text
        marketplace  text
        order_id     text
        feedback_id  text
        rating       count
        received_on  day
        rank         text
        removed_on   day?
        updated_at   instant
        report       text
    """),
    ("account", "marketplace", "order_id", "feedback_id"),
)
DEFECTS = Table(
    "defects",
    "one thing that went wrong with one order",
    _parse_columns("""
        account      text
        marketplace  text
        order_id     text
        kind         text
        known_on     day
        cleared_on   day?
        detail       text?
        assumed      text?
        updated_at   instant
        report       text
    """),
    ("account", "marketplace", "order_id", "kind", "known_on", "assumed"),
)
POSTINGS = Table(
    "postings",
    "one sum of money that a settlement took for a refund, claim or chargeback of one order, or gave back",
    _parse_columns("""
        account      text
        marketplace  text
        order_id     text
        kind         text
        posting_id   text
        posted_on    day
        amount       count
        updated_at   instant
        report       text
    """),
    ("account", "marketplace", "order_id", "kind", "posting_id"),
)
"""`amount` is negative if it was deducted from the seller. [ten-thousandths of the currency]

`posting_id` is the same in two downloads of one settlement. The sums of an order's postings are added to DEFECTS when a
ledger is read.
"""
CONTACTS = Table(
    "contacts",
    "one message of a buyer, or one answer of a buyer to whether a problem was solved",
    _parse_columns("""
        account      text
        marketplace  text
        contact_id   text
        kind         text
        order_id     text?
        received_at  instant
        received_on  day
        due_24h_on   day
        due_48h_on   day
        answered_at  instant?  first
        answered_on  day?      first
        excused_on   day?
        outcome      text?
        assumed      text?
        updated_at   instant
        report       text
    """),
    ("account", "marketplace", "contact_id", "kind"),
)
"""`kind` is `message` or `survey`; a survey's `outcome` is `yes` or `no`.

`due_24h_on` is the day 24 hours after the message was received. From `excused_on` on, a message that needs no answer
does not count.
"""
RETURNS = Table(
    "returns",
    "one request of a buyer to send something back",
    _parse_columns("""
        account          text
        marketplace      text
        return_id        text
        order_id         text
        channel          text
        requested_at     instant
        requested_on     day
        due_48h_on       day
        answered_at      instant?  first
        answered_on      day?      first
        decision         text?
        in_policy        flag?
        refused_wrongly  flag?
        unresolved_on    day?      first
        cleared_on       day?
        sku              text?
        reason           text?
        units            count?
        assumed          text?
        updated_at       instant
        report           text
    """),
    ("account", "marketplace", "return_id"),
)
"""`decision` is `authorised`, `refunded`, `closed`, `refused`, or empty while the request waits.

On `unresolved_on` the buyer stated that the return was not resolved. From `cleared_on` on, a request is invalid and
does not count.
"""
READINGS = Table(
    "readings",
    "one figure that the marketplace itself reported, over some days, as of a day; kept as given, right or wrong",
    _parse_columns("""
        account        text
        marketplace    text
        channel        text
        metric         text
        as_of          day
        first_day      day
        last_day       day
        counted        count?
        at_fault       count?
        parts          text?
        rate           share?
        target         share?
        side           text?
        status         text?
        contradiction  text?
        updated_at     instant
        report         text
    """),
    ("account", "marketplace", "channel", "metric", "first_day", "last_day", "as_of"),
    merge_whole_rows=True,
)
"""`channel` is `all` if the marketplace does not report the channels separately.

`parts` is a JSON object of part -> count (for the account health rating its score; for contacts also the average
hours). `status` is the marketplace's own word, in lower case. If the file gives a rate but no number at fault,
`at_fault` is the one whole number that the rate allows, provided that only one fits. `contradiction` describes how the
figure contradicts itself.
"""
VIOLATIONS = Table(
    "violations",
    "one policy violation, or how many of a category were open as of a day (then that day is `opened_on`)",
    _parse_columns("""
        account       text
        marketplace   text
        category      text
        violation_id  text
        severity      text?
        opened_on     day
        resolved_on   day?
        count         count
        updated_at    instant
        report        text
    """),
    ("account", "marketplace", "category", "violation_id", "opened_on"),
    merge_whole_rows=True,
)
"""`violation_id` is empty in a row that states how many violations of a category are open on `opened_on`."""
ACCOUNT_STATES = Table(
    "account_states",
    "one thing that the marketplace said of an account as a whole, as of a day: its status, a warning, a mark",
    _parse_columns("""
        account      text
        marketplace  text
        kind         text
        name         text
        state        text?
        count        count?
        as_of        day
        updated_at   instant
        report       text
    """),
    ("account", "marketplace", "kind", "name", "as_of"),
    merge_whole_rows=True,
)
"""`kind` is `account`, `warning`, `checklist` or `list`.

A row of the kind `account` has the name `account_status` and the state normal, at risk or deactivated. A `list` says
that there was a list of defects of that day: its `name` is the kind of the file (`list_late_shipments`), its `count`
how many orders it names.
"""
REPORTS = Table(
    "reports",
    "one raw file that was taken in; only rows of files named here are ever read",
    _parse_columns("""
        report     text
        name       text
        kind       text
        account    text?
        rows       count
        first_day  day?
        last_day   day?
        number     count
        digest     text?
        brought    text?
        content    text?
        stated_marketplace  text?
    """),
    ("report",),
)
"""`report` is an id, new for each import, that the file's rows carry.

`digest` identifies the content together with the account, `content` the content alone. `stated_marketplace` is the
marketplace that was given at import or that is in all rows of the file; `+` joins several. `brought` is JSON: the
number of the file's rows in each table.
"""
EXPOSURE = Table(
    "exposure",
    "how many orders count, by clock day, the days on which they began and ceased to count, and what that rests on",
    _parse_columns("""
        account      text
        marketplace  text
        channel      text
        metric       text
        basis        text
        clock_day    day
        known_on     day
        until_day    day?
        counted      count
        assumed      text?
    """),
)
FAULTS = Table(
    "faults",
    "one stay at fault of one order, for the same causes; `since` is when it began for any cause",
    _parse_columns("""
        account      text
        marketplace  text
        channel      text
        metric       text
        basis        text
        order_id     text
        causes       text
        clock_day    day
        since        day
        known_on     day
        cleared_on   day?
        at_fault     count
        assumed      text?
    """),
)
SALES = Table(
    "sales",
    "what the orders of one day sold in one currency, by the day on which they were cancelled, if ever",
    _parse_columns("""
        account       text
        marketplace   text
        channel       text
        sold_on       day
        cancelled_on  day?
        currency      text?
        orders        count
        amount        count
    """),
)
"""`amount` is the price of all lines, without shipping. [ten-thousandths of `currency`]

Orders of which no file states a price stand in rows without a currency, with an amount of 0.
"""
COVERAGE = Table(
    "coverage",
    "from which day to which the files hold the orders of one account and marketplace, and until when they cover them",
    _parse_columns("""
        account      text
        marketplace  text
        begins_on    day
        ends_on      day
        heard_on     day
        orders       count
        evidence     text?
        reach        text
        order_gap    count
        gaps         text
    """),
    ("account", "marketplace"),
)
"""Where there are only figures of the marketplace's own, `orders` is 0, and `ends_on` and `heard_on` are the day before
`begins_on`, the day of the first figure.

`evidence` lists the kinds of evidence in the files (see `EVIDENCE_BY_KIND`), joined by `+`.

`reach` is a JSON object with an entry for each kind of evidence that has rows with days: the `first` and `last` day,
`gap`, the longest run of days without any in between, from `begins_on` on [days], and `days`, the number of days with
some. A file without rows adds its kind to `evidence` but no entry. `order_gap` is the longest run of days without an
order, from `begins_on` to `ends_on` [days]. `gaps` is a JSON list of [first, last] days that no file of orders covers.
"""
SCORES = Table(
    "scores",
    "one metric of one account, marketplace, channel and window, as of one day, in one case",
    _parse_columns("""
        case         text
        account      text
        marketplace  text
        channel      text
        metric       text
        window       count
        as_of        day
        first_day    day
        last_day     day
        counted      count
        at_fault     count
        rate         share?
        value        share?
        target       share?
        side         text?
        status       text
        headroom     count?
        proxy        text?
        rule         text
    """),
    ("case", "account", "marketplace", "channel", "metric", "window", "as_of"),
)

FUTURE_DAY_COLUMNS = ("ship_by_on", "deliver_by_on", "due_24h_on", "due_48h_on")
"""Columns of days that may lie in the future: promises and deadlines.

All other columns of days hold days of events.
"""
RAW_TABLES = (
    ORDERS, ITEMS, SHIPMENTS, FEEDBACK, DEFECTS, POSTINGS, CONTACTS, RETURNS, READINGS, VIOLATIONS, ACCOUNT_STATES,
)  # fmt: skip
"""The tables that imports fill."""
REPORTED_TABLES = (READINGS, VIOLATIONS)
"""The tables that hold the marketplace's own figures."""

Frame = nw.LazyFrame[Any]
"""A lazy frame of any engine that narwhals supports."""


def collect_to_pandas(frame: Frame) -> Any:
    """Collect a lazy frame into a pandas frame, with days as timestamps.

    The rows are converted to Arrow first, so that all engines give the same types.
    """
    rows = frame.collect().to_arrow()
    # Metadata of pandas would restore the types of the original frame.
    return rows.replace_schema_metadata(None).to_pandas(date_as_object=False)


def records(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a pandas frame as dictionaries of plain values: days as dates, missing values as None.

    >>> import pandas as pd
    >>> records(pd.DataFrame({"order_id": ["a"], "known_on": pd.to_datetime(["2026-10-31"]), "rate": [float("nan")]}))
    [{'order_id': 'a', 'known_on': datetime.date(2026, 10, 31), 'rate': None}]
    """
    columns = [[to_plain_value(value) for value in frame[name].tolist()] for name in frame]
    return [dict(zip(frame.columns, row, strict=True)) for row in zip(*columns, strict=True)]


def records_to_frame(rows: Sequence[Mapping[str, Any]], columns: Iterable[str]) -> pd.DataFrame:
    """Create a pandas frame with the given columns from rows given as dictionaries.

    >>> records_to_frame([{"order_id": "a", "late": True, "days": 2}], ["order_id", "days"]).to_dict("list")
    {'order_id': ['a'], 'days': [2]}
    """
    return nw.from_dict({name: [row[name] for row in rows] for name in columns}, backend="pandas").to_native()


def to_plain_value(value: Any) -> Any:
    """Convert a cell of a pandas frame to a plain Python value: a day to a date, a missing value to None.

    >>> to_plain_value(float("nan")), to_plain_value(0.5)
    (None, 0.5)
    """
    if isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return float(value) if value == value else None
    # NaN, NaT and pd.NA differ from themselves; the comparison returns a NumPy bool or pd.NA.
    if value is None or str(value != value) != "False":
        return None
    if isinstance(value, datetime):
        return value.date()
    return value.item() if hasattr(value, "item") else value


@dataclass(frozen=True, eq=False)
class Ledger:
    """The merged raw tables of one or more accounts as lazy frames, and COVERAGE as a pandas frame."""

    orders: Frame
    items: Frame
    shipments: Frame
    feedback: Frame
    defects: Frame
    postings: Frame
    contacts: Frame
    returns: Frame
    readings: Frame
    violations: Frame
    account_states: Frame
    coverage: Any = field(repr=False)

    @cached_property
    def derived_frames(self) -> dict[Any, Frame]:
        """Frames made of these tables that several metrics use, by what they hold; see `metrics.definitions`."""
        return {}

    def to_pandas(self, name: str) -> pd.DataFrame:
        """Return one raw table as a pandas frame, with days as timestamps.

        `name` is that of the table, such as "orders". Raises TableError for an unknown one, naming those there are.
        """
        names = [table.name for table in RAW_TABLES]
        if name not in names:
            raise TableError(f"No table {name!r}. There are: {', '.join(names)}.")
        return collect_to_pandas(getattr(self, name))

    def in_memory(self) -> Ledger:
        """Return this ledger with every table loaded into memory.

        This saves the overhead of the engine if many queries follow.
        """
        frames = {
            table.name: nw.from_native(getattr(self, table.name).collect().to_native()).lazy() for table in RAW_TABLES
        }
        return replace(self, **frames)


EVIDENCE_BY_KIND = {
    "feedback": ("feedback",),
    "mercado_libre_sales": ("cases",),
    "mercado_libre_orders": ("cases",),
    "olist": ("feedback",),
    "returns": ("claims", "returns"),
    "defects": ("claims", "chargebacks"),
    "settlement": ("claims", "chargebacks", "refunds"),
    "contacts": ("contacts",),
    "surveys": ("surveys",),
    "return_requests": ("returns", "return_answers", "return_feedback", "return_refusals"),
    "invoices": ("invoices",),
    "violations": ("violations",),
    "performance_json": ("violations",),
    "list_order_defects": ("feedback", "claims", "chargebacks"),
    "list_invoice_defects": ("invoices",),
    "list_a_to_z_claims": ("claims",),
    "list_late_shipments": ("late_shipment_list",),
    "refunds told": ("refunds",),
    "not received told": ("not_received",),
    "cases told": ("cases",),
    "business hours told": ("business_hours",),
    "scans told": ("scans",),
    "promises told": ("promises",),
    "delivery promises told": ("delivery_promises",),
    "confirmations told": ("confirmations",),
    "deliveries told": ("deliveries",),
    "tracking told": ("tracking",),
    "cancellers told": ("cancellers",),
    "invoices told": ("invoices",),
}
"""The kinds of evidence that each kind of raw file holds.

Without such a file, an account may have defects that nobody knows.

Kinds that end in `told` are found in the rows of several kinds of files, and count where one of them has a value:
refunds, orders not received and cases in a defects file, scans and business hours in a confirmations file, and in any
file ship-by days (`promises`), deliver-by days, confirmations, deliveries, whether parcels have tracking, who
cancelled, and when an order got its invoice.
"""

SINGLE_MARKETPLACE_KINDS = (
    "feedback", "returns", "settlement", "list_order_defects", "list_invoice_defects", "list_a_to_z_claims",
    "list_late_shipments",
)  # fmt: skip
"""Kinds of files that are made for a single marketplace.

If an account sells in several marketplaces, a file of these kinds without rows does not say which one it is for. Other
files without rows count for all marketplaces.
"""

DEFECT_LIST_DAYS = 60
"""Number of days, before its own day, that a list of the marketplace's account health page covers. [days]"""
MAX_GAP_DAYS = 3
"""Longest run of days without order files that is tolerated; a longer one is reported as a gap. [days]"""
PARTIAL_KINDS = ("unshipped",)
"""Kinds of order files that contain only some orders of the days they cover."""

METRIC_IDS = (
    "order_defect_rate", "negative_feedback_rate", "a_to_z_claim_rate", "chargeback_rate", "cancellation_rate",
    "late_shipment_rate", "valid_tracking_rate", "on_time_delivery_rate", "unit_on_time_delivery_rate",
    "business_hour_delivery_rate", "refund_rate", "return_rate", "item_not_received_rate", "case_rate",
    "transaction_defect_rate", "invoice_defect_rate", "late_response_rate", "average_response_time",
    "return_dissatisfaction_rate", "negative_return_feedback_rate", "late_return_response_rate",
    "invalid_rejection_rate", "customer_service_dissatisfaction_rate", "policy_violations", "account_health_rating",
    "negative_review_rate",
)  # fmt: skip
"""The ids of all metrics, as tables, policies and commands spell them."""
DEFECT_KINDS = (
    "negative_feedback", "a_to_z_claim", "chargeback", "refund", "not_received", "case", "cancelled", "shipped_late",
    "no_tracking", "delivered_late", "invoice_missing", "invoice_late",
)  # fmt: skip
"""The kinds of defects of an order.

The last six can also be computed from orders; in DEFECTS they are as the marketplace states them.
"""
CHANNELS = ("seller", "amazon")
WHOLE_ACCOUNT = "all"
"""The channel of rows that concern the whole account: messages, violations and the rating."""
SEVERITIES = ("low", "medium", "high", "critical")
CANCELLERS = ("seller", "buyer", "amazon")
SHIPPED_STATUSES = ("shipped", "partially shipped", "delivered")
"""The statuses of an order that was shipped, at least in part.

Files contain other statuses, too.
"""
STATUSES = (
    "on target", "at risk", "off target", "no data", "too few", "short history", "incomplete", "no target",
)  # fmt: skip
STATUS_WORDS = {
    "good": "on target", "bad": "off target", "great": "on target", "warned": "at risk", "fair": "at risk",
    "poor": "off target", "none": "no data", "normal": "on target", "at risk": "at risk", "deactivated": "off target",
    "healthy": "on target", "unhealthy": "off target", "critical": "off target", "top rated": "on target",
    "above standard": "on target", "below standard": "off target",
}  # fmt: skip
"""The status in SCORES for each status word (in lower case) that a marketplace reports with a figure.

Figures with other words are judged by their number; an import reports these words.
"""
ACCOUNT_STATUS_WORDS = (
    "normal", "at risk", "at risk of deactivation", "warned", "deactivated", "none",
    "top rated", "above standard", "below standard",
)  # fmt: skip
"""The known words for the status of an account, in lower case.

Other words are shown as reported; an import reports them.
"""

_DTYPE_CHECKS = {
    "text": lambda kind: kind in (nw.String, nw.Categorical) or kind == nw.Object,
    "day": lambda kind: kind == nw.Date or (kind == nw.Datetime and kind.time_zone is None),
    "instant": lambda kind: kind == nw.Datetime and kind.time_zone is not None,
    "count": lambda kind: kind.is_integer(),
    "share": lambda kind: kind.is_float(),
    "flag": lambda kind: kind == nw.Boolean,
}


def check_table(frame: Any, table: Table, keys_are_unique: bool = False) -> Any:
    """Check that a frame matches a table, and return it with the columns in the order of the table.

    With `keys_are_unique` the check for duplicate keys is skipped. Raises TableError for a missing or unknown column,
    an empty cell in a required column, a column of the wrong kind, or a duplicate key.

    >>> import pandas as pd
    >>> check_table(pd.DataFrame({"report": ["a"]}), REPORTS)
    Traceback (most recent call last):
    ...
    TableError: reports has no column name, kind, account, rows, first_day, last_day, number.
    """
    rows = nw.from_native(frame, eager_only=True)
    names = rows.columns
    missing = [name for name in table.columns if name not in names]
    if missing:
        raise TableError(f"{table.name} has no column {', '.join(missing)}.")
    unknown = [name for name in names if name not in table.columns]
    if unknown:
        raise TableError(f"{table.name} does not hold {', '.join(unknown)}. It holds {', '.join(table.columns)}.")
    rows = rows.select(*table.columns)
    _check_kinds(rows, table)
    _check_empty(rows, table.required(), table)
    if table.key and not keys_are_unique and _has_duplicates(rows.select(*table.key)):
        first = rows.filter(rows.select(*table.key).is_duplicated()).select(*table.key).row(0)
        raise TableError(f"{table.name} holds a row twice: {dict(zip(table.key, first, strict=True))}.")
    return rows.to_native()


def _has_duplicates(keys: nw.DataFrame[Any]) -> bool:
    """Return whether two rows are equal."""
    # A tenth of the time of comparing rows, and enough for most tables: their last column is an id.
    if any(keys.get_column(name).n_unique() == len(keys) for name in reversed(keys.columns)):
        return False
    return bool(keys.is_duplicated().any())


def _check_kinds(rows: nw.DataFrame[Any], table: Table) -> None:
    """Raise TableError for a column of the wrong kind; an empty column may have any."""
    schema = rows.schema
    for name, column in table.columns.items():
        kind = schema[name]
        if not _is_of_kind(kind, column.kind) and not (
            column.nullable and rows.get_column(name).null_count() == len(rows)
        ):
            raise TableError(f"{table.name}.{name} must be a {column.kind}; it is {kind}.")


@cache
def _is_of_kind(dtype: nw.dtypes.DType, kind: str) -> bool:
    """Return whether a type of a column is one of a kind of column; there are few, and each file is asked for many."""
    return bool(_DTYPE_CHECKS[kind](dtype))


def _check_empty(rows: nw.DataFrame[Any], names: Iterable[str], table: Table) -> None:
    """Raise TableError for an empty cell in a required column, with the first row."""
    for name in names:
        empty = rows.get_column(name).null_count()
        if empty:
            first = rows.get_column(name).is_null().to_list().index(True) + 1
            raise TableError(
                f"{table.name}.{name} is empty in {empty:,} of {len(rows):,} rows; the first is row {first:,}."
            )


FORMULA_BEGINS = frozenset("=+-@\t\r")
"""First characters of a text that a spreadsheet would run as a formula."""


def as_csv(frame: pd.DataFrame) -> str:
    r"""Return a frame as CSV text that is safe to open in a spreadsheet.

    A text that a spreadsheet would run as a formula gets a leading apostrophe.

    >>> import pandas as pd
    >>> as_csv(pd.DataFrame({"order_id": ["=1+1"], "known_on": pd.to_datetime(["2026-10-31"])}))
    "order_id,known_on\n'=1+1,2026-10-31\n"
    """
    kinds = nw.from_native(frame, eager_only=True).schema
    safe = {}
    for name, kind in kinds.items():
        if kind in (nw.String, nw.Object, nw.Categorical):
            cells = zip(frame[name].tolist(), frame[name].isna().tolist(), strict=True)
            words = [None if is_missing else str(cell) for cell, is_missing in cells]
            safe[name] = [f"'{word}" if word and word[0] in FORMULA_BEGINS else word for word in words]
    return str(frame.assign(**safe).to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%d"))
