"""The packages, their dependencies and their libraries are those of ARCHITECTURE.md."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from healthkit.ingest.importer import import_files
from tests.builders.sample import ROOT
from tests.no_big_files import big_files

PACKAGE = ROOT / "healthkit"
PLAN = re.search(r"```packages\n(.*?)```", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"), re.S)
UNRESTRICTED = {"__init__", "__main__", "cli"}
"""They may import every package, through lazy loading."""


def plan() -> dict[str, tuple[set[str], set[str]]]:
    """Package -> (packages it may import, libraries that are its own), as ARCHITECTURE.md says."""
    assert PLAN
    packages = {}
    for line in PLAN.group(1).strip().splitlines():
        package, allowed, libraries = re.fullmatch(r"(\w+):\s*([^\[]*?)\s*(?:\[(.*)\])?", line).groups()
        packages[package] = (
            set(filter(None, re.split(r",\s*", allowed))),
            set(filter(None, re.split(r",\s*", libraries or ""))),
        )
    return packages


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Every module that a file imports, with what it takes from a package."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


FILES = sorted(path for path in PACKAGE.rglob("*.py"))


def test_every_package_is_in_the_plan_and_the_other_way_round():
    packages = {package_of(path) for path in FILES} - {"__init__", "__main__"}
    assert packages == set(plan())


@pytest.mark.parametrize(
    "path", [path for path in FILES if package_of(path) not in UNRESTRICTED], ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_a_package_imports_only_what_the_plan_allows(path):
    package = package_of(path)
    used = {name.split(".")[1] for name in imports(path) if name.startswith("healthkit.")} - {package}
    assert used - plan()[package][0] == set()


def test_dependencies_point_one_way():
    seen: set[str] = set()
    for package, (allowed, _) in plan().items():
        assert allowed <= seen, f"{package} imports a package below it in the list"
        seen.add(package)


def test_each_library_enters_only_the_packages_that_name_it():
    owners: dict[str, set[str]] = {}
    for package, (_, libraries) in plan().items():
        for library in libraries:
            owners.setdefault(library, set()).add(package)
    strays = [
        (str(path.relative_to(PACKAGE)), name)
        for path in FILES
        for name in imports(path)
        if package_of(path) not in owners.get(name.split(".")[0], {package_of(path)})
    ]
    assert strays == []


def test_no_import_hides_inside_a_function():
    hidden = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in FILES
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert hidden == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_first_line_says_what_a_module_is(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_no_room_is_a_drawer_for_odds_and_ends():
    drawers = {"utils", "helpers", "constants", "core", "base", "common", "misc"}
    assert not drawers & {path.stem for path in FILES}


def test_the_clock_is_read_nowhere():
    clocks = re.compile(r"\b(?:now|today|utcnow)\(\)")
    assert [path.name for path in FILES if clocks.search(path.read_text(encoding="utf-8"))] == []


def test_no_number_of_a_marketplace_stands_in_the_code():
    """Targets as decimals or fractions belong into policies/; 0.01 in charts and page are sizes, so not searched."""
    packages = ("metrics/definitions", "metrics/counts", "metrics/scores", "workspace", "report/model", "store")
    numbers = re.compile(r"Fraction\(\d|(?<![\w.])0\.0(?:1|2|25|4|5)\b|(?<![\w.])0\.9[057]\b")
    files = {package: [PACKAGE / f"{package}.py", *(PACKAGE / package).glob("*.py")] for package in packages}
    texts = {
        package: "".join(path.read_text(encoding="utf-8") for path in paths if path.exists())
        for package, paths in files.items()
    }
    assert all(texts.values()), "a module is not where this test looks for it"
    assert [package for package, text in texts.items() if numbers.search(text)] == []


def heavy_after(code: str) -> str:
    """The heavy libraries that a process has loaded once it ran this."""
    heavy = ("pandas", "altair", "duckdb", "deltalake", "pyarrow", "scipy")
    code = f"import sys; {code}; print(*[name for name in {heavy} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_the_kit_is_light():
    assert heavy_after("import healthkit") == ""


def test_the_commands_are_there_before_any_heavy_library_is_loaded():
    light = "from healthkit.cli import app; assert app.registered_commands; assert 'numpy' not in sys.modules"
    assert heavy_after(light) == ""


def test_the_grammar_of_iris_is_built_by_the_first_check_of_one():
    """JSON Schema's check of addresses costs a second of CPU to import; Altair and nbformat would pay it."""
    code = """
import sys
import healthkit, altair, nbformat
from jsonschema import FormatChecker
built = lambda: "rfc3987_syntax.syntax_helpers" in sys.modules
before, checker = built(), FormatChecker()
answers = [checker.conforms(text, "iri") for text in ("https://example.com/ü", "no address", "urn:x:y")]
import rfc3987_syntax
print(before, answers, built(), callable(rfc3987_syntax.parse))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False [True, False, True] True True"


def test_an_import_of_nothing_new_loads_no_library_for_rows(store, tmp_path):
    """Loading pandas takes as long as looking a thousand files up."""
    raw = tmp_path / "acme" / "list.csv"
    raw.parent.mkdir()
    raw.write_text("order-id,kind,known-on\n111-1111111-1111111,a_to_z_claim,2026-10-01\n")
    assert [one.refused for one in import_files([raw], store, marketplace="US")] == [None]
    again = (
        "from healthkit import store; from healthkit.ingest import importer; "
        f"[one] = importer.import_files([{str(raw)!r}], store.Store({str(store.folder)!r}), marketplace='US'); "
        "assert one.already_stored"
    )
    assert heavy_after(again) == "duckdb deltalake pyarrow"


def test_no_two_public_classes_share_a_name():
    places: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_no_test_module_is_imported_by_another():
    """What several need is in tests/builders or a fixture, so that each test module runs, moves and goes alone."""
    modules = sorted((ROOT / "tests").rglob("*.py"))
    names = {path.stem for path in modules if path.stem.startswith("test_")}
    importing = {path.name: {part for name in imports(path) for part in name.split(".")} for path in modules}
    assert {name: parts & names for name, parts in importing.items() if parts & names} == {}


def test_no_tracked_file_is_over_a_megabyte():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing is tracked")
    assert big_files(ROOT) == []
