"""The curves of a calibration as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from zeroproof_ros.calibration.choice import Calibration
from zeroproof_ros.calibration.sweep import Curve

LINES = {
    "fp_cens": ("near rows accepted", "#d62728", "-"),
    "fn_in": ("other rows rejected", "#1f77b4", "--"),
    "bottom_rate": ("all rows that are bottom", "0.4", ":"),
}


def draw_calibration(curves: Mapping[str, Curve], calibration: Calibration, path: Path) -> None:
    """Write a PNG of the sweep with the chosen thresholds; the same curves give the same bytes.

    Args:
        curves: of `calibration_curves`.
        calibration: the choice.
        path: of the picture.
    """
    # not needed on a robot
    from matplotlib.figure import Figure

    bound = calibration.objective.det_bound
    figure = Figure(figsize=(7, 5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for name, (label, colour, dash) in LINES.items():
        # the share of no rows is no line
        shares = np.array(curves[name], dtype=np.float64)
        axes.plot(np.array(curves["taus"]), shares, dash, color=colour, label=label)
    axes.axvline(
        calibration.tau_infer,
        color="black",
        linewidth=1,
        label=f"tau_infer = {calibration.tau_infer:.4g}",
    )
    if calibration.tau_train > calibration.tau_infer:
        axes.axvspan(
            calibration.tau_infer,
            calibration.tau_train,
            color="#ff7f0e",
            alpha=0.25,
            linewidth=0,
            label=f"gap up to tau_train = {calibration.tau_train:.4g}",
        )
    axes.set(
        xscale="log",
        xlabel="threshold on |Q|, in the unit of Q",
        ylabel="share of the rows named",
        ylim=(-0.02, 1.02),
        title=f"{calibration.rows} rows, {calibration.near_rows} of them near: |det J| < {bound:g}"
        f"\ncoverage {calibration.coverage:.4f}, gap {calibration.gap_rate:.4f}, "
        f"bottom {calibration.bottom_rate:.4f}",
    )
    axes.grid(visible=True, color="0.92")
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    figure.savefig(path, metadata={"Software": None})
