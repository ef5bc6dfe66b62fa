"""VALIDATION_REPORT.summary.svg: where in the workspace, and how near to a singularity."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.pipeline import Source
from zeroproof_ros.report.splits import SERVERS
from zeroproof_ros.report.validation import ValidationReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# [inch]; and cells of the heat maps along each axis.
SIZE = (15.0, 10.0)
CELLS = 40
# A share of fewer rows in a cell says nothing.
LEAST_ROWS = 3
# Smaller residuals are drawn here.
SMALLEST = 1e-12
# Distinct also for those who see no difference between red and green.
COLOURS = {"model": "#0072b2", "solver": "#e69f00", "nobody": "#b2182b"}
EMPTY = "0.88"


def picture(report: ValidationReport, image_format: str = "svg") -> bytes:
    """The picture of a report, as the same bytes for the same bundle.

    Args:
        report: of a bundle with an arm.
        image_format: svg or png.
    """
    import matplotlib as mpl

    with own_settings("zeroproof_ros"):
        mpl.rc("font", size=11.0)
        figure = _figure(report)
        buffer = io.BytesIO()
        metadata = {"Date": None} if image_format == "svg" else None
        figure.savefig(buffer, format=image_format, metadata=metadata)
    return buffer.getvalue()


@contextmanager
def own_settings(salt: str) -> Iterator[None]:
    """matplotlib as it comes, so that the same picture is the same bytes.

    Args:
        salt: of the ids in an SVG.
    """
    import matplotlib as mpl

    with mpl.rc_context():
        # Settings of the user would be in the bytes.
        mpl.rcdefaults()
        mpl.rc("svg", hashsalt=salt, fonttype="path")
        yield


def _figure(report: ValidationReport) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    verdict = "passed" if report.passed else "FAILED"
    figure.suptitle(
        f"Bundle {report.bundle.digest[:12]}: {verdict}, over "
        f"{len(report.splits[report.judged].rows)} rows. Maps show where the tool was; grey cells "
        f"have fewer than {LEAST_ROWS} rows."
    )
    axes = figure.subplots(2, 3)
    rows = report.splits[report.judged].rows
    maps = {
        "Bottom (no value):": rows["bottom"],
        "Gap (a risky value):": rows["gap"],
        "Fallback (by the solver):": rows["source"] == Source.ANALYTIC,
    }
    for panel, (title, marked) in zip(axes[0], maps.items(), strict=True):
        _heat_map(figure, panel, rows, marked.astype(bool), title)
    _served_by_determinant(axes[1, 0], report)
    _residuals(axes[1, 1], report)
    _calibration(axes[1, 2], report)
    return figure


def _heat_map(
    figure: Figure, axes: Axes, rows: NDArray[Any], marked: NDArray[np.bool_], title: str
) -> None:
    """Share of marked rows in each cell of the x-y plane of the tool."""
    x, y = (rows[axis].astype(np.float64) for axis in "xy")
    known = np.isfinite(x) & np.isfinite(y)
    reach = float(np.max(np.abs([x[known], y[known]]), initial=0.1))
    edges = np.linspace(-reach, reach, CELLS + 1)
    total, _, _ = np.histogram2d(y[known], x[known], (edges, edges))
    count, _, _ = np.histogram2d(y[known & marked], x[known & marked], (edges, edges))
    share = np.full_like(count, np.nan)
    np.divide(100.0 * count, total, out=share, where=total >= LEAST_ROWS)
    axes.set_facecolor(EMPTY)
    image = axes.imshow(
        share,
        origin="lower",
        extent=(-reach, reach, -reach, reach),
        cmap="magma_r",
        vmin=0.0,
        vmax=max(1.0, float(np.nanmax(share, initial=0.0))),
        interpolation="nearest",
    )
    axes.set(title=f"{title} {marked.mean():.1%}", xlabel="tool x [m]", ylabel="tool y [m]")
    figure.colorbar(image, ax=axes, label="rows in the cell [%]", fraction=0.046, pad=0.03)


def _served_by_determinant(axes: Axes, report: ValidationReport) -> None:
    strata = report.summary["strata"]
    filled = [stratum for stratum in strata if stratum["rows"]]
    place = np.arange(len(filled))
    solver = np.array([stratum["fallback_rate"] for stratum in filled])
    nobody = np.array([stratum["reject_rate"] for stratum in filled])
    left = np.zeros(len(filled))
    for name, share in (("model", 1.0 - solver - nobody), ("solver", solver), ("nobody", nobody)):
        axes.barh(place, 100.0 * share, left=left, color=COLOURS[name], label=name)
        left = left + 100.0 * share
    labels = [
        f"{s['from']:.3g} and more" if s["to"] is None else f"{s['from']:.3g} to {s['to']:.3g}"
        for s in filled
    ]
    labels = [f"{label}\n{s['rows']} rows" for label, s in zip(labels, filled, strict=True)]
    axes.set_yticks(place, labels, fontsize=9)
    axes.set(
        title="Who served, by distance to a singularity",
        xlabel="rows [%]",
        ylabel=f"|det J| [m$^{len(report.summary['robot']['joint_names'])}$]",
        xlim=(0.0, 100.0),
    )
    _legend(axes, 3)


def _legend(axes: Axes, columns: int) -> None:
    """Below the axes, where no curve runs under it."""
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.12),
        ncols=columns,
        frameon=False,
        fontsize=9,
        columnspacing=1.0,
    )


def _residuals(axes: Axes, report: ValidationReport) -> None:
    """Share of the rows with at least a residual, both on logarithmic scales."""
    rows = report.splits[report.judged].rows
    unit = report.summary["residuals"]["unit"]
    for name, source in SERVERS.items():
        residual = np.sort(rows["residual"][rows["source"] == source])
        if residual.size:
            share = 100.0 * (1.0 - np.arange(residual.size) / residual.size)
            axes.step(
                np.maximum(residual, SMALLEST),
                share,
                where="pre",
                color=COLOURS[name],
                label=f"{name} ({residual.size} rows)",
            )
    delta = unit == "1"
    policy = report.policy
    limits = {"tolerance": policy.position_tolerance}
    if delta:
        limits = {
            "tolerance, model": policy.residual_tolerance,
            "tolerance, solver": policy.motion_tolerance,
        }
    for style, (label, limit) in zip(("--", ":"), limits.items(), strict=False):
        axes.axvline(limit, linestyle=style, color="0.3", label=label)
    axes.set(
        title="Residuals of the rows that were served",
        xscale="log",
        yscale="log",
        xlabel="residual, relative to the wanted step" if delta else "residual [m]",
        ylabel="rows with this residual or more [%]",
    )
    axes.grid(color="0.92")
    _legend(axes, 2)


def _calibration(axes: Axes, report: ValidationReport) -> None:
    curves = report.summary["calibration"]
    axes.set_title("What another tau_infer would do")
    if curves is None:
        axes.text(
            0.5,
            0.5,
            report.summary["omitted"]["calibration"],
            ha="center",
            va="center",
            wrap=True,
            transform=axes.transAxes,
        )
        axes.set_axis_off()
        return
    told = (
        ("fn_in", "in range, but rejected", COLOURS["model"], "-"),
        ("fp_cens", "near singular, but accepted", COLOURS["nobody"], "--"),
        ("bottom_rate", "bottom, of all rows", "0.4", ":"),
    )
    for name, label, colour, style in told:
        share = [np.nan if value is None else 100.0 * value for value in curves[name]]
        axes.plot(curves["taus"], share, color=colour, linestyle=style, label=label)
    config = report.bundle.config
    axes.axvline(config.tau_infer, color="0.2", linewidth=1.0, label="tau_infer")
    if config.tau_train is not None:
        axes.axvline(
            config.tau_train, color="0.2", linewidth=1.0, linestyle="-.", label="tau_train"
        )
    axes.set(xscale="log", xlabel="threshold of |Q|, in the unit of Q", ylabel="rows [%]")
    axes.grid(color="0.92")
    _legend(axes, 2)
