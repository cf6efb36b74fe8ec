"""Raw reports into the store: import."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

import healthkit as hk
from healthkit.cli.asking import Data, app, err, fail, out, sentences


@app.command("import", epilog="Example: `python -m healthkit import data/sample --data data/sample_store`")
def import_(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders with the marketplace's raw reports.")],
    account: Annotated[str | None, typer.Option(help="The account. Default: the name of the file's folder.")] = None,
    marketplace: Annotated[
        str | None, typer.Option(help="The marketplace, such as US or DE, where a file does not say.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="So many processes read many small files. Default: one for each core.")
    ] = None,
    data: Data = None,
) -> None:
    """Take raw reports into the store. The kind of a file is known by its header; the same file twice adds nothing."""
    folder = data or hk.desk.DATA
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TransferSpeedColumn(),
        TimeRemainingColumn(), console=err, transient=True, disable=not err.is_terminal,
    )  # fmt: skip
    task = bar.add_task("Reading")

    def begun(sources: list[Any]) -> None:
        bar.update(task, total=sum(source.size for source in sources) or 1)

    within = 0

    def moved(size: int) -> None:
        nonlocal within
        within += size
        bar.advance(task, size)

    def done(source: Any) -> None:
        nonlocal within
        # What was told of a large file on the way is done already.
        bar.update(task, advance=source.size - within, description=f"Read {escape(source.name)}")
        within = 0

    with sentences(), bar:
        store, many = hk.store.Store(folder), jobs or os.cpu_count() or 1
        outcomes = list(hk.intake.take_in(paths, store, account, marketplace, begun, done, moved, many))
    _print_outcomes(outcomes, folder)
    if not outcomes:
        fail(f"No file to import was found in {', '.join(map(str, paths))}.")
    if any(outcome.refused for outcome in outcomes):
        raise typer.Exit(1)


def _print_outcomes(outcomes: list[Any], folder: Path) -> None:
    """What was taken, skipped and refused, each with its reason."""
    taken = [outcome.taken for outcome in outcomes if outcome.taken]
    for one in taken:
        rows = {name: table.num_rows for name, table in one.tables.items() if table.num_rows}
        held = ", ".join(f"{count:,} {name}" for name, count in rows.items()) or "no rows"
        out.print(f"[bold]{escape(one.name)}[/]  {one.kind}: {held}", soft_wrap=True)
        for reason, count in one.skipped.items():
            out.print(f"    skipped {count:,}: {reason}", soft_wrap=True, markup=False)
        for note in one.notes:
            out.print(f"    note: {note}", soft_wrap=True, markup=False)
    again = [outcome for outcome in outcomes if outcome.held_already]
    for outcome in again if len(again) <= 5 else ():
        out.print(f"{outcome.name}  already in the store, nothing added", soft_wrap=True, markup=False)
    for outcome in outcomes:
        if outcome.refused:
            err.print(f"refused  {outcome.refused}", soft_wrap=True, markup=False, style="red")
    refused = sum(outcome.refused is not None for outcome in outcomes)
    files = hk.wording.things(len(taken), "file")
    out.print(f"{files} taken into {folder}, {len(again):,} already there, {refused:,} refused.", soft_wrap=True)
