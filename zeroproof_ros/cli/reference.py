"""Train, calibrate, export and judge a model of a planar_2r arm."""

from __future__ import annotations

import argparse
from pathlib import Path

from zeroproof_ros.cli.share import share_folder

EXIT_CODES = (
    "Exit codes: 0 every gate of the report passed; 1 a gate failed; 2 something was refused, or "
    "the command line is wrong."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.epilog = EXIT_CODES
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    parser.add_argument(
        "--robot",
        type=Path,
        metavar="FILE",
        help="YAML with a deployment block (default: config/robots/planar_2r.yaml)",
    )
    parser.add_argument("--samples", type=int, default=100_000, metavar="N", help="training rows")
    parser.add_argument("--epochs", type=int, default=100, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu")


def run(options: argparse.Namespace) -> int:
    """Run the reference deployment and say what became of it."""
    # torch is not needed on a robot
    from zeroproof_ros.reference import (
        ReferenceRoboticsDeploymentConfig,
        run_reference_robotics_deployment,
    )

    artifacts = run_reference_robotics_deployment(
        ReferenceRoboticsDeploymentConfig(
            robot=options.robot or share_folder() / "config" / "robots" / "planar_2r.yaml",
            out_dir=options.out,
            n_samples=options.samples,
            epochs=options.epochs,
            seed=options.seed,
            device=options.device,
            progress=True,
        )
    )
    summary = artifacts.validation_summary
    for gate in summary["gates"]:
        verdict = "passed" if gate["passed"] else "FAILED"
        print(f"{verdict}  {gate['name']} {gate['found']}, expected {gate['expected']}")
    print(f"bundle: {artifacts.bundle_dir}")
    print(f"report: {artifacts.validation_report_path}")
    return 0 if summary["passed"] else 1
