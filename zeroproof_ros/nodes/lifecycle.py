"""A lifecycle node that outlives wrong transitions and its own failures."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn


class GuardedLifecycleNode(LifecycleNode):
    """Answers a transition that its state does not know with success=False.

    In rclpy of Jazzy such a request raises in the executor and ends the process.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        for service in self.services:
            if service.srv_type is ChangeState:
                service.callback = self._guard(service.callback)

    def _guard(self, change: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def guarded(request: Any, response: Any) -> Any:
            known = self._state_machine.available_transitions
            wanted = request.transition
            if not any(wanted.label == t[1] if wanted.label else wanted.id == t[0] for t in known):
                self.get_logger().warning(
                    f"transition {wanted.label or wanted.id} is unknown in state "
                    f"{self.state_label}; known: {', '.join(t[1] for t in known) or 'none'}"
                )
                response.success = False
                return response
            return change(request, response)

        return guarded

    @property
    def state_label(self) -> str:
        """The lifecycle state in lower case, for example "active"."""
        return str(self._state_machine.current_state[1])

    def attempt(self, what: str, action: Callable[[], None]) -> TransitionCallbackReturn:
        """Run the body of a transition; an exception is logged and makes the transition fail.

        Left to itself rclpy swallows the exception, and the operator never learns why.
        """
        try:
            action()
        except Exception as error:  # noqa: BLE001 -- the node has to live and say it
            self.get_logger().error(f"{what} failed: {error}")
            self.get_logger().debug(traceback.format_exc())
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS
