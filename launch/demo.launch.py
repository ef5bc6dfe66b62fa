"""A simulated arm that strict inference leads through both of its singularities."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

SHARE = Path(get_package_share_directory("zeroproof_ros"))
CONFIG = SHARE / "config"
# colcon build --symlink-install installs links, which no bundle may have: this is where they point.
BUNDLE = (CONFIG / "bundles" / "planar_2r" / "metadata.json").resolve().parent

ARGUMENTS = [
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the nodes."),
    DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, ..."),
]


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch zeroproof_ros demo.launch.py` starts."""
    strict_ik = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SHARE / "launch" / "strict_ik.launch.py")),
        launch_arguments={
            "namespace": LaunchConfiguration("namespace"),
            "log_level": LaunchConfiguration("log_level"),
            "params_file": str(CONFIG / "demo.yaml"),
            "monitor_params_file": str(CONFIG / "demo.yaml"),
            "bundle_dir": str(BUNDLE),
        }.items(),
    )
    simulator = Node(
        package="zeroproof_ros",
        executable="arm_simulator_node",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            str(CONFIG / "demo.yaml"),
            {"deployment_file": str(CONFIG / "robots" / "planar_2r.yaml")},
        ],
        remappings=[
            ("~/target", "strict_ik_node/target"),
            ("~/command", "strict_ik_node/command"),
        ],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
        output="screen",
    )
    return LaunchDescription([*ARGUMENTS, strict_ik, simulator])
