"""Elements of HTML. Text of others in them comes out as text, whatever it holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from zeroproof_ros.text import escaped

Content = ET.Element | str


def element(tag: str, *content: Content, **attributes: str) -> ET.Element:
    """An element with text and elements in it.

    Args:
        tag: its name.
        content: in order; text may be anybody's.
        attributes: by name, with `_` for `-` and at the end of Python's own words.
    """
    made = ET.Element(
        tag, {name.rstrip("_").replace("_", "-"): escaped(v) for name, v in attributes.items()}
    )
    for part in content:
        if isinstance(part, ET.Element):
            made.append(part)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + escaped(part)
        else:
            made.text = (made.text or "") + escaped(part)
    return made


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> ET.Element:
    """A table that scrolls by itself in a narrow window; the first cell names its row.

    Args:
        caption: what it shows.
        head: names of the columns.
        rows: cells: elements, text, numbers, or None for what is not known.
    """
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element("thead", element("tr", *(element("th", name, scope="col") for name in head))),
            element("tbody", *(_row(cells) for cells in rows)),
        ),
        class_="scroll",
        role="region",
        aria_label=caption,
        tabindex="0",
    )


def told(value: Any) -> str:
    """A value in a few characters; numbers with six digits, as reports have them."""
    if value is None:
        return "not told"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(told, value)) or "none"
    return str(value)


def _row(cells: Sequence[Any]) -> ET.Element:
    name, *values = cells
    return element("tr", element("th", *_content(name), scope="row"), *map(_cell, values))


def _cell(value: Any) -> ET.Element:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return element("td", *_content(value), **({"class_": "number"} if number else {}))


def _content(value: Any) -> Sequence[Content]:
    return [value] if isinstance(value, ET.Element) else [told(value)]
