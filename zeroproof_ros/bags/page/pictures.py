"""The pictures of a page, as SVG that takes its colours of text from the page around it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bags.evaluation import Evaluation
from zeroproof_ros.bags.page.inline_svg import inline_svg
from zeroproof_ros.bags.page.timeline import Stretch
from zeroproof_ros.bundle import OutputKind
from zeroproof_ros.pipeline import Source
from zeroproof_ros.report.picture import COLOURS, SMALLEST, own_settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 9.0  # [inch]
# Cells of a map along each axis; and bins of a histogram.
CELLS = 80
BINS = 60
# As much of the time axis lies between two recordings, and so wide is one that gets ticks.
PAUSE = 0.02
LEAST_WITH_TICKS = 0.05
LINES = {
    "coverage": (COLOURS["model"], "-"),
    "bottom": ("#6a51a3", "-"),
    "gap": ("#009e73", "--"),
    "fallback": (COLOURS["solver"], "-."),
    "reject": (COLOURS["nobody"], ":"),
}
SOURCES = {"model": Source.MODEL, "solver": Source.ANALYTIC, "nobody": Source.NONE}
# Readable on white and on black.
MIDDLE = "#808080"


def rates_picture(
    stretches: Sequence[Stretch], lowest: float, highest: float, number: int
) -> ET.Element:
    """Rates over time, one recording after the other, with a blank between two.

    Args:
        stretches: the recordings.
        lowest: coverage that its axis has to reach.
        highest: rate other than coverage that their axis has to reach.
        number: of the picture among its like.
    """
    from matplotlib.figure import Figure

    with own_settings(f"rates {number}"):
        figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
        upper, lower = figure.subplots(2, sharex=True)
        total = sum(float(stretch.edges[-1]) for stretch in stretches)
        starts, ticks = [0.0], []
        for stretch in stretches:
            start, length = starts[-1], float(stretch.edges[-1])
            for axes in (upper, lower):
                axes.axvspan(start, start + length, color=MIDDLE, alpha=0.08, linewidth=0)
            if length > LEAST_WITH_TICKS * total:
                ticks += [(start + at, f"{at:g}") for at in _ticks(length, length / total)]
                upper.annotate(
                    f"{stretch.recording}", (start, 1.02), xycoords=("data", "axes fraction")
                )
            starts.append(start + length + PAUSE * total)
        edges = [start + each.edges for start, each in zip(starts, stretches, strict=False)]
        for name, (colour, style) in LINES.items():
            rates = [part for each in stretches for part in (each.rates[name], [np.nan])]
            (upper if name == "coverage" else lower).stairs(
                100.0 * np.concatenate(rates[:-1]),
                np.concatenate(edges),
                baseline=None,
                color=colour,
                linestyle=style,
                linewidth=1.5,
                label=name,
            )
        low, high = 100.0 * lowest, max(100.0 * highest, 1.0)
        for axes in (upper, lower):
            axes.margins(x=0.01)
        upper.set(ylabel="coverage [%]", ylim=(max(0.0, low - 3.0), 101.0))
        lower.set(
            ylabel="rows [%]",
            ylim=(-0.02 * high, 1.05 * high),
            xlabel="time since the first row of the recording [s]",
        )
        lower.set_xticks([at for at, _ in ticks], [label for _, label in ticks])
        handles = lower.get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=len(LINES), frameon=False)
        return _inline(figure, "Coverage, and the rates of bottom, gap, fallback and rejected rows")


def workspace_picture(evaluation: Evaluation, number: int) -> ET.Element:
    """Where the tool was, by who answered; the more rows a cell has, the stronger its colour."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

    rows, links = evaluation.rows, evaluation.ik.deployment.link_lengths
    x, y = (rows[axis].astype(np.float64) for axis in "xy")
    known = np.isfinite(x) & np.isfinite(y)
    reach = max(float(np.max(np.abs([x[known], y[known]]), initial=0.0)), sum(links))
    edges = np.linspace(-1.05 * reach, 1.05 * reach, CELLS + 1)
    with own_settings(f"workspace {number}"):
        figure = Figure(figsize=(WIDTH, 3.5), layout="constrained")
        panels = figure.subplots(1, len(SOURCES), sharey=True)
        for axes, (name, source) in zip(panels, SOURCES.items(), strict=True):
            which = known & (rows["source"] == source)
            count, _, _ = np.histogram2d(y[which], x[which], (edges, edges))
            axes.imshow(
                _shaded(count, COLOURS[name]),
                origin="lower",
                extent=(edges[0], edges[-1], edges[0], edges[-1]),
                interpolation="none",
            )
            axes.add_patch(Circle((0.0, 0.0), sum(links), fill=False, color=MIDDLE, ls="--"))
            axes.plot(0.0, 0.0, "s", color=MIDDLE, markersize=6)
            axes.annotate("base", (0.0, 0.0), xytext=(6, 6), textcoords="offset points")
            told = "row" if np.count_nonzero(which) == 1 else "rows"
            axes.set(title=f"{name}: {np.count_nonzero(which)} {told}", xlabel="x [m]")
        panels[0].set_ylabel("y [m]")
        return _inline(figure, "Maps of the tool's positions, one for each who answered")


