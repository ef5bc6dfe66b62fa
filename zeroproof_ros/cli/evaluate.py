"""Answer recorded targets as the node would, measure and judge the answers, or compare them."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBars

from zeroproof_ros.cli.terminal import printable
from zeroproof_ros.errors import ConfigError
from zeroproof_ros.messages.serving import Serving
from zeroproof_ros.text import whole_number

# Called with messages read, messages there are, and rows answered.
Progress = Callable[[int, int, int], None]
BUNDLES = 2
MAX_WORKERS = 1024
FAILED, PARTIAL = 3, 4

EXIT_CODES = (
    "Exit codes: 0 all gates passed; 2 a recording, a bundle or a file was refused, or the command "
    "line is wrong; 3 a gate failed, or a row differs from what was recorded; 4 all gates passed, "
    "but a recording could not be read as a whole."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.epilog = EXIT_CODES
    parser.add_argument("bags", nargs="+", metavar="BAG", help="folder or file of rosbag2")
    parser.add_argument(
        "--bundle",
        action="append",
        required=True,
        metavar="DIR",
        help="folder of the bundle; give it twice to compare two",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the results")
    parser.add_argument("--topic", help="of the targets (default: the one that is called target)")
    parser.add_argument(
        "--params-file", type=Path, help="the parameters that strict_ik_node runs with"
    )
    parser.add_argument("--gates", type=Path, metavar="FILE", help="YAML with limits of figures")
    parser.add_argument(
        "--against",
        metavar="TOPIC",
        help="recorded results that must be found again, for example `result`",
    )
    parser.add_argument(
        "--tolerance",
        type=_tolerance,
        default=1e-6,
        help="of numbers that are compared, relative above 1 (default: %(default)s)",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=whole_number(1, MAX_WORKERS), default=1, help="processes (default: 1)"
    )
    where.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster")


def run(options: argparse.Namespace) -> int:
    """Evaluate, write the files, say the verdict.

    Raises:
        ZeroProofError: a recording, a bundle, a file or an option that is refused.
    """
    # rosbags is not needed by the other verbs
    from zeroproof_ros.bags import check_ahead, document, evaluate, load_ik, write_report
    from zeroproof_ros.bags.limits import DEFAULT_LIMITS, read_limits

    if len(options.bundle) > BUNDLES:
        raise ConfigError(f"{len(options.bundle)} bundles are given, expected one or two")
    serving = _serving(options.params_file)
    limits = DEFAULT_LIMITS if options.gates is None else read_limits(options.gates)
    iks = [load_ik(bundle, serving) for bundle in options.bundle]
    for ik in iks:
        check_ahead(options.bags, ik, limits, topic=options.topic, against=options.against)
    started, evaluations = time.monotonic(), []
    with _executor(options) as executor, _progress() as progress:
        for ik, folder in zip(iks, _folders(options), strict=True):
            told = progress(ik.bundle.id)
            evaluations.append(
                evaluate(
                    options.bags,
                    ik,
                    folder,
                    serving,
                    topic=options.topic,
                    executor=executor,
                    progress=told,
                )
            )
    seconds = time.monotonic() - started
    found = document(evaluations, limits, against=options.against, tolerance=options.tolerance)
    write_report(options.out, found, evaluations, seconds)
    _say(found, seconds, options.out)
    if not found["passed"]:
        return FAILED
    return 0 if found["complete"] else PARTIAL


def _folders(options: argparse.Namespace) -> list[Path]:
    """Where the rows of each bundle go."""
    if len(options.bundle) == 1:
        return [options.out]
    return [options.out / str(number) for number, _ in enumerate(options.bundle, start=1)]


def _serving(path: Path | None) -> Serving:
    if path is None:
        return Serving()
    # the parameters of a node are declared with rclpy
    from zeroproof_ros.nodes.parameter_file import read_parameter_file
    from zeroproof_ros.nodes.strict_ik_parameters import PARAMETERS, serving_of

    return serving_of(read_parameter_file(path, "strict_ik_node", PARAMETERS))


def _executor(options: argparse.Namespace) -> AbstractContextManager[Executor | None]:
    from zeroproof_ros.bags.workers import cluster, workers

    if options.scheduler is not None:
        return cluster(options.scheduler)
    return workers(options.workers)


@contextmanager
def _progress() -> Iterator[Callable[[str], Progress]]:
    """A bar per bundle with the rows per second; nothing where nobody looks."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: lambda *_: None
        return
    bars = ProgressBars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rows]} rows, {task.fields[speed]:.0f} rows/s"),
        TimeRemainingColumn(),
        console=console,
    )

    def add(name: str) -> Progress:
        bar = bars.add_task(printable(name), total=None, rows=0, speed=0.0)
        started = time.monotonic()

        def told(messages: int, total: int, rows: int) -> None:
            speed = rows / max(time.monotonic() - started, 1e-9)
            bars.update(bar, completed=messages, total=total, rows=rows, speed=speed)

        return told

    with bars:
        yield add


def _say(found: Mapping[str, Any], seconds: float, out: Path) -> None:
    for part in found["evaluations"]:
        figures = part["figures"]
        print(
            f"{printable(part['bundle']['id'])}: {figures['messages']} targets, "
            f"{figures['rows']} rows"
        )
        for bag in part["bags"]:
            for problem in bag["problems"]:
                print(f"PARTIAL {printable(bag['path'])}: {printable(problem)}")
            for refusal in bag["refusals"]:
                print(f"refused {printable(bag['path'])}, {printable(refusal)}")
        for name in ("coverage", "bottom_rate", "gap_rate", "fallback_rate", "reject_rate"):
            print(f"  {name:<17} {_number(figures[name])}")
        for gate in part["gates"]:
            verdict = "passed" if gate["passed"] else "FAILED"
            print(
                f"{verdict}  {gate['name']:<17} {_number(gate['found']):>10}  "
                f"expected {gate['expected']}"
            )
            if not gate["passed"]:
                print(f"        {printable(gate['why'])}")
    if found["disagreement"]:
        apart = found["disagreement"]
        print(f"the bundles end {apart['differing']} of {apart['rows']} rows otherwise")
    rows = sum(part["figures"]["rows"] for part in found["evaluations"])
    print(f"{rows} rows in {seconds:.1f} s, {rows / max(seconds, 1e-9):.0f} rows/s")
    verdict = "PASSED" if found["passed"] else "FAILED"
    print(f"{verdict}{'' if found['complete'] else ', of a partial recording'}")
    print(f"report: {printable(str(out / 'report.html'))}")


def _number(value: float | None) -> str:
    return "not told" if value is None else f"{value:g}"


def _tolerance(text: str) -> float:
    number = float(text)
    if not 0.0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a finite number from 0 on")
    return number
