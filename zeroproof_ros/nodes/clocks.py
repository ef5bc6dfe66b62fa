"""The clocks of a node: what goes on while ROS time stands still, and what a jump of it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, JumpThreshold
from rclpy.clock_type import ClockType
from rclpy.duration import Duration
from rclpy.node import Node


def every(node: Node, period: float, callback: Callable[[], None]) -> None:
    """Call back every `period` [s] of steady time.

    A clock that waits for /clock, or stands still, must not silence the diagnostics.
    """
    node.create_timer(period, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))


def on_jump(node: Node, callback: Callable[[Any], None]) -> Any:
    """Call back when ROS time runs backwards or changes its source.

    Returns:
        What has to be kept for as long as the callback shall be called.
    """
    threshold = JumpThreshold(
        min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True
    )
    return node.get_clock().create_jump_callback(threshold, post_callback=callback)
