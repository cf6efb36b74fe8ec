"""Telling a story of the sample in a seller's own lists: messages, surveys, returns, invoices, violations."""

from __future__ import annotations

from pathlib import Path

from sample_files import plain_instant, write_commas
from sample_story import DOWNLOADED, Life


def yes(word: bool) -> str:
    """A yes or no as people write it."""
    return "yes" if word else "no"


def write_contacts(life: Life, folder: Path) -> None:
    """The buyers' messages, without a word of what was written."""
    rows = [
        (
            row.contact_id,
            plain_instant(row.received_at),
            plain_instant(row.answered_at),
            row.order_id,
            yes(row.needs_answer),
        )
        for row in life.messages
    ]
    write_commas(folder / "contacts.csv", "contact-id,received-at,answered-at,order-id,needs-answer", rows)


def write_surveys(life: Life, folder: Path) -> None:
    """What buyers said when asked whether their problem was solved."""
    known = sorted(life.surveys, key=lambda row: (row.surveyed_at, row.survey_id))
    rows = [(row.survey_id, row.order_id, plain_instant(row.surveyed_at), yes(row.solved)) for row in known]
    write_commas(folder / "surveys.csv", "survey-id,order-id,surveyed-at,solved", rows)


def write_return_requests(life: Life, folder: Path) -> None:
    """The return requests with what Amazon's file does not say: the hour, the answer, and whether it was content."""
    header = "return-id,order-id,requested-at,answered-at,decision,in-policy,refused-wrongly,unresolved-on,sku,reason"
    rows = [
        (
            *(row.return_id, row.order_id, plain_instant(row.requested_at), plain_instant(row.answered_at)),
            *(row.decision, yes(row.in_policy), yes(row.refused_wrongly) if row.decision == "refused" else ""),
            *(str(row.unresolved_on or ""), row.sku, row.reason),
        )
        for row in life.requests
    ]
    write_commas(folder / "return_requests.csv", header, rows)


def write_violations(life: Life, folder: Path) -> None:
    """The policy violations of the account's page; a header alone says that there were none."""
    rows = [
        (row.violation_id, row.category, row.opened_on, row.resolved_on, row.severity) for row in life.story.violations
    ]
    write_commas(folder / "violations.csv", "violation-id,category,opened-on,resolved-on,severity", rows)


def write_invoices(life: Life, folder: Path) -> None:
    """When the invoice of each business order was given to its buyer."""
    known = sorted((at, order_id) for order_id, at in life.invoices.items() if at <= DOWNLOADED)
    rows = [(order_id, plain_instant(at)) for at, order_id in known]
    write_commas(folder / "invoices.csv", "order-id,invoiced-at", rows)
