"""Arms and the analytic solutions of their inverse kinematics."""

from zeroproof_ros.kinematics.analytic import AnalyticSolver
from zeroproof_ros.kinematics.arm import Arm, nearest_branch
from zeroproof_ros.kinematics.damped import damped_least_squares
from zeroproof_ros.kinematics.limits import JointLimits
from zeroproof_ros.kinematics.planar_2r import Planar2R
from zeroproof_ros.kinematics.robots import make_arm

__all__ = [
    "AnalyticSolver",
    "Arm",
    "JointLimits",
    "Planar2R",
    "damped_least_squares",
    "make_arm",
    "nearest_branch",
]
