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

INTERRUPTS = (ExternalShutdownException, ROSInterruptException)
# Wrong parameters; rclpy says RuntimeError of arguments and QoS overrides that it can not read.
START_ERRORS = (
    ZeroProofError,
    InvalidParameterTypeException,
    InvalidParameterValueException,
    RuntimeError,
)


def run_node(create: Callable[[], Node], args: Sequence[str] | None = None) -> int:
    """Create a node, spin it until SIGINT or SIGTERM, and clean up.

    Returns:
        The exit code: 0 after a signal, 1 where the node could not be created.
    """
    # rclpy ends the context on SIGINT as on SIGTERM. Python's own KeyboardInterrupt would come on
    # top, at any line: in a conversion of rclpy that hides what it was, or in the clean-up, since
    # Ctrl-C under `ros2 launch` sends SIGINT twice.
    signal.signal(signal.SIGINT, lambda *_: None)
    initialised = False
    try:
        rclpy.init(args=None if args is None else list(args))
        initialised = True
        node = create()
    except INTERRUPTS:
        return 0
    except START_ERRORS as error:
        if initialised and not rclpy.utilities.ok():
            return 0
        print(f"can not start: {error}", file=sys.stderr)
        rclpy.utilities.try_shutdown()
        return 1
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        executor.spin()
    except INTERRUPTS:
        pass
    except RuntimeError:
        # a signal may end the context while a callback publishes
        if rclpy.utilities.ok():
            raise
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.utilities.try_shutdown()
    return 0
