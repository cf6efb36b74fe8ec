"""Write fourteen invented accounts, each a story: `python data/make_sample.py [OUT_DIR]`.

Every account, order, buyer and number is made up. Orders run until 31 October 2026, those of the eight Amazon accounts
from 1 February on, those of the other six from 1 June on; the files are as if downloaded on 2 November 2026. The same
program writes the same bytes each time: all chance comes from `random.Random(seed).random()`, whose numbers Python
promises not to change, and nothing reads the clock.

A `Story` (`sample_story`; the eight stand in `sample_accounts`) holds what an account is like, its `Trouble` rows what
goes wrong, when, and how often. A story is lived (`sample_life`: orders are placed, cancelled, shipped, complained of;
`sample_after`: messages, returns, invoices, and what only Amazon knows) and then told, one writer for each kind of file
(`sample_files`, `sample_lists`, `sample_more_files`, and Amazon's own figures in `sample_amazon`). Six accounts of
other marketplaces (`sample_marketplaces`) are lived in the same way and told in the files of those marketplaces
(`sample_marketplace_files`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from sample_accounts import STORIES
from sample_after import live_on
from sample_amazon import write_performance
from sample_files import (
    write_all_orders,
    write_confirmations,
    write_defects,
    write_feedback,
    write_older_feedback,
    write_order_reports,
    write_returns,
)
from sample_life import live
from sample_lists import write_contacts, write_invoices, write_return_requests, write_surveys, write_violations
from sample_marketplaces import MARKETPLACE_STORIES, write_marketplace_account
from sample_more_files import (
    write_amazon_shipments,
    write_defect_list,
    write_fba_returns,
    write_orders_api,
    write_settlement,
    write_unshipped,
)
from sample_story import Life, Story

WRITERS: dict[str, Callable[[Life, Path], None]] = {
    "amazon_shipments": write_amazon_shipments,
    "contacts": write_contacts,
    "defect_list": write_defect_list,
    "fba_returns": write_fba_returns,
    "invoices": write_invoices,
    "older_feedback": write_older_feedback,
    "orders_api": write_orders_api,
    "performance": write_performance,
    "return_requests": write_return_requests,
    "settlement": write_settlement,
    "surveys": write_surveys,
    "unshipped": write_unshipped,
    "violations": write_violations,
}
"""What an account may have besides its orders (`also` in its story); `secrets` is a story and no file.

No story has a `settlement` (thistle-and-wren's) or a `defect_list` (lantern-hill-lighting's) as long as the kit reads
neither.
"""


def write_account(story: Story, number: int, out: Path) -> None:
    """One account's folder, with the files that such an account would have."""
    life, folder = live(story, number), out / story.account
    live_on(life, number)
    folder.mkdir(parents=True, exist_ok=True)
    write_all_orders(life, folder)
    write_feedback(life, folder)
    if story.seller_share:
        write_order_reports(life, folder)
        write_confirmations(life, folder)
    if story.defects_file:
        write_defects(life, folder)
    if story.returns:
        write_returns(life, folder)
    for name in story.also:
        if name in WRITERS:
            WRITERS[name](life, folder)


def main(out: Path) -> None:
    """Write every story below `out`, and say how much that was."""
    for number, story in enumerate(STORIES, start=1):
        write_account(story, number, out)
    for number, story in enumerate(MARKETPLACE_STORIES, start=len(STORIES) + 1):
        write_marketplace_account(story, number, out)
    files = [path for path in out.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    print(f"{len(STORIES) + len(MARKETPLACE_STORIES)} accounts, {len(files)} files, {size / 1e6:.1f} MB in {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "sample")
