"""Watch a running strict_ik_node and its monitor."""

from __future__ import annotations

import argparse
import math
import signal
import threading
import time
from contextlib import closing
from functools import partial

from zeroproof_ros.cli.screen import Screen
from zeroproof_ros.cli.watch_view import watch_line, watch_screen

# How often what came is shown [s].
PERIOD = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument("--node", default="strict_ik_node", help="name of the node that serves")
    parser.add_argument("--monitor", default="monitor_node", help="name of its monitor")
    parser.add_argument("--namespace", default="", help="namespace of both (default: none)")
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="when to end (default: at Ctrl-C)"
    )


def run(options: argparse.Namespace) -> int:
    """Show what comes until it is enough or Ctrl-C; the exit code is 0.

    Raises:
        ConfigError: a name that no node can have.
    """
    # rclpy is not needed by the other verbs
    from zeroproof_ros.nodes.watch_observer import WatchObserver

    # As an exception it could come within rclpy, which hides what it was.
    interrupted = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: interrupted.set())
    try:
        with (
            closing(
                WatchObserver(
                    node=options.node, monitor=options.monitor, namespace=options.namespace
                )
            ) as seen,
            Screen() as screen,
        ):
            started = time.monotonic()
            while (elapsed := time.monotonic() - started) < options.seconds:
                if interrupted.is_set():
                    break
                seen.spin(min(PERIOD, options.seconds - elapsed))
                elapsed = time.monotonic() - started
                screen.show(
                    elapsed, partial(watch_screen, seen), partial(watch_line, seen, elapsed)
                )
    finally:
        signal.signal(signal.SIGINT, before)
    return 0
