"""Text that others wrote, on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from zeroproof_ros.text import escaped

LABEL_WIDTH = 22


def printable(text: str) -> str:
    """`text` escaped, also where standard output has no such character."""
    encoding = sys.stdout.encoding or "utf-8"
    return escaped(text).encode(encoding, "backslashreplace").decode(encoding)


def show(report: Mapping[str, Any], styles: Mapping[str, str]) -> None:
    """Print a report: a line per entry, and for an entry that is a mapping a block of lines.

    A line is as long as it is, so that a digest can be copied and searched for.

    Args:
        report: what JSON can hold.
        styles: how entries look on a terminal, by key.
    """
    console = Console()
    for key, value in report.items():
        block = value if isinstance(value, Mapping) else {}
        style = styles.get(key, "") if value else ""
        console.print(_line(key, "" if block else _inline(value), "bold", style), soft_wrap=True)
        for name, each in block.items():
            console.print(_line(f"  {name}", _inline(each), "", style), soft_wrap=True)


def _line(label: str, value: str, label_style: str, style: str) -> Text:
    # A `Text`, unlike a `str`, is not read as markup.
    line = Text.assemble((f"{printable(label):<{LABEL_WIDTH}} ", label_style), (value, style))
    line.rstrip()
    return line


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
