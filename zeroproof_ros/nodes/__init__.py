"""The ROS nodes: thin, no maths."""
