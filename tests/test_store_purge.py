"""A client who leaves: after a purge no byte of their names, orders or files is on disk; all others are as before."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import platformdirs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from healthkit import batch
from healthkit.batch.output_files import account_stem, page_stem
from healthkit.files import temp_folders
from healthkit.ingest import importer
from healthkit.schema import tables
from healthkit.store import (
    Store,
    StoreError,
    check,
    compact,
    find_removal,
    locations,
    locks,
    purge,
    remove,
    repair,
    versions,
)
from healthkit.store import store as store_module
from healthkit.workspace import counts_cache, removal
from healthkit.workspace.workspace import Workspace
from tests.builders.sample import DAY, SAMPLE
from tests.builders.slow import slow_after
from tests.builders.store_files import cut, import_all, orders, parquet, raw, taken, three_imports

LEAVES = "paper-moth"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """The user's cache, in the test's own folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return platformdirs.user_cache_path("healthkit")


def texts_in(folder: Path) -> list[str]:
    """All that stands below a folder: names, bytes, and what Parquet files hold unpacked, with their statistics."""
    found = []
    for path in filter(Path.is_file, folder.rglob("*")):
        found += [str(path.relative_to(folder)), path.read_bytes().decode("latin-1")]
        if path.read_bytes()[-4:] == b"PAR1":
            found += [repr(pq.read_table(path).to_pylist()), repr(pq.read_metadata(path).to_dict())]
    return found


def on_disk(words: list[str], *folders: Path) -> set[str]:
    """Those of some words that stand anywhere below some folders."""
    every = "\n".join(text for folder in folders for text in texts_in(folder))
    return {word for word in words if word in every}


@pytest.fixture(scope="module")
def made_once(tmp_path_factory) -> Path:
    """A store of three accounts, in several versions, one of them with counts, compacted once, with checkpoints."""
    store = Store(tmp_path_factory.mktemp("sample") / "store")
    for name in ("applegate-plants", LEAVES, "clearbrook-bath"):
        import_all(store, SAMPLE / name)
        Workspace(store.folder).score(DAY)
    compact(store)
    for table in (tables.ORDERS, tables.REPORTS):
        delta = store.delta(table)
        assert delta is not None
        delta.create_checkpoint()
    return store.folder


@pytest.fixture
def sample(made_once, tmp_path) -> Store:
    """A copy of that store."""
    return Store(shutil.copytree(made_once, tmp_path / "store"))


def words_of(store: Store, account: str) -> list[str]:
    """The account's name, its orders, the names and marks of its raw files."""
    reports = store.reports()
    mine = reports[reports["account"] == account]
    ids = store.ledger([account]).orders.collect("pyarrow").to_native()["order_id"].to_pylist()
    files = [Path(name).name for name in mine["name"] if name not in {"seller_feedback.txt", "contacts.csv"}]
    others = "".join(reports.loc[reports["account"] != account, "name"])
    return [
        account,
        *ids,
        *(name for name in files if name not in others),
        *mine["name"],
        *mine["report"],
        *mine["digest"],
    ]


def test_no_byte_of_a_purged_account_is_on_disk_and_others_are_as_before(sample, tmp_path):
    words, before = words_of(sample, LEAVES), Workspace(sample.folder).score(DAY)
    assert on_disk(words, sample.folder) == set(words)
    version = sample.version()
    made = removal.purge(sample, removal.find_removal(sample, account=LEAVES, with_earlier=True))
    assert made.removed > 0
    assert made.files_left == []
    assert on_disk(words, tmp_path) == set()
    found = check(sample)
    assert (found.damages, found.orphan_rows, found.rows_of_removed_files, found.unnamed_data_files) == ([], 0, 0, 0)
    after = Workspace(sample.folder).score(DAY)
    pd.testing.assert_frame_equal(after, before[before["account"] != LEAVES].reset_index(drop=True))
    # The next version has a number that no other had, and older ones say what became of them.
    assert sample.version() > version
    assert [one.what for one in versions(sample)] == ["purged"]
    for number in (0, version):
        with pytest.raises(StoreError, match=rf"Version {number} of .* cannot be read any more: .* were purged"):
            Workspace(sample.folder, version=number).score(DAY)


