"""The wheel works where there is no checkout: built, installed into an empty environment, used from another folder.

No network: the build uses the setuptools of this environment, and the new environment reads the libraries of this one
through a `.pth` file. Python processes the `.pth` files of its own site-packages only, so the editable install here is
not seen there: `healthkit` can come from the wheel alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from healthkit.files import package_files
from tests.builders.sample import ROOT

SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "healthkit", *package_files.FILES)
SAMPLE = ROOT / "data" / "sample" / "lantern-hill-lighting"
Run = Callable[..., subprocess.CompletedProcess]


def run(*words: object, folder: Path, code: int = 0) -> subprocess.CompletedProcess:
    """Run a program in a folder without the variables that could lead it to the checkout."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    ran = subprocess.run(list(map(str, words)), cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == code, f"{words}\n{ran.stdout}\n{ran.stderr}"
    return ran


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy of the sources, so that nothing of the build is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source, target = ROOT / name, folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    words = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir")
    run(sys.executable, *words, folder, folder / "source", folder=folder)
    [made] = folder.glob("healthkit-*.whl")
    return made


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """The folder in which the installed commands run: no checkout is there or above."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def installed(wheel, work, tmp_path_factory) -> Run:
    """`python -m healthkit` of an environment that has the wheel."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "env", folder=folder)
    python = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    [site] = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=folder).stdout.split()
    words = ("-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    run(sys.executable, *words, folder=folder)
    libraries = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    Path(site, "libraries.pth").write_text("\n".join(libraries) + "\n", encoding="utf-8")
    where = run(python, "-c", "import healthkit; print(healthkit.__file__)", folder=folder).stdout.strip()
    assert Path(where).is_relative_to(site)
    return lambda *words, code=0: run(python, "-m", "healthkit", *words, folder=work, code=code)


@pytest.fixture(scope="module")
def imported(installed) -> str:
    """What the import of an account of the sample said; the store is that of the folder of work."""
    return installed("import", SAMPLE).stdout


def test_a_wheel_holds_the_shipped_files_as_they_are(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        held = {name: archive.read(f"healthkit/{package_files.COPY}/{name}") for name in package_files.FILES}
    assert held == {name: (ROOT / name).read_bytes() for name in package_files.FILES}
    assert {
        "healthkit/ingest/downloads.yaml",
        "healthkit/metrics/policies/amazon_us.yaml",
        "healthkit/py.typed",
    } <= set(names)


def test_every_notebook_of_the_checkout_is_shipped():
    notebooks = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "notebooks").rglob("*.ipynb")
        if ".ipynb_checkpoints" not in path.parts
    }
    assert notebooks == set(package_files.NOTEBOOKS)


def test_a_wheel_has_every_file_of_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    files = (path for path in (ROOT / "healthkit").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert {path.relative_to(ROOT).as_posix() for path in files} - names == set()


def test_an_installed_kit_reads_the_files_of_its_column_map(imported):
    assert "order_defects_list_2026-10-31.csv  list_order_defects: " in imported


def test_an_installed_kit_prints_a_report_that_opens(installed, imported, work):
    assert "1 report, 0 failed" in installed("report", "--month", "2026-10", "--out", "pages").stdout
    page = (work / "pages" / "2026-10" / "lantern-hill-lighting_us.html").read_text(encoding="utf-8")
    assert "<title>lantern-hill-lighting, Amazon US: account health on 2026-10-31</title>" in page
    assert (work / "pages" / "2026-10" / "vega.js").stat().st_size > 100_000


def test_an_installed_kit_shows_its_rules(installed):
    assert "Late Shipment Rate" in installed("rules", "--marketplace", "US", "--on", "2026-10-31").stdout


def test_doctor_of_an_installed_kit_names_shipped_files_that_are_missing(installed, imported):
    told = installed("doctor").stdout
    folder = Path(told.partition("Report template, column map and notebooks: ")[2].partition("\n")[0])
    assert folder.name == package_files.COPY
    map_file = folder / "data" / "column_map.yaml"
    map_file.rename(map_file.with_suffix(".away"))
    try:
        assert f"Missing files of healthkit: {map_file}." in installed("doctor", code=1).stdout
    finally:
        map_file.with_suffix(".away").rename(map_file)


def test_lab_of_an_installed_kit_hands_out_the_notebooks_and_overwrites_none(installed, work):
    folder = work / "healthkit-notebooks"
    folder.mkdir()
    (folder / "03_what_if.ipynb").write_text("my own", encoding="utf-8")
    told = installed("lab", "--version").stdout
    assert f"Notebooks: {folder}" in told
    assert "03_what_if.ipynb differs from the notebook of this version and stays." in told
    assert {path.relative_to(work).as_posix().replace("healthkit-", "") for path in folder.rglob("*.ipynb")} == set(
        package_files.NOTEBOOKS
    )
    assert (folder / "03_what_if.ipynb").read_text(encoding="utf-8") == "my own"
