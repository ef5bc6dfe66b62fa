"""Text that others wrote, on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

LABEL_WIDTH = 22


def printable(text: str) -> str:
    """`text` in one line that moves no cursor, with escapes for what is no visible character.

    Control characters could rewrite what the terminal shows already, and marks of direction could
    show a name backwards.
    """
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    encoding = sys.stdout.encoding or "utf-8"
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def show(headline: str, style: str, report: Mapping[str, Any]) -> None:
    """Print a report: one line per entry, and one block per entry that is a mapping.

    On a terminal the values are folded to its width. Elsewhere lines are as long as they are, so
    that a digest can be searched for.

    Args:
        headline: the first line.
        style: its style on a terminal.
        report: what `json` can write, nested.
    """
    console = Console(markup=False, emoji=False, highlight=False)
    console.print(Text(printable(headline), style), soft_wrap=not console.is_terminal)
    for label, value in _lines(report):
        if not console.is_terminal:
            console.print(f"{label:<{LABEL_WIDTH}} {value}".rstrip(), soft_wrap=True)
            continue
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=LABEL_WIDTH, overflow="fold", style="bold" * (label[:1] != " "))
        grid.add_column(overflow="fold")
        grid.add_row(label, value)
        console.print(grid)


def _lines(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in report.items():
        if value and isinstance(value, Mapping):
            yield printable(key), ""
            yield from (("  " + printable(name), _inline(each)) for name, each in value.items())
        else:
            yield printable(key), _inline(value)


def _inline(value: Any) -> str:
    if isinstance(value, str):
        return printable(value)
    if value is None or value in ({}, []):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{printable(key)} {_flat(each)}" for key, each in value.items())
    return _flat(value)


def _flat(value: Any) -> str:
    """A value inside a line, as JSON where it has parts of its own."""
    if isinstance(value, str):
        return printable(value)
    return printable(json.dumps(value, ensure_ascii=False))
