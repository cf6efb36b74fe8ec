"""What each table holds: one row of it, its columns, its key; the check at the border.

Three kinds of time stand in these tables, and they are never mixed:

- a *day* is a date in the marketplace's own zone, cut once, by the readers;
- an *instant* is a time stamp in UTC; lateness is judged on instants;
- a *count* of days is a whole number.

A frame may be of any library that narwhals knows (pandas, pyarrow, polars).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import narwhals as nw

if TYPE_CHECKING:
    import pandas as pd


class TableError(ValueError):
    """A frame is not what its table promises; the message says what, where and how many."""


@dataclass(frozen=True)
class Column:
    """One column: its kind, whether it may be empty, and which of several statements stands.

    `keep` says what is read when several files speak of the same row:
    the `newest` known value, the `first` (smallest) or the `last` (largest).
    """

    kind: str
    nullable: bool = False
    keep: str = "newest"


@dataclass(frozen=True)
class Table:
    """One table: what one row is, the columns in order, and the columns that name a row.

    With `merge_whole_rows` the newest row of a key replaces older ones; else each column is merged by itself.
    """

    name: str
    row_meaning: str
    columns: dict[str, Column]
    key: tuple[str, ...] = field(default=())
    merge_whole_rows: bool = False

    def required(self) -> list[str]:
        """The columns that may not be empty."""
        return [name for name, column in self.columns.items() if not column.nullable]


def _parse_columns(text: str) -> dict[str, Column]:
    """Read `name kind[?] [keep]` lines; a question mark means the column may be empty.

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
"""`restored_on` is the day on which an order that a file called cancelled was known to be none, as one that was shipped
after all; it is worked out when a ledger is read."""
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
        updated_at   instant
        report       text
    """),
    ("account", "marketplace", "order_id", "sku"),
)
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
        carrier       text?
        ship_method   text?
        updated_at    instant
        report        text
    """),
    ("account", "marketplace", "order_id", "shipment_id"),
)
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
"""`amount` is below zero where it was taken from the seller [ten-thousandths of the currency]. `posting_id` is the same
where a settlement was downloaded twice. What the postings of an order leave is in DEFECTS when a ledger is read."""
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
"""`kind` is `message` or `survey`; a survey's `outcome` is `yes` or `no`. `due_24h_on` is the day on which 24 hours
have passed since it was received. A message that needs no answer is excused, from that day on."""
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
"""`decision` is `authorised`, `refunded`, `closed`, `refused`, or empty while the request waits. On `unresolved_on` the
buyer said that the return was not resolved. From `cleared_on` on a request is not valid and counts nowhere."""
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
"""`channel` is `all` where the marketplace parts none. `parts` is a JSON object of part -> count (of the account
health rating: its score; of contacts also the average hours). `status` is the marketplace's own word, in lower case.
Where the file gives a rate but no number at fault, `at_fault` is the one whole number that the rate allows, if only one
fits. `contradiction` says in words where the figure does not agree with itself."""
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
"""`violation_id` is empty text where the row is a count of a category, as of `opened_on`."""
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
"""`kind` is `account` (name `account_status`; state normal, at risk, deactivated), `warning`, `checklist` or `list`.

A `list` says that there was a list of defects of that day: its `name` is the kind of the file (`list_late_shipments`),
its `count` how many orders it names."""
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
"""`report` is what the rows of the file are marked with, another one each time that a file is imported; `digest` is the
same for the same content of the same account, `content` for the same content of any. `stated_marketplace` is the
marketplace that was named at import or in all rows of the file; several are joined by `+`. `brought` says, as JSON, how
many rows of each table the file holds."""
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
COVERAGE = Table(
    "coverage",
    "from which day to which the files hold the orders of one account and marketplace, and till when they tell of them",
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
"""`evidence` names what the files can tell of (see EVIDENCE), joined by `+`.

`reach` is a JSON object: of each evidence word of which a file has rows with days, the `first` and the `last` day, and
`gap`, the longest run of days without any between them, counted from `begins_on` on, and `days`, on how many days there
are some [days]. A file without rows (there was nothing to tell) gives its word and no entry. `order_gap` is the longest
run of days without an order, from `begins_on` to `ends_on` [days]. `gaps` is a JSON list of [first, last] days in
between that no file of orders covers.
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
"""Columns of days that may lie in the future: promises and deadlines. All other days are of events."""
RAW_TABLES = (
    ORDERS, ITEMS, SHIPMENTS, FEEDBACK, DEFECTS, POSTINGS, CONTACTS, RETURNS, READINGS, VIOLATIONS, ACCOUNT_STATES,
)  # fmt: skip
"""The tables that readers fill."""

Frame = nw.LazyFrame[Any]
"""Rows that are not in memory yet, of any engine that narwhals knows."""


def collect_to_pandas(frame: Frame) -> Any:
    """The rows of a lazy frame in memory, as pandas, days as stamps; by way of Arrow, so that they are alike of every
    engine."""
    rows = frame.collect().to_arrow()
    # What a pandas frame remembers of its own kinds would bring them back.
    return rows.replace_schema_metadata(None).to_pandas(date_as_object=False)


def records(frame: Any) -> list[dict[str, Any]]:
    """The rows of a pandas frame as plain values: days as dates, nothing known as None.

    Column by column, for a table of few rows is mostly columns.

    >>> import pandas as pd
    >>> records(pd.DataFrame({"order_id": ["a"], "known_on": pd.to_datetime(["2026-10-31"]), "rate": [float("nan")]}))
    [{'order_id': 'a', 'known_on': datetime.date(2026, 10, 31), 'rate': None}]
    """
    columns = [[to_plain_value(value) for value in frame[name].tolist()] for name in frame]
    return [dict(zip(frame.columns, row, strict=True)) for row in zip(*columns, strict=True)]


def records_to_frame(rows: Sequence[Mapping[str, Any]], columns: Iterable[str]) -> pd.DataFrame:
    """Such records as a pandas frame of these columns.

    >>> framed([{"order_id": "a", "late": True, "days": 2}], ["order_id", "days"]).to_dict("list")
    {'order_id': ['a'], 'days': [2]}
    """
    return nw.from_dict({name: [row[name] for row in rows] for name in columns}, backend="pandas").to_native()


def to_plain_value(value: Any) -> Any:
    """One cell of a pandas frame as a plain value: a day as a date, nothing known as None.

    >>> plain(float("nan")), plain(0.5)
    (None, 0.5)
    """
    if isinstance(value, str | int):
        return value
    # Of what is missing each kind of column has a value of its own, and none of them equals itself. What NumPy and
    # pandas answer to that is no bool of Python's, but is written like one.
    if value is None or str(value != value) != "False":
        return None
    if isinstance(value, datetime):
        return value.date()
    return value.item() if hasattr(value, "item") else value


@dataclass(frozen=True, eq=False)
class Ledger:
    """The raw tables of some accounts, each row as it is known now; `coverage` is in memory, as COVERAGE."""

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

    def in_memory(self) -> Ledger:
        """The same with every table in memory: what it costs to ask an engine is saved where many questions follow."""
        held = {
            table.name: nw.from_native(getattr(self, table.name).collect().to_native()).lazy() for table in RAW_TABLES
        }
        return replace(self, **held)


EVIDENCE_BY_KIND = {
    "feedback": ("feedback",),
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
    "scans told": ("scans",),
    "promises told": ("promises",),
    "delivery promises told": ("delivery_promises",),
    "confirmations told": ("confirmations",),
    "deliveries told": ("deliveries",),
    "tracking told": ("tracking",),
    "cancellers told": ("cancellers",),
}
"""What each kind of raw file can tell of: an account without such a file is not an account without such a defect.

Files of several kinds may tell of what ends in `told`, so it counts as known where one of them does: a defects file of
refunds where it names one, a confirmations file of scans where it has any, any file of ship-by days (`promises`),
deliver-by days, confirmations, deliveries, whether parcels have tracking, and who cancelled.
"""

SINGLE_MARKETPLACE_KINDS = (
    "feedback", "returns", "settlement", "list_order_defects", "list_invoice_defects", "list_a_to_z_claims",
    "list_late_shipments",
)  # fmt: skip
"""Kinds of files that a marketplace makes for itself alone. One without rows does not say of which marketplace it is,
where the account sells in several; other files without rows are of all of them."""

DEFECT_LIST_DAYS = 60
"""A list of the marketplace's account-health page tells of the days up to its own, and of so many before. [days]"""
MAX_GAP_DAYS = 3
"""Days that no file of orders covers are told of where they are more than so many in a row. [days]"""
PARTIAL_KINDS = ("unshipped",)
"""The kinds of files that name only some of the orders of the days they reach over."""

METRIC_IDS = (
    "order_defect_rate", "negative_feedback_rate", "a_to_z_claim_rate", "chargeback_rate", "cancellation_rate",
    "late_shipment_rate", "valid_tracking_rate", "on_time_delivery_rate", "unit_on_time_delivery_rate", "refund_rate",
    "invoice_defect_rate", "late_response_rate", "average_response_time", "return_dissatisfaction_rate",
    "negative_return_feedback_rate", "late_return_response_rate", "invalid_rejection_rate",
    "customer_service_dissatisfaction_rate", "policy_violations", "account_health_rating", "negative_review_rate",
)  # fmt: skip
"""Every metric that a policy may ask for: the one spelling in tables, policies and commands."""
DEFECT_KINDS = (
    "negative_feedback", "a_to_z_claim", "chargeback", "refund", "cancelled", "shipped_late", "no_tracking",
    "delivered_late", "invoice_missing", "invoice_late",
)  # fmt: skip
"""What can go wrong with an order. The last six can be worked out from orders; here the marketplace says so itself."""
CHANNELS = ("seller", "amazon")
WHOLE_ACCOUNT = "all"
"""The channel of what belongs to an account as a whole: messages, violations, its rating."""
SEVERITIES = ("low", "medium", "high", "critical")
CANCELLERS = ("seller", "buyer", "amazon")
SHIPPED_STATUSES = ("shipped", "partially shipped", "delivered")
"""The statuses of an order that was shipped, at least in part; files write others than these and `cancelled`."""
STATUSES = (
    "on target", "at risk", "off target", "no data", "too few", "short history", "incomplete", "no target",
)  # fmt: skip
STATUS_WORDS = {
    "good": "on target", "bad": "off target", "great": "on target", "warned": "at risk", "fair": "at risk",
    "poor": "off target", "none": "no data", "normal": "on target", "at risk": "at risk", "deactivated": "off target",
    "healthy": "on target", "unhealthy": "off target", "critical": "off target",
}  # fmt: skip
"""The status words that a marketplace reports with a figure, in lower case, and the status of SCORES that each means.
A word that is not here is named at import, and the figure is judged by its number."""
ACCOUNT_STATUS_WORDS = ("normal", "at risk", "at risk of deactivation", "warned", "deactivated", "none")
"""The known words for the status of an account, in lower case; others are named at import and shown as reported."""

_DTYPE_CHECKS = {
    "text": lambda kind: kind in (nw.String, nw.Categorical) or kind == nw.Object,
    "day": lambda kind: kind == nw.Date or (kind == nw.Datetime and kind.time_zone is None),
    "instant": lambda kind: kind == nw.Datetime and kind.time_zone is not None,
    "count": lambda kind: kind.is_integer(),
    "share": lambda kind: kind.is_float(),
    "flag": lambda kind: kind == nw.Boolean,
}


def check_table(frame: Any, table: Table, keys_are_unique: bool = False) -> Any:
    """Return the frame, its columns in the table's order, or say what is wrong with it.

    With `keyed` each key is known to stand once. Raises TableError for a missing or unknown column, an empty cell where
    none may be, a wrong kind of column, or (where the table has a key) a row that stands twice.

    >>> import pandas as pd
    >>> check_table(pd.DataFrame({"report": ["a"]}), REPORTS)
    Traceback (most recent call last):
    ...
    TableError: reports has no column name, kind, account, rows, first_day, last_day, number.
    """
    rows = nw.from_native(frame, eager_only=True)
    missing = [name for name in table.columns if name not in rows.columns]
    if missing:
        raise TableError(f"{table.name} has no column {', '.join(missing)}.")
    unknown = [name for name in rows.columns if name not in table.columns]
    if unknown:
        raise TableError(f"{table.name} does not hold {', '.join(unknown)}. It holds {', '.join(table.columns)}.")
    rows = rows.select(*table.columns)
    _check_kinds(rows, table)
    _check_empty(rows, table.required(), table)
    if table.key and not keys_are_unique and rows.select(*table.key).is_duplicated().any():
        first = rows.filter(rows.select(*table.key).is_duplicated()).select(*table.key).row(0)
        raise TableError(f"{table.name} holds a row twice: {dict(zip(table.key, first, strict=True))}.")
    return rows.to_native()


def _check_kinds(rows: nw.DataFrame[Any], table: Table) -> None:
    """Refuse a column of another kind; a column that is empty throughout may be of any."""
    schema = rows.schema
    for name, column in table.columns.items():
        kind = schema[name]
        if not _DTYPE_CHECKS[column.kind](kind) and not (column.nullable and rows[name].null_count() == len(rows)):
            raise TableError(f"{table.name}.{name} must be a {column.kind}; it is {kind}.")


def _check_empty(rows: nw.DataFrame[Any], names: Iterable[str], table: Table) -> None:
    """Refuse an empty cell where none may be, naming the first."""
    for name in names:
        empty = rows[name].null_count()
        if empty:
            first = rows[name].is_null().to_list().index(True) + 1
            raise TableError(
                f"{table.name}.{name} is empty in {empty:,} of {len(rows):,} rows; the first is row {first:,}."
            )


def as_csv(frame: pd.DataFrame) -> str:
    r"""Rows as CSV; a text that a spreadsheet would take for a formula is led by an apostrophe.

    >>> import pandas as pd
    >>> as_csv(pd.DataFrame({"order_id": ["=1+1"], "known_on": pd.to_datetime(["2026-10-31"])}))
    "order_id,known_on\n'=1+1,2026-10-31\n"
    """
    kinds = nw.from_native(frame, eager_only=True).schema
    safe = {}
    for name, kind in kinds.items():
        if kind in (nw.String, nw.Object, nw.Categorical):
            words = frame[name].astype("str").where(frame[name].notna())
            safe[name] = words.str.replace(r"^([=+\-@\t\r])", r"'\1", regex=True)
    return str(frame.assign(**safe).to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%d"))