@pytest.mark.slow
def test_a_purged_store_goes_on_as_any_other(sample, tmp_path):
    before = Workspace(sample.folder).score(DAY)
    removal.purge(sample, removal.find_removal(sample, account=LEAVES))
    purged = sample.version()
    assert not any(one.refused for one in importer.import_files([SAMPLE / LEAVES], sample))
    pd.testing.assert_frame_equal(Workspace(sample.folder).score(DAY), before)
    assert LEAVES not in set(Workspace(sample.folder, version=purged).score(DAY)["account"])
    assert check(sample).damages == []
    compact(sample)
    removal.purge(sample, removal.find_removal(sample, account="clearbrook-bath"))
    assert sample.accounts() == ["applegate-plants", LEAVES]
    assert check(sample).damages == []


def test_a_purged_log_that_loses_its_sum_is_mended_without_loss(sample):
    """The one entry that a purge leaves says all that its sum says."""
    removal.purge(sample, removal.find_removal(sample, account=LEAVES))
    before = orders(sample)
    for path in sample.folder.rglob("*.checkpoint.parquet"):
        cut(path)
    assert check(sample).damages
    assert repair(sample).lost_files == []
    assert (orders(sample), check(sample).damages) == (before, [])


def test_what_was_removed_before_is_purged_by_the_same_name(sample, tmp_path):
    words = words_of(sample, LEAVES)
    remove(sample, find_removal(sample, account=LEAVES))
    assert on_disk(words, sample.folder) == set(words)
    with pytest.raises(StoreError, match="No account 'paper-moth'"):
        removal.find_removal(sample, account=LEAVES)
    found = removal.find_removal(sample, account=LEAVES, with_earlier=True)
    assert (found.files, len(found.already_removed)) == ([], 14)
    removal.purge(sample, found)
    assert on_disk(words, tmp_path) == set()


def test_one_file_is_purged_and_the_rest_of_its_account_stays(tmp_path):
    store, _ = three_imports(tmp_path)
    words = [f"001-{row:07d}-0000000" for row in range(20)] + ["orders-001.txt"]
    removal.purge(store, removal.find_removal(store, ["orders-001.txt"]))
    assert on_disk(words, store.folder) == set()
    assert {order[:3] for order in orders(store)} == {"000", "002"}


def test_rows_of_killed_imports_and_what_repairs_left_aside_go_too(tmp_path):
    store, _ = three_imports(tmp_path)
    import_all(store, raw(tmp_path / "raw", "bolt", 9))
    store._append(tables.ORDERS, taken("left", account="acme", orders=[{"order_id": "left"}]).tables["orders"])
    lost = parquet(store, "orders")[0]
    killed = lost.with_name(lost.name.replace("part-00000", "part-00001"))
    killed.write_bytes(lost.read_bytes())
    log = store.folder / "orders" / "_delta_log"
    (log / "_commit_0f3c.json.tmp").write_text('{"add": {"stats": "acme"}}')
    cut(lost)
    repair(store)
    words = ["acme", "000-0000000-0000000", "left", "orders-001.txt"]
    assert on_disk(words, store.folder) == set(words)
    removal.purge(store, removal.find_removal(store, account="acme"))
    assert on_disk(words, store.folder) == set()
    assert (store.accounts(), check(store).damages) == (["bolt"], [])


def test_files_that_are_not_the_stores_stay_and_are_named(tmp_path):
    store, _ = three_imports(tmp_path)
    Workspace(store.folder).score(DAY)
    counts, log = store.folder / "counts", store.folder / "orders" / "_delta_log"
    own = [
        store.folder / "notes.txt", store.folder / "orders" / "mine.parquet", counts / "mine" / "a.txt",
        counts / "v1-00000000-000000000000" / "mine.txt", log / "a.json",
        store.folder / "orders" / "part-00000-of-mine.parquet", store.folder / "clients" / "acme.txt",
    ]  # fmt: skip
    for path in own:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    (store.folder / "items" / "link.parquet").symlink_to(own[0])
    table = store.folder / "reports" / "table.parquet"
    pq.write_table(pa.table({"mine": ["acme"]}), table)
    assert removal.find_removal(store, account="acme", with_earlier=True).already_removed == []
    made = removal.purge(store, removal.find_removal(store, account="acme"))
    assert all(path.read_text() == "mine" for path in own)
    assert pq.read_table(table).to_pylist() == [{"mine": "acme"}]
    assert set(made.files_left) == {*own[1:6], table, store.folder / "items" / "link.parquet"}


