"""Choose the thresholds of a projective bundle from rows it was not trained on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zeroproof_ros.bundle import Deployment, OutputKind, load_bundle, write_with_thresholds
from zeroproof_ros.calibration import (
    DET_RANGE,
    Calibration,
    Objective,
    calibrate,
    calibration_curves,
    default_det_bound,
    draw_calibration,
    write_tau_infer_sweep,
)
from zeroproof_ros.cli.row_file import read_rows
from zeroproof_ros.cli.terminal import printable, show
from zeroproof_ros.errors import CalibrationError, DeploymentError
from zeroproof_ros.pipeline import Policy, held_out

PICTURE = "tau_infer_sweep.png"
EXIT_CODES = (
    "Exit codes: 0 thresholds were chosen; 1 these rows can not calibrate this bundle; 2 the "
    "bundle or the file was refused, or the command line is wrong."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.epilog = EXIT_CODES
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FILE",
        help="rows the model was not trained on, drawn like those that will come: .npz with an "
        "array for each feature of the bundle by name, or .csv with their names in the first line",
    )
    parser.add_argument(
        "--det-bound",
        type=float,
        metavar="X",
        help="no row with |det J| < X may be accepted, in [m^n] for n joints (default: "
        f"1/{DET_RANGE} of the largest |det J| of the arm)",
    )
    for option, meaning in (
        ("margin", "of tau_infer over the largest |Q| of such a row, as a share of it"),
        ("residual-quantile", "share of rows of nearly the same |Q| that keep the tolerance"),
        ("min-coverage", "smallest share of rows, neither bottom nor gap, that is worth it"),
    ):
        default = getattr(Objective, option.replace("-", "_"))
        text = f"{meaning} (default: {default:g})"
        parser.add_argument(f"--{option}", type=float, metavar="X", default=default, help=text)
    parser.add_argument(
        "--residual-tolerance",
        type=float,
        metavar="X",
        help="largest residual above tau_train (default: that of the check of every answer)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for curves and picture")
    parser.add_argument(
        "--write", type=Path, metavar="DIR", help="write a new bundle with the thresholds there"
    )


def run(options: argparse.Namespace) -> int:
    """Print the choice, and write what was asked for.

    Raises:
        ZeroProofError: the bundle or the file is refused.
    """
    bundle = load_bundle(options.bundle)
    if bundle.deployment is None:
        raise DeploymentError(
            f"{bundle.path} has no deployment block, so neither its arm nor its columns are known",
            path=bundle.path,
        )
    objective = _objective(options, bundle.deployment)
    file = read_rows(options.data, bundle.deployment.features)
    try:
        data = held_out(bundle, file.rows)
        chosen = calibrate(data.q_abs, data.determinant, data.residual, objective)
    except CalibrationError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 1
    told = {
        "calibration": asdict(chosen),
        "bundle": {"id": bundle.id, "digest": bundle.digest},
        "data": {"file": options.data.name, "sha256": file.sha256},
    }
    if options.out is not None:
        curves = calibration_curves(data.q_abs, data.determinant, chosen)
        write_tau_infer_sweep(options.out, curves, provenance=told)
        draw_calibration(curves, chosen, options.out / PICTURE)
    if options.write is not None:
        write_with_thresholds(options.write, bundle, chosen.config, validation=told)
    show(_report(chosen, told, options), {})
    return 0


def _objective(options: argparse.Namespace, deployment: Deployment) -> Objective:
    """What is asked for; the tolerance is that of the check an answer has to pass."""
    policy = Policy()
    delta = deployment.output_kind is OutputKind.JOINT_DELTA
    tolerance = policy.residual_tolerance if delta else policy.position_tolerance
    given, bound = options.residual_tolerance, options.det_bound
    return Objective(
        det_bound=default_det_bound(deployment.arm) if bound is None else bound,
        residual_tolerance=tolerance if given is None else given,
        margin=options.margin,
        residual_quantile=options.residual_quantile,
        min_coverage=options.min_coverage,
    )


def _report(
    chosen: Calibration, told: Mapping[str, Any], options: argparse.Namespace
) -> Mapping[str, Any]:
    written = {} if options.write is None else {"bundle": load_bundle(options.write).id}
    return {
        **{name: told[name] for name in ("bundle", "data")},
        **told["calibration"],
        "near_rows_say": (
            f"none of {chosen.near_rows} near rows is accepted; one more would have a larger |Q| "
            f"than all of them with probability {chosen.next_near_row:.2g}, and with 95 % "
            f"confidence at most {chosen.near_share_95:.2g} of such rows do; the margin is on top"
        ),
        "curves": None if options.out is None else str(options.out),
        "written": written or None,
    }
