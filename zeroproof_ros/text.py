"""Text that others wrote, made safe to show."""

from __future__ import annotations


def escaped(text: str) -> str:
    """`text` in one line that moves no cursor, with escapes for what is no visible character.

    Control characters could rewrite what a terminal shows already, and marks of direction could
    show a name backwards.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
