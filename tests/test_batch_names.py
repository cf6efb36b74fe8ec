"""Names of pages: no two accounts share a file, on any file system."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthkit.batch import manifest, output_files
from healthkit.schema.marketplaces import MARKETPLACES

WORDS = st.sampled_from(
    ["acme", "Acme", "ACME", "acme_walmart", "con", "nul.shop", "com1", "aux", "shop", "café", "cafe\u0301", "ß", "SS"]
) | st.sampled_from(
    ["", ".", "..", "-", "_", "a b", "a-b", "a/b", "a\\b", "us", "walmart", "manifest", "x.manifest", "orders", "\n"]
)
ACCOUNTS = st.one_of(
    st.lists(WORDS, min_size=1, max_size=3).map("_".join),
    st.text(max_size=12),
    st.text("abcdef0123456789_.", max_size=40),
    st.text("ab", min_size=110, max_size=300),
    st.characters(categories=["Cs"]),
)
CODES = st.one_of(
    st.sampled_from([*MARKETPLACES, "us", "Us", "ORDERS", "US.MANIFEST"]), st.from_regex("[A-Z][A-Z0-9_]{0,9}")
)
PAIRS = st.tuples(ACCOUNTS, CODES)
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.I)


def names(stem: str) -> set[str]:
    """All that is written for a page, as a file system that ignores case sees it."""
    return {f"{stem}{ending}".casefold() for ending in (*manifest.PAGE_SUFFIXES, manifest.MANIFEST_SUFFIX)} | {
        stem.casefold()
    }


@settings(max_examples=600, deadline=None)
@given(st.lists(PAIRS, min_size=2, max_size=12, unique=True))
def test_no_two_accounts_share_a_file(pairs):
    stems = [output_files.page_stem(*pair) for pair in pairs]
    written = [name for stem in stems for name in names(stem)]
    assert len(set(written)) == len(written)


@settings(max_examples=600, deadline=None)
@given(PAIRS)
def test_a_name_is_safe_on_every_file_system(pair):
    stem = output_files.page_stem(*pair)
    assert re.fullmatch(r"[a-z0-9_][a-z0-9._-]*", stem)
    assert not DEVICES.fullmatch(stem.partition(".")[0])
    assert not stem.endswith(".")
    assert len(f"{stem}.failed.ipynb.bak-12") <= 143
    assert not {"index", "vega"} & {stem}


def test_the_accounts_that_shared_a_page_have_one_each():
    assert output_files.page_stem("acme", "WALMART_US") == "acme_walmart_us"
    assert output_files.page_stem("acme_walmart", "US") != "acme_walmart_us"
    assert output_files.page_stem("a_b", "C D") != output_files.page_stem("a", "B_C D")


@pytest.mark.parametrize(
    ("account", "code", "stem"),
    [
        ("harbor", "US", "harbor_us"),
        ("my_shop", "DE", "my_shop_de"),
        ("my_shop", "WALMART_CA", "my_shop_walmart_ca"),
        ("lantern-hill-lighting", "MERCADO_LIBRE", "lantern-hill-lighting_mercado_libre"),
        ("3c.shop", "OLIST", "3c.shop_olist"),
    ],
)
def test_an_ordinary_name_is_used_as_it_is(account, code, stem):
    assert output_files.page_stem(account, code) == stem


def test_an_account_named_like_a_digest_of_another_gets_its_own():
    taken = output_files.page_stem("Acme", "US")
    account = taken.removesuffix("_us")
    assert output_files.page_stem(account, "US") != taken
