"""Running one node as a process."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence

import rclpy
import rclpy.utilities
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ROSInterruptException,
)
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from zeroproof_ros.errors import ZeroProofError


def run_node(create: Callable[[], Node], args: Sequence[str] | None = None) -> int:
    """Create a node, spin it until SIGINT or SIGTERM, and clean up.

    Returns:
        The exit code: 0 after a signal, 1 where the node could not be created.
    """
    rclpy.init(args=None if args is None else list(args))
    try:
        node = create()
    except (
        ZeroProofError,
        InvalidParameterTypeException,
        InvalidParameterValueException,
    ) as error:
        print(f"can not start: {error}", file=sys.stderr)
        rclpy.utilities.try_shutdown()
        return 1
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException, ROSInterruptException):
        pass
    finally:
        # an impatient second Ctrl-C must not interrupt the clean-up
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        executor.shutdown()
        node.destroy_node()
        rclpy.utilities.try_shutdown()
    return 0
