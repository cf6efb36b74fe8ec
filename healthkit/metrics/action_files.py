"""Read from YAML what a seller can do about orders at fault: the files in `actions/`, one for each company.

An action without a source is refused, as every invalid field is, with file, line and field.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from healthkit.metrics.policy import SourceConfidence
from healthkit.schema import yaml_lines
from healthkit.schema.marketplaces import MARKETPLACES, Marketplace, find_marketplace
from healthkit.schema.tables import CHANNELS, METRIC_IDS, WHOLE_ACCOUNT

ACTION_FOLDER = Path(__file__).parent / "actions"
"""The folder of the actions that come with the package."""
ORDER_ID = "{order_id}"
"""What an order's id replaces in the link to its page."""
DOMAIN = "{domain}"
"""What the marketplace's own domain, such as `amazon.de`, replaces in a link."""

ActionKind = Literal["clear", "prevent", "due", "resolve"]
"""What an action does.

`clear`: orders at fault no longer count, if the marketplace grants it. `prevent`: fewer orders to come are at fault.
`due`: what waits is done before it is late. `resolve`: a figure that is no rate of orders gets better.
"""
WaitingKind = Literal["shipments", "messages", "returns"]
"""What a `due` action does in time: shipments confirmed, messages or return requests answered."""


class ActionError(ValueError):
    """Raised if a file of actions is invalid; the message names file, line, action and field."""


class _ActionModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


Text = Annotated[str, Field(min_length=1)]
Link = Annotated[str, Field(pattern=r"^https://[^\s\"'<>]+$")]


class Deadline(_ActionModel):
    """Until when an action is possible: so many days after an event.

    `event` is what the source counts from, in words. `counted_from` is the day of ours that stands for it: `known_on`,
    on which the cause became known, or `clock_day`, which places the order in its window. `sure` is `I` unless that is
    the same day.
    """

    days: Annotated[int, Field(ge=0, le=730, strict=True)]
    event: Text
    counted_from: Literal["known_on", "clock_day"]
    sure: SourceConfidence
    note: str = ""

    def last_day(self, known_on: date, clock_day: date) -> date:
        """Return the last day on which the action is possible for one order.

        >>> appeal = Deadline(days=30, event="the decision", counted_from="known_on", sure="I")
        >>> appeal.last_day(date(2026, 10, 5), date(2026, 9, 1))
        datetime.date(2026, 11, 4)
        """
        return {"known_on": known_on, "clock_day": clock_day}[self.counted_from] + timedelta(self.days)


class Action(_ActionModel):
    """One thing that a seller can do about orders at fault, with its source.

    It applies to orders at fault for one of `causes`, or to the measures in `metrics`. `title` is an imperative
    sentence without a full stop. `grounds` are the circumstances in which it is granted, `where` the menu path.
    `until` says in words until when it is possible, where no number of days is known. `read` is the day on which the
    source was read, `sure` how sure it is (see `policy.SourceConfidence`).
    """

    id: str
    title: Text
    kind: ActionKind
    source: Text
    url: Link
    read: date
    sure: SourceConfidence
    causes: tuple[Text, ...] = ()
    metrics: tuple[str, ...] = ()
    channels: tuple[str, ...] = (*CHANNELS, WHOLE_ACCOUNT)
    marketplaces: tuple[str, ...] = ()
    waiting: WaitingKind | None = None
    deadline: Deadline | None = None
    until: str = ""
    grounds: tuple[Text, ...] = ()
    where: str = ""
    note: str = ""

    @field_validator("metrics", "channels", "marketplaces")
    @classmethod
    def _check_names(cls, names: tuple[str, ...], info: Any) -> tuple[str, ...]:
        known = {"metrics": METRIC_IDS, "channels": (*CHANNELS, WHOLE_ACCOUNT), "marketplaces": tuple(MARKETPLACES)}
        unknown = [name for name in names if name not in known[info.field_name]]
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is unknown; there are {', '.join(known[info.field_name])}")
        return names

    @model_validator(mode="after")
    def _check_fields(self) -> Action:
        if self.kind in ("clear", "prevent") and not self.causes:
            raise ValueError(f"an action of the kind {self.kind} needs its causes")
        if self.kind in ("due", "resolve") and not self.metrics:
            raise ValueError(f"an action of the kind {self.kind} needs its metrics")
        if (self.kind == "due") != (self.waiting is not None):
            raise ValueError(f"waiting is for the kind due, one of {', '.join(get_args(WaitingKind))}")
        if self.deadline is not None and self.kind != "clear":
            raise ValueError("a deadline in days is for the kind clear; what waits has its own days")
        return self


