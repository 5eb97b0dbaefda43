"""What people at a terminal see besides the answer itself: progress, and tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import click
from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text


class _Rate(ProgressColumn):
    """How fast it goes: rich's own column shows that only where no total is known."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """`12 patients/s`, `1.2 MB/s`; empty before it can be told."""
        if task.speed is None:
            return Text("")
        rate = int(task.speed)
        return Text(f"{decimal(rate)}/s" if self._unit == "bytes" else f"{rate} {self._unit}/s")


def rows_shown(rows: Sequence[Mapping[str, str]], as_json: bool) -> None:
    """Print rows of one shape: JSON, a table, or tab-separated where that is no terminal."""
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    elif (console := Console()).is_terminal:
        table = Table(*(rows[0] if rows else ()), box=None, pad_edge=False)
        for row in rows:
            table.add_row(*row.values())
        console.print(table)
    else:
        for row in rows:
            click.echo("\t".join(row.values()))


def tally_shown(outcomes: Mapping[str, int], problems: Sequence[str], as_json: bool) -> None:
    """Print what became of a delivery; as text, problems go to standard error."""
    if as_json:
        told = {"outcomes": dict(sorted(outcomes.items())), "troubles": problems}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    for outcome, count in sorted(outcomes.items()):
        click.echo(f"{count:8d}  {outcome}")
    for line in problems:
        click.echo(line, err=True)


@contextmanager
def bar(what: str, unit: str, total: int | None = None) -> Iterator[Callable[[int, str], None]]:
    """A bar with rate and time left on standard error; nothing when that is no terminal.

    It counts `unit`s (`bytes` are shown in kB, MB …), and appears with the first progress told.
    """
    console = Console(stderr=True)
    shown = Progress(
        TextColumn(what),
        BarColumn(),
        TaskProgressColumn(),
        _Rate(unit),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    task = shown.add_task(what, total=total, note="")

    def moved(done: int, note: str = "") -> None:
        shown.start()
        shown.update(task, completed=done, note=note)

    try:
        yield moved
    finally:
        shown.stop()
