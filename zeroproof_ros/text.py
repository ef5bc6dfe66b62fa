"""Text that others wrote: made safe to show, and read as a number."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def escaped(text: str) -> str:
    """`text` in one line that moves no cursor, with escapes for what is no visible character.

    Control characters could rewrite what a terminal shows already, and marks of direction could
    show a name backwards.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """What reads an argument as a whole number, both bounds allowed."""

    # argparse calls it by its name: "invalid integer value"
    def integer(text: str) -> int:
        found = int(text)
        if not least <= found <= most:
            raise argparse.ArgumentTypeError(f"{found} is not within {least} to {most}")
        return found

    return integer
