"""Fail-closed deployment of learned inverse kinematics on ROS 2."""

__version__ = "0.1.0"
