"""The monitor of a strict_ik_node that runs elsewhere."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

SHARE = Path(get_package_share_directory("zeroproof_ros"))

ARGUMENTS = [
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the nodes."),
    DeclareLaunchArgument("use_sim_time", default_value="false", description="Use /clock."),
    DeclareLaunchArgument(
        "monitor_params_file",
        default_value=str(SHARE / "config" / "monitor.yaml"),
        description="YAML with the parameters of monitor_node.",
    ),
    DeclareLaunchArgument(
        "result_topic",
        default_value="strict_ik_node/result",
        description="The results to watch, relative to the namespace.",
    ),
    DeclareLaunchArgument(
        "info_topic",
        default_value="strict_ik_node/info",
        description="Where the node tells which bundle serves, relative to the namespace.",
    ),
    DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, ..."),
]


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch zeroproof_ros monitor.launch.py` starts."""
    monitor = Node(
        package="zeroproof_ros",
        executable="monitor_node",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            LaunchConfiguration("monitor_params_file"),
            {"use_sim_time": LaunchConfiguration("use_sim_time")},
        ],
        remappings=[
            ("~/result", LaunchConfiguration("result_topic")),
            ("~/info", LaunchConfiguration("info_topic")),
        ],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
        output="screen",
    )
    return LaunchDescription([*ARGUMENTS, monitor])
