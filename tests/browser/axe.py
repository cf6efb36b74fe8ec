"""What axe-core finds in a part of a page."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe

SERIOUS = ("serious", "critical")


def violations(page: Any, part: str, impacts: tuple[str, ...] | None = SERIOUS) -> list[str]:
    """The rules that a part of a page breaks, each with the first place; None as impacts asks for all of them."""
    found = Axe().run(page, context=part).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]}"
        for one in found
        if impacts is None or one["impact"] in impacts
    ]
