"""The pictures of a page, with what they show in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from xml.etree import ElementTree as ET

import numpy as np

from zeroproof_ros.bags.evaluation import Evaluation
from zeroproof_ros.bags.page.markup import element
from zeroproof_ros.bags.page.pictures import (
    histograms_picture,
    q_told,
    rates_picture,
    workspace_picture,
)
from zeroproof_ros.bags.page.timeline import bin_width, stretches
from zeroproof_ros.messages.targets import NANOSECONDS
from zeroproof_ros.report.picture import SMALLEST


def over_time(evaluations: Mapping[str, Evaluation]) -> Iterator[ET.Element]:
    """Rates over recorded time, with the same axes for all."""
    width = bin_width(list(evaluations.values()))
    found = {name: stretches(each, width) for name, each in evaluations.items()}
    every = [one.rates for each in found.values() for one in each]
    lowest = min(float(np.nanmin(rates["coverage"])) for rates in every)
    highest = max(
        float(np.nanmax(rate)) for r in every for name, rate in r.items() if name != "coverage"
    )
    for number, (name, each) in enumerate(found.items()):
        yield _figure(
            rates_picture(each, lowest, highest, number),
            f"{name}. Of the rows in bins of {width / NANOSECONDS:g} s. Numbered recordings "
            "follow each other with a blank between them; where nothing was recorded there is no "
            "line.",
        )


def maps(evaluations: Mapping[str, Evaluation]) -> Iterator[ET.Element]:
    """Where the tool was by who answered."""
    for number, (name, evaluation) in enumerate(evaluations.items()):
        rows = evaluation.rows
        lost = int(np.count_nonzero(~(np.isfinite(rows["x"]) & np.isfinite(rows["y"]))))
        deployment = evaluation.ik.deployment
        yield _figure(
            workspace_picture(evaluation, number),
            f"{name}. Tool positions in {deployment.base_frame} [m] by who answered; nobody is "
            "rejected. The stronger its colour, the more rows a cell has. The circle is the reach "
            f"of the stretched arm. {lost} rows have no position.",
        )


def histograms(evaluations: Mapping[str, Evaluation]) -> Iterator[ET.Element]:
    """Residuals and |Q|, with what they are held against."""
    for number, (name, evaluation) in enumerate(evaluations.items()):
        config, q = evaluation.ik.bundle.config, q_told(evaluation)
        taus = [("tau_infer", config.tau_infer), ("tau_train", config.tau_train)]
        shares = [
            f"{100.0 * np.count_nonzero(q < tau) / len(q):.4g} % of the rows that tell |Q| are "
            f"below {threshold} {tau:g}"
            for threshold, tau in taus
            if tau is not None and len(q)
        ]
        told = "; ".join(shares) or "No row tells |Q|"
        yield _figure(
            histograms_picture(evaluation, number),
            f"{name}. {told}. What is below {SMALLEST:g} is drawn there.",
        )


def _figure(picture: ET.Element, caption: str) -> ET.Element:
    what = picture.attrib["aria-label"]
    scroll = element("div", picture, class_="scroll", role="region", aria_label=what, tabindex="0")
    return element("figure", scroll, element("figcaption", caption))
