"""Strict inference on a robot: strict_ik_node and, if wanted, its monitor."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

SHARE = Path(get_package_share_directory("zeroproof_ros"))

ARGUMENTS = [
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the nodes."),
    DeclareLaunchArgument("use_sim_time", default_value="false", description="Use /clock."),
    DeclareLaunchArgument(
        "params_file",
        default_value=str(SHARE / "config" / "strict_ik.yaml"),
        description="YAML with the parameters of strict_ik_node.",
    ),
    DeclareLaunchArgument(
        "bundle_dir",
        default_value="",
        description="Folder of the bundle; empty: as params_file says.",
    ),
    DeclareLaunchArgument(
        "autostart", default_value="true", description="Configure and activate without being asked."
    ),
    DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, ..."),
    DeclareLaunchArgument("monitor", default_value="true", description="Start the monitor too."),
]


def strict_ik_node(context: LaunchContext) -> list[Node]:
    """The node; a bundle_dir that is given overrides the one in the file."""
    bundle_dir = LaunchConfiguration("bundle_dir").perform(context)
    overrides = {
        "use_sim_time": LaunchConfiguration("use_sim_time"),
        "autostart": LaunchConfiguration("autostart"),
    }
    if bundle_dir:
        overrides["bundle_dir"] = bundle_dir
    return [
        Node(
            package="zeroproof_ros",
            executable="strict_ik_node",
            namespace=LaunchConfiguration("namespace"),
            parameters=[LaunchConfiguration("params_file"), overrides],
            arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
            output="screen",
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch zeroproof_ros strict_ik.launch.py` starts."""
    monitor = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SHARE / "launch" / "monitor.launch.py")),
        launch_arguments={
            name: LaunchConfiguration(name) for name in ("namespace", "use_sim_time", "log_level")
        }.items(),
        condition=IfCondition(LaunchConfiguration("monitor")),
    )
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=strict_ik_node), monitor])
