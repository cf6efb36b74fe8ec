"""`report --only-changed` prints exactly the pages whose own data, rules, events, template or options changed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from healthkit import batch
from healthkit.batch import manifest
from healthkit.batch.report_data import MIME_TYPE
from healthkit.metrics.policy_files import find_policy_files
from healthkit.schema.events_file import Event
from healthkit.store import Store, compact, find_removal, purge, remove
from healthkit.workspace import event_log
from healthkit.workspace.workspace import Workspace
from tests.builders.notebooks import write_notebook
from tests.builders.sample import MONTH
from tests.builders.store_files import import_all, raw, taken

POLICY = "tiktok_us"
"""Few rules, which are counted in a tenth of the time of Amazon's."""
PAGES = {"acme_us", "brook_us", "cedar_de"}
SHOWN = f"""
from IPython.display import display
row = dict.fromkeys(("metric", "channel", "side", "first", "why"), "") | dict.fromkeys(
    ("target", "headroom", "value", "used"))
row |= {{"account": account, "marketplace": marketplace, "marketplace_title": "Amazon", "status": "no data",
    "window": 0, "counted": 0, "at_fault": 0, "strips": {{}}, "href": stem + ".html", "csv_href": stem + "_orders.csv"}}
display({{"text/html": "<p>A page</p>"}}, raw=True)
display({{{MIME_TYPE!r}: {{"title": account, "row": row, "figures": {{"verdict": [["What", "none"]]}},
    "orders": "a\\n"}}}}, raw=True)
"""
"""The last cell of a template that computes nothing."""


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("template") / "page.ipynb"
    names = ("account", "month", "marketplace", "data", "policy", "made", "stem", "index_href")
    return write_notebook(path, SHOWN, parameters="\n".join(f"{name} = ''" for name in names))


@pytest.fixture(scope="module")
def three_accounts(tmp_path_factory, template, threads) -> Path:
    """A folder with a store of three accounts, one of them German, and their pages; to be copied."""
    folder = tmp_path_factory.mktemp("three")
    import_all(
        Store(folder / "store"), raw(folder, "acme", 1), raw(folder, "brook", 2),
        raw(folder, "cedar", 3, channel="Amazon.de"),
    )  # fmt: skip
    first = batch.generate_reports(
        Workspace(folder / "store", POLICY), MONTH, out=folder / "reports", template=template, executor=threads
    )
    assert (first.page_count, first.failures) == (3, [])
    return folder


@pytest.fixture
def place(three_accounts, tmp_path) -> Path:
    return Path(shutil.copytree(three_accounts, tmp_path / "place"))


@pytest.fixture
def printing(place, template, threads):
    """Print what changed; return the result and the names of the pages that were written again."""

    def run(workspace: Workspace | None = None, **wishes):
        folder = place / "reports" / MONTH
        before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.manifest.json")}
        result = batch.generate_reports(
            workspace or Workspace(place / "store", POLICY), MONTH, out=place / "reports", executor=threads,
            only_changed=True, **{"template": template} | wishes,
        )  # fmt: skip
        after = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.manifest.json")}
        changed = {name.removesuffix(".manifest.json") for name, at in after.items() if before.get(name) != at}
        assert (result.page_count, result.failures) == (len(changed), [])
        return result, changed

    return run


def test_a_file_of_two_lines_prints_its_account_alone_and_so_does_its_removal(place, printing):
    assert printing()[1] == set()
    store = Store(place / "store")
    import_all(store, raw(place, "acme", 9, rows=2))
    result, changed = printing()
    assert changed == {"acme_us"}
    assert result.skipped == 2
    # The others say of which version they are, and the index says so too.
    [note] = result.notes
    assert note.startswith("2 pages are of an earlier version of the store. No data of their accounts changed since;")
    assert note.split(";")[0] in result.index.read_text(encoding="utf-8")
    versions = {
        name: manifest.load_manifest(place / "reports" / MONTH / f"{name}.manifest.json")["inputs"]["data"]["version"]
        for name in PAGES
    }
    assert versions["brook_us"] == versions["cedar_de"] != versions["acme_us"]
    remove(store, find_removal(store, ["acme/orders-009.txt"]))
    assert printing()[1] == {"acme_us"}
    assert printing()[1] == set()


