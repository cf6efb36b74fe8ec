"""The HTML of a mail: the summary of each marketplace, readable in mail programs, in light and dark."""

from __future__ import annotations

from collections.abc import Sequence

from healthkit.report.html.block import render_template
from healthkit.report.text import labels
from healthkit.report.text.mail import Summary, subject
from healthkit.report.text.portfolio import split_steps


def mail_html(name: str, period: str, summaries: Sequence[Summary], closing: str, link: str = "") -> str:
    """Return the HTML of a mail; `closing` says how to open the report, `link` is its address if it is not attached."""
    before, _, after = closing.partition(link) if link else (closing, "", "")
    return render_template(
        "mail.html.j2",
        title=subject(name, period),
        name=name,
        period=period,
        summaries=[
            (one, labels.STATUS_STYLES[one.status], [(heading, *split_steps(text)) for heading, text in one.lines])
            for one in summaries
        ],
        before=before,
        link=link,
        after=after,
    )