def histograms_picture(evaluation: Evaluation, number: int) -> ET.Element:
    """Residuals of served rows with their tolerances, and |Q| with its thresholds."""
    from matplotlib.figure import Figure

    with own_settings(f"histograms {number}"):
        figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        _residuals(left, evaluation)
        _denominators(right, evaluation)
        for axes in (left, right):
            axes.set(xscale="log", yscale="log", ylabel="rows")
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2, frameon=False)
        return _inline(figure, "Histograms of the residuals of served rows, and of the size of Q")


def q_told(evaluation: Evaluation) -> NDArray[Any]:
    """|Q| of the rows that tell it."""
    q = evaluation.rows["q_abs"]
    return np.asarray(q[np.isfinite(q)])


def _residuals(axes: Axes, evaluation: Evaluation) -> None:
    policy, rows = evaluation.serving.policy, evaluation.rows
    delta = evaluation.ik.deployment.output_kind is OutputKind.JOINT_DELTA
    limits = dict.fromkeys(("model", "solver"), policy.position_tolerance)
    if delta:
        limits = {"model": policy.residual_tolerance, "solver": policy.motion_tolerance}
    for name, style in (("model", "--"), ("solver", ":")):
        served = rows["residual"][rows["source"] == SOURCES[name]]
        _histogram(axes, served, COLOURS[name], f"{name} ({len(served)} rows)")
        axes.axvline(
            limits[name], color=COLOURS[name], ls=style, label=f"tolerance {limits[name]:g}"
        )
    unit = "relative to the wanted step" if delta else "[m]"
    axes.set(title="Residual of served rows", xlabel=f"residual, {unit}")


def _denominators(axes: Axes, evaluation: Evaluation) -> None:
    config, q = evaluation.ik.bundle.config, q_told(evaluation)
    _histogram(axes, q, MIDDLE, f"{len(q)} rows")
    axes.axvline(config.tau_infer, color=COLOURS["nobody"], ls="--", label="tau_infer")
    if config.tau_train is not None:
        axes.axvline(config.tau_train, color=COLOURS["solver"], ls=":", label="tau_train")
    axes.set(title="|Q|", xlabel="|Q|, in the unit of Q")


def _histogram(axes: Axes, values: NDArray[Any], colour: str, label: str) -> None:
    """What is 0, or nearly, is drawn at `SMALLEST`."""
    if not len(values):
        return
    exponents = np.log10(np.maximum(values.astype(np.float64), SMALLEST))
    count, edges = np.histogram(exponents, BINS)
    axes.stairs(count, 10.0**edges, color=colour, fill=True, alpha=0.5, label=label)


def _shaded(count: NDArray[np.float64], colour: str) -> NDArray[np.float64]:
    """Cells as RGBA: nothing where there is no row, and one row can be seen."""
    from matplotlib.colors import to_rgba

    image = np.broadcast_to(to_rgba(colour), (*count.shape, 4)).copy()
    depth = np.log1p(count) / max(float(np.log1p(count.max(initial=0.0))), 1.0)
    image[..., 3] = np.where(count > 0.0, 0.3 + 0.7 * depth, 0.0)
    return image


def _ticks(length: float, share: float) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    steps = MaxNLocator(max(1, int(10 * share))).tick_values(0.0, length)
    # One at the very end would run into the next recording's first.
    return [float(at) for at in steps if 0.0 <= at < 0.97 * length]


def _inline(figure: Figure, what: str) -> ET.Element:
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none"}):  # text stays text
        figure.savefig(buffer, format="svg", transparent=True)
    return inline_svg(buffer.getvalue(), what)
