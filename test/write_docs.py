"""Writes the generated parts of docs/, each between `<!-- its name -->` and `<!-- end -->`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def write(name: str, document: Path, text: str) -> None:
    """Replace the part of a document that has this name."""
    start, end = f"<!-- {name} -->\n", "<!-- end -->\n"
    old = document.read_text("utf-8")
    part = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if len(part.findall(old)) != 1:
        sys.exit(f"{document}: expected {start.strip()} ... {end.strip()} once")
    document.write_text(part.sub(lambda _: f"{start}{text}{end}", old), encoding="utf-8")


if __name__ == "__main__":
    matrix = ROOT / "build" / "interop" / "matrix.md"
    if not matrix.is_file():
        sys.exit(f"no {matrix}: run make unit with Python 3.11 first")
    write("interop matrix", ROOT / "docs" / "bundle.md", matrix.read_text("utf-8"))
