"""Live topics, recorded as the bytes that came."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription

if TYPE_CHECKING:
    from zeroproof_ros.bags import BagFile


class Recorder:
    """Subscribes to topics, writes each message to a bag as it came, and hands it on.

    Nothing is kept: the bag takes a message before the next one is read.

    Args:
        node: what subscribes.
        bag: where to, None for nowhere.
        time_of: when a message counts as recorded [ns], from when the middleware got it [ns on the
            system clock].
    """

    def __init__(self, node: Node, bag: BagFile | None, time_of: Callable[[int], int]) -> None:
        self._node, self._bag, self._time_of = node, bag, time_of

    def record(
        self, message: type, topic: str, profile: QoSProfile, then: Callable[[Any], None]
    ) -> Subscription:
        """Record a topic from now on; `then` is called with each message."""
        write = self._writer(message)

        def on_data(data: bytes, info: Mapping[str, int]) -> None:
            # a middleware that does not say when leaves 0
            write(subscription.topic_name, data, info["received_timestamp"] or time.time_ns())
            then(deserialize_message(data, message))

        subscription = self._node.create_subscription(
            message,
            topic,
            # rclpy calls it with the message info too; its annotation knows the other form only
            cast("Callable[[Any], None]", on_data),
            profile,
            raw=True,
        )
        return subscription

    def _writer(self, message: type) -> Callable[[str, bytes, int], None]:
        bag, time_of = self._bag, self._time_of
        if bag is None:
            return lambda *_: None
        # bags need a library that a robot does without
        from zeroproof_ros.bags.cdr import type_name

        name = type_name(message)
        return lambda topic, data, received: bag.write_data(topic, name, data, time_of(received))