@pytest.mark.slow
def test_a_store_written_anew_changes_no_page(place, printing):
    store = Store(place / "store")
    import_all(store, raw(place, "delta", 9))
    compact(store)
    assert printing()[1] == {"delta_us"}
    purge(store, find_removal(store, account="delta"))
    assert printing()[1] == set()


def test_an_event_prints_the_pages_that_it_is_of(place, printing):
    events = Workspace(place / "store", POLICY).events_file
    event_log.add_event(events, Event(date(2026, 10, 3), "brook", "", "new carrier"))
    assert printing()[1] == {"brook_us"}


def test_rules_print_the_pages_that_they_judge(place, printing):
    workspace, other = Workspace(place / "store", POLICY), place / "mine.yaml"
    policy = workspace.policies["DE"]
    other.write_bytes(Path(policy.files[0]).read_bytes() + b"# One more row.\n")
    workspace.__dict__["policies"] = dict(workspace.policies) | {"DE": replace(policy, files=(str(other),))}
    assert printing(workspace)[1] == {"cedar_de"}


def test_another_policy_file_and_other_rules_in_it_print_all(place, printing):
    own_rules = place / "own_rules.yaml"
    own_rules.write_bytes(find_policy_files()[POLICY].read_bytes())
    assert printing(Workspace(place / "store", str(own_rules)))[1] == PAGES
    own_rules.write_bytes(own_rules.read_bytes() + b"# One more row.\n")
    assert printing(Workspace(place / "store", str(own_rules)))[1] == PAGES
    assert printing(Workspace(place / "store", str(own_rules)))[1] == set()


def test_an_option_or_the_template_prints_all(place, printing, template, tmp_path):
    assert printing(show_code=True)[1] == PAGES
    assert printing(show_code=True, made="by hand")[1] == PAGES
    other = tmp_path / "other.ipynb"
    cells = json.loads(template.read_text())
    cells["metadata"]["title"] = "another"
    other.write_text(json.dumps(cells))
    assert printing(show_code=True, made="by hand", template=other)[1] == PAGES


def test_an_index_names_pages_whose_own_data_changed_and_that_were_not_printed(place, printing, template, threads):
    import_all(Store(place / "store"), raw(place, "acme", 9, rows=2))
    workspace = Workspace(place / "store", POLICY)
    result = batch.generate_reports(
        workspace, MONTH, ["brook"], place / "reports", template=template, executor=threads
    )  # fmt: skip
    assert any(one.startswith("Not up to date, because its data, rules or events changed since: acme (US).")
               for one in result.notes)  # fmt: skip


def test_the_rules_are_no_part_of_the_code(monkeypatch):
    for name, counts in (("metrics/policies/amazon_de.yaml", False), ("metrics/actions/amazon.yaml", True)):
        read = Path.read_bytes
        manifest.code_digest.cache_clear()
        before = manifest.code_digest()
        manifest.code_digest.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_bytes", lambda path: read(path) + b"#" * str(path).endswith(name))  # noqa: B023
            assert (manifest.code_digest() != before) == counts
    manifest.code_digest.cache_clear()


def test_a_file_of_several_accounts_is_a_report_of_those_in_it_and_one_without_rows_of_all(store):
    store.add([taken("r1", orders=[{}]), taken("r2", account="brook", orders=[{"account": "brook"}])])
    store.add([taken("r3", account="cedar", orders=[{"account": "cedar"}])])
    both = [{"account": "acme"}, {"account": "brook", "order_id": "o2"}]
    store.add([taken("r4", "defects", None, defects=both), taken("r5", "defects", None)])
    assert store.reports_by_account() == {
        "acme": ["r1", "r4", "r5"], "brook": ["r2", "r4", "r5"], "cedar": ["r3", "r5"],
    }  # fmt: skip
