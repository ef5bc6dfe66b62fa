"""The command line: one verb per file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from zeroproof_ros.cli import (
    bundle,
    calibrate,
    demo,
    evaluate,
    export_exact,
    reference,
    replay,
    watch,
)
from zeroproof_ros.cli.terminal import printable
from zeroproof_ros.errors import ZeroProofError

NAME = __name__.partition(".")[0]
VERBS = {
    "bundle": bundle,
    "calibrate": calibrate,
    "demo": demo,
    "evaluate": evaluate,
    "export-exact": export_exact,
    "reference": reference,
    "replay": replay,
    "watch": watch,
}


def main(args: Sequence[str] | None = None) -> int:
    """Run a verb; the exit code is 2 where this package refuses what was asked."""
    parser = argparse.ArgumentParser(prog="python3 -m zeroproof_ros", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, module in VERBS.items():
        verb = verbs.add_parser(name, help=module.__doc__, description=module.__doc__)
        module.add_arguments(verb)
    options = parser.parse_args(args)
    try:
        return int(VERBS[options.verb].run(options))
    except ModuleNotFoundError as error:
        package = (error.name or NAME).partition(".")[0]
        if package == NAME:
            raise
        # rosbags, torch and others are not needed by every verb
        print(
            f"error: {options.verb} needs the Python package {package}, which is not installed",
            file=sys.stderr,
        )
        return 2
    except ZeroProofError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 2
