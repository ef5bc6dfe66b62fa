"""The page as a whole: its sections, its verdict, and what it may load, which is nothing."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Any
from xml.etree import ElementTree as ET

from zeroproof_ros.bags.evaluation import Evaluation
from zeroproof_ros.bags.page.figures import histograms, maps, over_time
from zeroproof_ros.bags.page.markup import element
from zeroproof_ros.bags.page.rejected import rejected_controls, rejected_json
from zeroproof_ros.bags.page.tables import (
    against_tables,
    bundles_table,
    disagreement_tables,
    figures_tables,
    gates_tables,
    names_of,
    recordings_tables,
    serving_table,
)

TITLE = "Evaluation of recordings"
STYLE_FILE, SCRIPT_FILE = "page.css", "page.js"

Section = tuple[str, list[ET.Element]]


def page(report: Mapping[str, Any], evaluations: Sequence[Evaluation]) -> str:
    """The page; the same for the same evaluations, but for how long they took.

    Args:
        report: what report.json holds.
        evaluations: the rows it is about, one per bundle.
    """
    style, script = (
        files(__package__).joinpath(name).read_text("utf-8") for name in (STYLE_FILE, SCRIPT_FILE)
    )
    sections = list(enumerate(_sections(report, evaluations)))
    links = [
        element("li", element("a", title, href=f"#section-{index}"))
        for index, (title, _) in sections
    ]
    html = element(
        "html",
        _head(style, script),
        element(
            "body",
            element(
                "header",
                element("h1", TITLE),
                *verdict(report),
                element("nav", element("ul", *links), aria_label="Sections"),
            ),
            element(
                "main",
                *(
                    element("section", element("h2", title), *content, id=f"section-{index}")
                    for index, (title, content) in sections
                ),
            ),
            element("footer", element("p", _took(report))),
            _raw("script", rejected_json(evaluations), type="application/json", id="rejected-rows"),
            _raw("script", script),
        ),
        lang="en",
    )
    return f"<!doctype html>\n{ET.tostring(html, encoding='unicode', method='html')}\n"


def verdict(report: Mapping[str, Any]) -> list[ET.Element]:
    """Passed or FAILED and why; and what is missing that the verdict could not look at."""
    parts = report["evaluations"]
    gates = [
        (name, gate)
        for name, part in zip(names_of(report), parts, strict=True)
        for gate in part["gates"]
    ]
    whose = len(parts) > 1
    failed = [
        f"{f'{name}: ' if whose else ''}gate {gate['name']}, expected {gate['expected']}: "
        f"{gate['why']}"
        for name, gate in gates
        if not gate["passed"]
    ]
    bags, figures = parts[0]["bags"], parts[0]["figures"]
    over = f"{figures['rows']} rows of {figures['messages']} targets in {_several(bags)}"
    passed = f"Passed: {len(gates)} of {len(gates)} gates, over {over}."
    text = f"FAILED: {'; '.join(failed)}. Over {over}." if failed else passed
    said = [element("p", text, class_=f"verdict {'failed' if failed else 'passed'}")]
    if not report["complete"]:
        text = "Partial: targets or recorded results may be missing; why is told below."
        said.append(element("p", text, class_="verdict partial"))
    for name, part in zip(names_of(report), parts, strict=True):
        refused, targets = (part["figures"][key] for key in ("messages_refused", "messages"))
        if refused:
            text = f"{name} refused {refused} of {targets} targets, which then have no rows."
            said.append(element("p", text, class_="verdict partial"))
    if not figures["rows"]:
        said.append(element("p", "There was no row to judge.", class_="verdict partial"))
    return said


def _sections(report: Mapping[str, Any], evaluations: Sequence[Evaluation]) -> Iterator[Section]:
    names = names_of(report)
    yield "Gates", list(gates_tables(report))
    yield "Who answered, and how", [_beside([bundles_table(report), serving_table(report)])]
    yield "Recordings", list(recordings_tables(report))
    yield "Figures", [_beside(reversed(list(figures_tables(report))))]
    drawn = {name: each for name, each in zip(names, evaluations, strict=True) if len(each.rows)}
    if drawn:
        yield "Rates over recorded time", [_beside(over_time(drawn))]
        yield "Where the tool was", [_beside(maps(drawn))]
        yield "Residuals and |Q|", [_beside(histograms(drawn))]
    if apart := report["disagreement"]:
        text = f"{apart['differing']} of {apart['rows']} rows that both answered end otherwise."
        content = [element("p", text), _beside(disagreement_tables(names, apart))]
        yield "Where the bundles end otherwise", content
    for name, part in zip(names, report["evaluations"], strict=True):
        if part["against"]:
            yield f"Against recorded results: {name}", [_beside(against_tables(part["against"]))]
    yield "Rejected rows", list(rejected_controls(evaluations))


def _beside(figures: Iterable[ET.Element]) -> ET.Element:
    return element("div", *figures, class_="beside")


def _head(style: str, script: str) -> ET.Element:
    digest = b64encode(sha256(script.encode()).digest()).decode()
    # Nothing is fetched, and no script runs but ours; drawings have styles of their own.
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    )
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href="data:,"),  # or a browser asks a server for one
        element("title", TITLE),
        _raw("style", style),
    )


def _raw(tag: str, text: str, **attributes: str) -> ET.Element:
    """An element whose text HTML takes as it is."""
    made = element(tag, **attributes)
    made.text = text
    return made


def _took(report: Mapping[str, Any]) -> str:
    run = report["run"]
    return (
        f"{report['schema_name']} {report['schema_version']}, from report.json and rows.npz beside "
        f"this page. It took {run['seconds']:.1f} s."
    )


def _several(bags: Sequence[object]) -> str:
    return "1 recording" if len(bags) == 1 else f"{len(bags)} recordings"