def test_counts_in_the_cache_of_the_user_go_too(sample, cache):
    beside = sample.folder / "counts"
    there = locations.cache_folders(sample.folder)[1] / "counts"
    there.parent.mkdir(parents=True)
    (beside).rename(there)
    assert on_disk([LEAVES], cache) == {LEAVES}
    removal.purge(sample, removal.find_removal(sample, account=LEAVES))
    assert on_disk([LEAVES], cache) == set()


def test_counts_that_a_question_of_before_makes_after_a_purge_do_not_stay(sample):
    older = Workspace(sample.folder)
    place = older.counts_folder
    counts_cache.clear_cache(sample.folder)
    ledger = older.store.ledger

    def purged_meanwhile(*words):
        rows = ledger(*words).in_memory()
        removal.purge(sample, removal.find_removal(sample, account=LEAVES))
        return rows

    older.store.ledger = purged_meanwhile
    assert LEAVES in older.accounts
    assert not place.exists()
    assert on_disk([LEAVES], sample.folder) == set()


KILLED = """
import os, signal, sys
from pathlib import Path
from healthkit.workspace import removal
from healthkit.store import Store

left = int(sys.argv[2])
unlink, replace = Path.unlink, os.replace

def counted(do):
    def one(*words, **more):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return do(*words, **more)
    return one

Path.unlink, os.replace = counted(unlink), counted(replace)
store = Store(sys.argv[1])
removal.purge(store, removal.find_removal(store, account="acme", with_earlier=True))
"""


