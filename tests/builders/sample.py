"""The sample of the project: where it lies, its generator, and the day and month that most tests ask about."""

from __future__ import annotations

import importlib.util
import sys
from datetime import date
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "sample"
MONTH = "2026-10"
DAY = date(2026, 10, 31)
AMAZON_ACCOUNTS = (
    "applegate-plants", "birchway-crafts", "clearbrook-bath", "lantern-hill-lighting", "minato-bungu", "paper-moth",
    "thistle-and-wren", "werkstatt-lindenau",
)  # fmt: skip
OTHER_ACCOUNTS = (
    "casa-jacaranda", "cedar-and-copper", "moss-and-thimble", "northfield-paper", "saltbox-candles",
    "second-spin-audio",
)  # fmt: skip
AMAZON_FOLDERS = [SAMPLE / account for account in AMAZON_ACCOUNTS]
"""The accounts that most tests mean by the sample."""
OTHER_FOLDERS = [SAMPLE / account for account in OTHER_ACCOUNTS]


def load_make_sample() -> ModuleType:
    """The generator of the sample; the folder of its modules must be on `sys.path`."""
    name = "make_sample"
    spec = importlib.util.spec_from_file_location(name, SAMPLE.parent / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
