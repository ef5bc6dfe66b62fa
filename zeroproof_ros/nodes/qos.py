"""The quality of service of all topics; every profile may be overridden by parameters."""

from __future__ import annotations

from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions


def reliable(depth: int) -> QoSProfile:
    """Reliable, volatile, the last `depth` messages."""
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=QoSReliabilityPolicy.RELIABLE,
    )


def latched() -> QoSProfile:
    """Reliable, and the last message is kept for those who come later."""
    profile = reliable(1)
    profile.durability = QoSDurabilityPolicy.TRANSIENT_LOCAL
    return profile


def output() -> QoSProfile:
    """Of everything a node publishes. A new one each time: rclpy writes overrides into it."""
    return reliable(10)


def overridable() -> QoSOverridingOptions:
    """Lets `qos_overrides` parameters change history, depth and reliability."""
    return QoSOverridingOptions.with_default_policies()
