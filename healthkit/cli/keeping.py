"""Is the store whole, and is the kit: store check, store repair, store compact, store versions, doctor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

import healthkit as hk
from healthkit.cli.asking import Data, Form, Format, app, columns, fail, out, sentences, show, told

store_app = typer.Typer(help="Look after the store: check, repair, compact, versions.", no_args_is_help=True)
app.add_typer(store_app, name="store")
LISTED = 20
"""So many raw files or damages are named; of more, their number."""


def _store(data: Path | None) -> hk.store.Store:
    return hk.store.Store(hk.desk.choose(data))


@store_app.command("check", epilog="Example: `python -m healthkit store check --data data/sample_store`")
def check(data: Data = None) -> None:
    """Read every data file and hold files, logs and imports against each other; exit code 1 where anything is wrong."""
    with sentences():
        store = _store(data)
        found = hk.store.check(store)
    for line in _found(store, found):
        out.print(line, soft_wrap=True)
    if not found.damages:
        out.print("Nothing is wrong.")
        return
    _name(f"{one.table}: {one.what}." for one in found.damages)
    if found.lost:
        files = hk.wording.things(len(found.lost), "raw file")
        out.print(f"The rows of {files} are lost in part or whole:", soft_wrap=True)
        _name(found.lost)
    fail(
        f"The store is damaged. Mend it with `python -m healthkit store repair --data {store.folder}`, "
        "which says which raw files to import again."
    )


def _found(store: hk.store.Store, found: hk.store.Checked) -> Iterator[str]:
    """What a check read, and what is no damage but worth knowing, in sentences."""
    things = hk.wording.things
    yield f"{store.folder}: {things(found.files, 'data file')}, {found.rows:,} rows read."
    if found.unread:
        yield (
            f"{found.unread:,} rows are of imports that were cut short, or of raw files that a repair forgot, and are "
            "never read; `store compact` removes those older than a day."
        )
    if found.unstated:
        yield (
            f"{things(found.unstated, 'raw file')} came from an older healthkit, which did not say how many rows they "
            "hold: whether all are there cannot be told. Import them into a new store to know."
        )
    if found.spare:
        files = things(found.spare, "file")
        yield f"{files} belong to no table; `store compact` removes those older than a day."


@store_app.command("repair", epilog="Example: `python -m healthkit store repair --data data/sample_store`")
def repair(data: Data = None) -> None:
    """Make a damaged store readable: what is broken is moved aside, and raw files that lost rows are forgotten."""
    with sentences():
        store = _store(data)
        lost, unnamed = hk.store.repair(store)
    if lost:
        others = "" if unnamed else "; all others are as they were"
        out.print(f"Import {hk.wording.things(len(lost), 'raw file')} again{others}:", soft_wrap=True)
        _name(lost)
    if unnamed:
        out.print(
            "The list of raw files was damaged, and some may be known by name no more. Import all that you have: those "
            "that the store holds add nothing.",
            soft_wrap=True,
        )
    elif not lost:
        out.print("No raw file lost a row: there is nothing to import again.")


@store_app.command("compact", epilog="Example: `python -m healthkit store compact --data data/sample_store`")
def compact(data: Data = None) -> None:
    """Join many small data files into few and remove those that no version needs; no figure changes."""
    with sentences():
        made = hk.store.compact(_store(data))
    out.print(
        f"{hk.wording.things(made.before, 'data file')} before, {made.after:,} now; {made.removed:,} removed "
        f"(those that nobody needed for {hk.store.upkeep.SAFE_HOURS} hours).",
        soft_wrap=True,
    )


@store_app.command("versions", epilog="Example: `python -m healthkit store versions --data data/sample_store`")
def versions(form: Form = Format.table, data: Data = None) -> None:
    """List the states of the store, the newest first: `scores --version N` and `report --version N` read one again."""
    with sentences():
        made = hk.store.versions(_store(data))
    if form is Format.json:
        told([one._asdict() for one in made])
        return
    if form is Format.csv:
        out.print("number,at,added,what")
        for one in made:
            out.print(f"{one.number},{one.at:%Y-%m-%dT%H:%M:%SZ},{one.added},{one.what}")
        return
    table = columns({"version": "right", "at (UTC)": "left", "raw files": "right", "what": "left"})
    for one in made:
        table.add_row(str(one.number), f"{one.at:%Y-%m-%d %H:%M}", f"{one.added:,}", one.what)
    show(table)


def _name(lines: Iterable[str]) -> None:
    """Name the first of many lines, and say how many more there are."""
    held = list(lines)
    for line in held[:LISTED]:
        out.print(f"  {line}", soft_wrap=True, markup=False)
    if len(held) > LISTED:
        out.print(f"  and {len(held) - LISTED:,} more")


@app.command("doctor", epilog="Example: `python -m healthkit doctor --data data/sample_store`")
def doctor(
    data: Data = None,
    whole: Annotated[bool, typer.Option("--check", help="Also read the whole store, as `store check` does.")] = False,
    account: Annotated[
        list[str] | None,
        typer.Option("--account", help="Say which files an account lacks; may be given several times."),
    ] = None,
) -> None:
    """Say which versions run here, what the store holds, what is missing, and what to do about it.

    With --account: which measures of that account cannot be judged or are estimates, and which file would tell, where
    to get it and for how many days.
    """
    with sentences():
        folder = hk.desk.choose(data)
        lines = [] if account else hk.doctor.examine(folder, whole)
        if account:
            book = hk.desk.Desk(folder)
            lines = [line for name in account for line in hk.doctor.account(book, name)]
    for line in lines:
        out.print(f"{line.symbol} {line.text}", soft_wrap=True, markup=False)
        if line.cure:
            out.print(f"    {line.cure}", soft_wrap=True, markup=False)
    if not account and any(line.symbol == hk.doctor.WRONG for line in lines):
        raise typer.Exit(1)
