"""Performance reports and XML documents of many nested elements."""

from __future__ import annotations


def xml(frames: str = "", block: str = "orderDefects", checks: str = "", rest: str = "") -> bytes:
    """A whole report in XML around one block."""
    inner = f"<performanceChecklist>{checks}</performanceChecklist><{block}>{frames}</{block}>{rest}"
    return (
        '<?xml version="1.0" encoding="UTF-8"?><sellerPerformanceReports><sellerPerformanceReport>'
        f"{inner}</sellerPerformanceReport></sellerPerformanceReports>"
    ).encode()


def frame(item: str, first: str, last: str, inside: str) -> str:
    time = f"<timeFrame><start>{first}T00:00:00Z</start><end>{last}T23:59:59Z</end></timeFrame>"
    return f"<{item}>{time}{inside}</{item}>"


def defects(first: str, last: str, counted: int, some: int, rate: str) -> str:
    return frame(
        "orderDefectMetrics", first, last,
        f"<orderCount>{counted}</orderCount><orderWithDefects><count>{some}</count><rate>{rate}</rate>"
        "</orderWithDefects><a_z_claims><count>1</count><rate>0.10 %</rate></a_z_claims>",
    )  # fmt: skip


LONG, SHORT = defects("2019-03-03", "2019-05-31", 1000, 5, "0.50 %"), defects("2019-05-25", "2019-05-31", 80, 1, "2%")
