"""Check a bundle, say what is in it, or try it out."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zeroproof_ros.bundle import AUTO, Bundle, load_bundle_on
from zeroproof_ros.cli.bundle_facts import inspect, validate
from zeroproof_ros.cli.terminal import show
from zeroproof_ros.errors import ZeroProofError
from zeroproof_ros.runtimes.onnx import DEVICES
from zeroproof_ros.smoke import smoke
from zeroproof_ros.text import whole_number

Action = Callable[[Bundle, argparse.Namespace], Mapping[str, Any]]

ACTIONS: Mapping[str, tuple[str, Action]] = {
    "validate": (
        "Load a bundle by all rules and say which were checked.",
        lambda bundle, options: validate(bundle, pinned=options.expected_digest is not None),
    ),
    "inspect": (
        "Say what is in a bundle, who made it, and what runs it.",
        lambda bundle, options: inspect(bundle, device=options.device),
    ),
    "smoke": (
        "Run rows through a bundle and check that its answers keep the contract.",
        lambda bundle, options: smoke(bundle, rows=options.rows, seed=options.seed),
    ),
}
# Each is also answered alone, so more would take minutes.
MAX_ROWS = 100_000
EXIT_CODES = (
    "Exit codes: 0 nothing is wrong; 1 the smoke test ran and a check failed; 2 the bundle was "
    "refused, or the command line is wrong."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their options."""
    parser.epilog = EXIT_CODES
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, (description, _) in ACTIONS.items():
        action = actions.add_parser(
            name, help=description, description=description, epilog=EXIT_CODES
        )
        action.add_argument("folder", type=Path, metavar="DIR", help="folder of the bundle")
        action.add_argument(
            "--json", action="store_true", help="print one JSON object, also for a refusal"
        )
        action.add_argument(
            "--expected-digest", metavar="HEX", help="the only digest that is accepted"
        )
        action.add_argument(
            "--device",
            choices=(*DEVICES, AUTO),
            default=next(iter(DEVICES)),
            help="where the model runs, or it is refused; auto measures (default: %(default)s)",
        )
        if name == "smoke":
            action.add_argument(
                "--rows",
                type=whole_number(1, MAX_ROWS),
                default=1000,
                help="random rows (default: %(default)s)",
            )
            action.add_argument(
                "--seed",
                type=whole_number(0, 1 << 64),
                default=0,
                help="of the random rows (default: %(default)s)",
            )


def run(options: argparse.Namespace) -> int:
    """Print what an action found.

    Raises:
        ZeroProofError: the bundle is refused, and no JSON was asked for.
    """
    try:
        bundle = load_bundle_on(
            options.device, options.folder, rows=1, expected_digest=options.expected_digest
        )
    except ZeroProofError as error:
        if not options.json:
            raise
        refusal = {"ok": False, "error": type(error).__name__, "message": str(error)}
        print(json.dumps({**refusal, "path": str(error.path or options.folder)}))
        return 2
    report = ACTIONS[options.action][1](bundle, options)
    good = not report.get("failures")
    report = {"ok": good, **report}
    if options.json:
        print(json.dumps(report, allow_nan=False))
    else:
        show(report, {"failures": "red", "warnings": "yellow"})
    return 0 if good else 1
