"""`python3 -m zeroproof_ros.report bundle DIR`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from zeroproof_ros.bundle import load_bundle
from zeroproof_ros.errors import ZeroProofError
from zeroproof_ros.report.artifacts import FILES, write_report
from zeroproof_ros.report.validation import ROWS, ValidationReport, validation_report
from zeroproof_ros.text import escaped, whole_number

# A table of them has 100 MB.
MAX_ROWS = 1_000_000
EXIT_CODES = (
    "Exit codes: 0 all gates passed; 1 a gate failed, and the report says why; 2 the bundle was "
    "refused, the report can not be written, or the command line is wrong."
)


def main(args: Sequence[str] | None = None) -> int:
    """Write the report of a bundle and say the verdict."""
    options = _parser().parse_args(args)
    try:
        bundle = load_bundle(options.folder)
        report = validation_report(bundle, rows=options.rows, seed=options.seed)
        folder = write_report(report, options.out)
    except ZeroProofError as error:
        print(f"error: {escaped(str(error))}", file=sys.stderr)
        return 2
    _say(report)
    print(f"report: {escaped(str(folder / FILES['validation_report']))}")
    return 0 if report.passed else 1


def _say(report: ValidationReport) -> None:
    for gate in report.summary["gates"]:
        found = "not judged" if gate["found"] is None else f"{gate['found']:g}"
        verdict = "passed" if gate["passed"] else "FAILED"
        print(f"{verdict}  {gate['name']:<17} {found:>10}  expected {gate['expected']}")
        if not gate["passed"]:
            print(f"        {escaped(gate['why'])}")
    print("PASSED: all gates" if report.passed else "FAILED: this bundle is not fit to deploy")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m zeroproof_ros.report",
        description="Write the validation report of a bundle.",
        epilog=EXIT_CODES,
    )
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    about = "Measure a bundle on random rows and judge it by gates."
    kind = kinds.add_parser("bundle", help=about, description=about, epilog=EXIT_CODES)
    kind.add_argument("folder", type=Path, metavar="DIR", help="folder of the bundle")
    kind.add_argument("--out", type=Path, help="where the files go (default: beside the bundle)")
    kind.add_argument(
        "--rows",
        type=whole_number(1, MAX_ROWS),
        default=ROWS,
        help="random rows (default: %(default)s)",
    )
    kind.add_argument(
        "--seed",
        type=whole_number(0, 1 << 64),
        default=0,
        help="of the rows (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
