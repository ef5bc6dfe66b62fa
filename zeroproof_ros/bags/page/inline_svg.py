"""A drawing as part of an HTML page."""

from __future__ import annotations

from xml.etree import ElementTree as ET


def inline_svg(drawing: bytes, what: str) -> ET.Element:
    """An SVG of matplotlib as an element for a page, named by what it shows.

    Black becomes the colour of text on the page. What names or styles anything outside of the
    drawing is left out: the names of its parts, which another drawing has too, and its style sheet.
    """
    svg = ET.fromstring(drawing.decode().replace("#000000", "currentColor"))
    for node in svg.iter():
        node.tag = _local(node.tag)
        node.attrib = {_local(name): value for name, value in node.attrib.items()}
        if node.tag in {"g", "image"}:
            node.attrib.pop("id", None)
        for child in [child for child in node if _local(child.tag) in {"metadata", "style"}]:
            node.remove(child)
    for name in ("width", "height", "version"):
        del svg.attrib[name]
    svg.set("role", "img")
    svg.set("aria-label", what)
    return svg


def _local(name: str) -> str:
    """A name without its namespace, which HTML knows by itself."""
    return name.rpartition("}")[2]
