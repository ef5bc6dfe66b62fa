"""Write the exact model of a planar_2r arm as a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from zeroproof_ros.bundle import GraphKind, load_bundle
from zeroproof_ros.bundle.strict_yaml import read_yaml
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.errors import DeploymentError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument("--robot", type=Path, required=True, help="YAML with a deployment block")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle")
    parser.add_argument("--tau-infer", type=float, default=0.02, help="in the unit of det J [m^2]")
    parser.add_argument("--tau-train", type=float, default=0.05, help="in the unit of det J [m^2]")
    parser.add_argument("--kind", choices=("projective", "strict"), default="projective")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing folder")


def run(options: argparse.Namespace) -> int:
    """Write the bundle and say what it is."""
    # onnx is not needed on a robot
    from zeroproof_ros.training.exact_planar_2r import write_exact_bundle

    write_exact_bundle(
        options.out,
        read_yaml(options.robot, DeploymentError),
        InferenceConfig(options.tau_infer, options.tau_train),
        kind=GraphKind[options.kind.upper()],
        overwrite=options.overwrite,
    )
    print(f"{options.out}: {load_bundle(options.out).id}")
    return 0
