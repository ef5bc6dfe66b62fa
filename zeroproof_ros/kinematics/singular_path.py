"""A closed path that passes the stretched and the folded pose of a planar arm."""

from __future__ import annotations

import numpy as np

from zeroproof_ros.kinematics.limits import FloatArray
from zeroproof_ros.kinematics.planar_2r import Planar2R

# How far the path swings to each side of the x axis [rad].
SWING = 0.8


def singular_path(arm: Planar2R, phase: FloatArray) -> FloatArray:
    """Tool positions (N, 2) [m] at phases (N,) [rad], 2 pi per lap.

    In polar coordinates, between the inner and the outer singular circle:

        r   = (r_outer + r_inner) / 2 + (r_outer - r_inner) / 2 cos(phase)
        phi = SWING sin(phase)

    The outer circle is touched at phase 0 (stretched) and the inner one at pi (folded), both
    tangentially: only that direction is left to the arm there.
    """
    middle = (arm.outer_radius + arm.inner_radius) / 2
    radius = middle + (arm.outer_radius - arm.inner_radius) / 2 * np.cos(phase)
    angle = SWING * np.sin(phase)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
