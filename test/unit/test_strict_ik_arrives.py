"""An arm that follows its commands arrives, from anywhere, through either singularity."""

from __future__ import annotations

import numpy as np

from zeroproof_ros.bundle import Bundle
from zeroproof_ros.pipeline import Policy, StrictIK


def test_an_arm_that_fell_behind_catches_up_and_no_row_on_the_way_is_rejected(
    exact_model: Bundle,
) -> None:
    rng, n = np.random.default_rng(7), 600
    q = np.stack([rng.uniform(-1.2, 1.2, n), rng.uniform(-3.1, 3.1, n)], axis=1)
    q[:100, 1], q[100:200, 1] = 0.0, rng.choice([-np.pi, np.pi], 100)
    radius, angle = rng.uniform(0.2, 1.8, n), rng.uniform(-0.8, 0.8, n)
    radius[::10], radius[1::10] = 1.8, 0.2
    target = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)

    ik = StrictIK(exact_model, Policy(step_duration=0.1))
    arm = ik.deployment.arm
    for _ in range(80):
        table = ik.solve(np.concatenate([q, target - arm.forward(q)], axis=1))
        assert table.served.all()
        q = ik.commands(table)
    np.testing.assert_allclose(arm.forward(q), target, atol=1e-9)