class OrderPage(_ActionModel):
    """The marketplace's own page of one order: a link with `{order_id}`, and with `{domain}` where stores differ."""

    link: Link
    source: Text
    url: Link
    sure: SourceConfidence

    @field_validator("link")
    @classmethod
    def _check_order_id(cls, link: str) -> str:
        if ORDER_ID not in link:
            raise ValueError(f"the link lacks {ORDER_ID}")
        return link


class ActionCatalogue(_ActionModel):
    """The actions of one company, and how it links to an order, or None where no source says."""

    company: Text
    read: date
    actions: tuple[Action, ...]
    order_page: OrderPage | None = None

    def order_link(self, marketplace: str, order_id: str) -> str:
        """Return the address of an order's page in a marketplace; "" if it is not known.

        Anything in an id that is no letter, digit, hyphen or underscore makes no link, because it could lead elsewhere.

        >>> load_actions("DE").order_link("DE", "302-1234567-1234567")
        'https://sellercentral.amazon.de/orders-v3/order/302-1234567-1234567'
        >>> load_actions("DE").order_link("DE", "../../evil?x=1")
        ''
        """
        if (
            self.order_page is None
            or not order_id.isascii()
            or not order_id.replace("-", "").replace("_", "").isalnum()
        ):
            return ""
        domain = find_marketplace(marketplace).sales_channel.lower()
        return self.order_page.link.replace(DOMAIN, domain).replace(ORDER_ID, order_id)


def load_actions(marketplace: str, folder: Path = ACTION_FOLDER) -> ActionCatalogue:
    """Return the actions for a marketplace (by its code); none for a company that no file names.

    Raises ActionError for an invalid file.

    >>> [action.id for action in load_actions("US").actions][0]
    'appeal_a_to_z_claim'
    >>> load_actions("OLIST").actions
    ()
    """
    store = find_marketplace(marketplace)
    for path in sorted(folder.glob("*.yaml")):
        catalogue = _load_file(path)
        if catalogue.company == store.company:
            return catalogue.model_copy(update={"actions": _of_store(catalogue, store)})
    return ActionCatalogue(company=store.company, read=date.min, actions=())


def _of_store(catalogue: ActionCatalogue, store: Marketplace) -> tuple[Action, ...]:
    return tuple(one for one in catalogue.actions if not one.marketplaces or store.code in one.marketplaces)


@cache
def _load_file(path: Path) -> ActionCatalogue:
    return read_action_file(path)


def read_action_file(path: Path) -> ActionCatalogue:
    """Read the actions of one company from a YAML file.

    Raises ActionError, naming file, line, action and field, for an action without a source or an invalid field.
    """
    try:
        document = yaml_lines.read_yaml(path)
    except yaml_lines.YamlError as error:
        raise ActionError(str(error)) from None
    if not isinstance(document, dict) or not isinstance(document.get("actions"), dict):
        raise ActionError(f"{path.name}, field actions: not a mapping of actions; see docs/actions.md for an example.")
    rows = {name: row for name, row in document["actions"].items() if name != yaml_lines.LINE_KEY}
    fields = {name: value for name, value in document.items() if name not in ("actions", yaml_lines.LINE_KEY)}
    actions = [_build_action(path, str(name), row, fields.get("read")) for name, row in rows.items()]
    page = fields.get("order_page")
    try:
        return ActionCatalogue(**yaml_lines.without_lines(fields), actions=tuple(actions))
    except ValidationError as error:
        field, message = _first_error(error)
        line = f", line {page['line']}" if field.startswith("order_page") and isinstance(page, dict) else ""
        raise ActionError(f"{path.name}{line}, field {field}: {message}.") from None


def _build_action(path: Path, name: str, row: Any, read: Any) -> Action:
    if not isinstance(row, dict):
        raise ActionError(f"{path.name}, {name}: not a mapping of fields, such as title and source.")
    try:
        return Action(id=name, **{"read": read} | yaml_lines.without_lines(row))
    except ValidationError as error:
        field, message = _first_error(error)
        raise ActionError(f"{path.name}, line {row['line']}, {name}, field {field}: {message}.") from None


def _first_error(error: ValidationError) -> tuple[str, str]:
    first = error.errors()[0]
    return ".".join(str(part) for part in first["loc"]) or "action", first["msg"].removeprefix("Value error, ")
