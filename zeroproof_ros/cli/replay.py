"""Play the targets of a recording to a running strict_ik_node, and count what comes back."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from zeroproof_ros.cli.terminal import show
from zeroproof_ros.errors import ConfigError
from zeroproof_ros.pipeline import Reason, Source

if TYPE_CHECKING:
    from zeroproof_ros.nodes.replay import Replay

# So many of the targets that nobody answered are told one by one; all are counted.
TARGETS_TOLD = 20
EXIT_CODES = (
    "Exit codes: 0 every target was answered; 2 the recording or the node is not fit for a replay, "
    "or the command line is wrong; 4 some targets were not answered, the recording is not whole, "
    "or the replay was ended."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.epilog = EXIT_CODES
    parser.add_argument("bag", type=Path, metavar="BAG", help="folder or file of rosbag2")
    parser.add_argument("--topic", metavar="NAME", help="the targets (default: the only `target`)")
    parser.add_argument(
        "--node",
        default="/strict_ik_node",
        metavar="NAME",
        help="who they are played to (default: /strict_ik_node); it has to run with use_sim_time, "
        "and moves whatever follows its commands",
    )
    parser.add_argument(
        "--rate",
        type=float,
        default=1.0,
        metavar="R",
        help="recorded seconds per second (default: 1); with 0 each target goes out when the one "
        "before was answered",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE.mcap", help="record what goes out and comes back"
    )


def run(options: argparse.Namespace) -> int:
    """Replay, and print the counts.

    Raises:
        ZeroProofError: the recording or the node is not fit for a replay.
    """
    if not 0 <= options.rate < math.inf:
        raise ConfigError(
            f"--rate is {options.rate:g}, expected 0 or a positive number", found=options.rate
        )
    if options.out is not None and options.out.resolve() == options.bag.resolve():
        raise ConfigError(f"--out {options.out} is the recording that is played")
    # neither rclpy nor rosbags is needed by the verbs of a robot
    from zeroproof_ros.bags import BagFile, Recording, target_topic
    from zeroproof_ros.nodes.replay import Replay

    with Recording(options.bag) as recording:
        topic = target_topic(recording, options.topic)
        with (
            nullcontext() if options.out is None else BagFile(options.out) as bag,
            Replay(recording, topic, node_name=options.node, rate=options.rate, bag=bag) as replay,
            _progress(recording.counts[topic]) as progress,
        ):
            replay.run(progress)
        problems = [*recording.problems, *filter(None, [replay.stopped])]
    show(_report(replay, f"{options.bag}, {topic}", options.out, problems), {"problems": "red"})
    whole = not (problems or replay.tally.refused or replay.tally.waiting)
    return 0 if whole else 4


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    """A bar where there is a terminal, which standard output may not be."""
    console = Console(stderr=True)
    with Progress(
        "replay",
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=total)
        yield lambda played: bar.update(task, completed=played)


def _report(
    replay: Replay, played: str, out: Path | None, problems: list[str]
) -> Mapping[str, Any]:
    tally = replay.tally
    refusals, unanswered = tally.refusals, tally.unanswered()
    return {
        "recording": played,
        "targets published": tally.published,
        "results": tally.results,
        "results not asked for": tally.unasked,
        "rows": tally.rows,
        "rows by source": {s.name.lower(): tally.by_source[s] for s in Source},
        "rows by reason": {r.name.lower(): tally.by_reason[r] for r in Reason},
        "commands": tally.commands,
        "targets refused": tally.refused.total(),
        "refused by kind": dict(tally.refused),
        **{f"  target {index}": why for index, why in refusals[:TARGETS_TOLD]},
        "targets unanswered": len(unanswered),
        **{f"  target {index}": what for index, what in unanswered[:TARGETS_TOLD]},
        "problems": problems,
        "written": None if out is None else str(out),
    }