@pytest.mark.parametrize("after", slow_after(2, [3, 18, 0, 1, 7, 12, 25]))
def test_a_purge_that_is_killed_leaves_a_whole_store_and_is_finished_by_running_it_again(tmp_path, after):
    store, _ = three_imports(tmp_path)
    import_all(store, raw(tmp_path / "raw", "bolt", 9))
    command = [sys.executable, "-c", KILLED, str(store.folder), str(after)]
    ended = subprocess.run(command, check=False, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    assert ended.returncode == -signal.SIGKILL
    assert (check(store).damages, store.accounts()) == ([], ["bolt"])
    removal.purge(store, removal.find_removal(store, account="acme", with_earlier=True))
    assert on_disk(["acme", "000-0000000-0000000", "orders-001.txt"], store.folder) == set()
    assert (check(store).damages, len(orders(store))) == ([], 20)


def test_a_purge_waits_for_no_import_and_says_so_and_an_import_waits_for_a_purge(tmp_path, monkeypatch):
    store, _ = three_imports(tmp_path)
    monkeypatch.setattr(locks, "PURGE_WAIT_SECONDS", 0.2)
    with (
        locks.hold_shared_lock(store.folder),
        pytest.raises(StoreError, match=r"Something else writes to .* nothing was purged"),
    ):
        removal.purge(store, removal.find_removal(store, account="acme"))
    assert len(orders(store)) == 60
    held = []
    append = store_module.Store._append
    monkeypatch.setattr(
        store_module.Store, "_append",
        lambda self, *words: held.append(not _may_purge(self.folder)) or append(self, *words),
    )  # fmt: skip
    import_all(store, raw(tmp_path / "raw", "acme", 5))
    assert held == [True] * 3
    assert _may_purge(store.folder)


def _may_purge(folder: Path) -> bool:
    try:
        with locks.hold_exclusive_lock(folder):
            return True
    except locks.LockedError:
        return False


def test_a_damaged_store_is_repaired_before_it_is_purged(tmp_path):
    store, _ = three_imports(tmp_path)
    import_all(store, raw(tmp_path / "raw", "bolt", 9))
    found = find_removal(store, account="bolt")
    cut(parquet(store, "orders")[0])
    with pytest.raises(StoreError, match=r"is damaged .* store check"):
        purge(store, found)
    repair(store)
    purge(store, found)
    assert check(store).damages == []


def test_a_store_in_an_object_storage_is_not_purged():
    store = Store("s3://archive/store")
    with pytest.raises(StoreError, match="object storage, which may keep what is deleted"):
        purge(store, removal.Removal([]))


KILLED_BATCH = """
import os, sys
from pathlib import Path
from healthkit.files import temp_folders

for place in map(Path, sys.argv[1:]):
    made = temp_folders.make(temp_folders.BATCH_PREFIX, place)
    (made / "excerpt" / "000000").mkdir(parents=True)
    (made / "excerpt" / "000000" / "orders.arrow").write_text("acme")
os._exit(0)
"""


@pytest.mark.slow
def test_rows_that_a_killed_batch_left_go_and_those_of_a_running_one_stay(tmp_path, monkeypatch):
    store, _ = three_imports(tmp_path)
    temporary, month = tmp_path / "temporary", tmp_path / "reports" / "2026-10"
    for place in (temporary, month / "mine"):
        place.mkdir(parents=True)
    running = temp_folders.make(temp_folders.BATCH_PREFIX, store.folder)
    subprocess.run([sys.executable, "-c", KILLED_BATCH, str(temporary), str(month), str(store.folder)], check=True)
    assert on_disk(["acme"], temporary) == on_disk(["acme"], month) == {"acme"}
    assert len(list(store.folder.glob(f"{temp_folders.BATCH_PREFIX}*"))) == 2
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    removal.purge(store, removal.find_removal(store, account="acme"), [tmp_path / "reports", tmp_path / "none"])
    assert on_disk(["acme"], temporary, month) == set()
    assert list(store.folder.glob(f"{temp_folders.BATCH_PREFIX}*")) == [running]
    temp_folders.remove(running)
    assert (month / "mine").is_dir()


PURGE = """
import sys
from healthkit.workspace import removal
from healthkit.store import Store

store = Store(sys.argv[1])
removal.purge(store, removal.find_removal(store, account="acme", with_earlier=True))
"""


@pytest.mark.slow
def test_who_reads_while_a_purge_runs_gets_the_whole_answer_or_a_sentence(store, tmp_path):
    import_all(store, *[raw(tmp_path / "raw", name, number) for number, name in enumerate(["acme", "bolt"] * 6)])
    pinned, answers, sentences = store.pin_version(), set[int](), set[str]()
    process = subprocess.Popen([sys.executable, "-c", PURGE, str(store.folder)])
    while process.poll() is None:
        for held in (Store(store.folder), pinned):
            try:
                answers.add(len(orders(held)))
            except StoreError as error:
                sentences.add(re.sub(r"/\S+|\d+", "…", str(error)))
    assert process.returncode == 0
    assert answers <= {240, 120}
    said = (
        "is being repaired or purged at this moment",
        "cannot be read any more",
        "was changed while this query ran",
    )
    assert [one for one in sentences if not any(words in one for words in said)] == []
    assert len(orders(Store(store.folder))) == 120
    with pytest.raises(StoreError, match="were purged"):
        orders(pinned)


def test_an_account_of_an_empty_store_is_refused_by_a_whole_sentence(tmp_path):
    with pytest.raises(StoreError, match=r"No account 'petit' in .*: the store holds no account\.$"):
        store_module.refuse_unknown_accounts(["petit"], [], tmp_path)


@pytest.mark.parametrize("account", ["petit", "Petit & Fils"])
def test_packages_mails_and_summaries_of_a_purged_account_are_named(account, tmp_path):
    """Also those of an account whose name cannot be that of a file: a digest follows in their names."""
    de, fr, other = (page_stem(*one) for one in ((account, "DE"), (account, "FR"), ("other", "DE")))
    whole = account_stem(account)
    month = tmp_path / "2026-10"
    made = [
        f"{de}/{de}.html", f"{fr}.html", f"packages/{whole}.zip", f"mail/{whole}.eml", f"summaries/{de}.txt",
        f"links/4f1c/{whole}.zip",
        "packages/petite.zip", "other_de.html",
    ]  # fmt: skip
    for name in made:
        (month / name).parent.mkdir(parents=True, exist_ok=True)
        (month / name).write_text("x")
    for stem, name, marketplace in ((de, account, "DE"), (fr, account, "FR"), (other, "other", "DE")):
        text = json.dumps({"account": name, "marketplace": marketplace, "as_of": "2026-10-20"})
        (month / f"{stem}.json").write_text(text)
    assert batch.find_pages([account], [tmp_path]) == sorted(month / name for name in made[:6])
