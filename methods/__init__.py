"""The methods, by the name used on the command line and in every table."""

from methods.base import PoseMethod
from methods.mean_pose import MeanPose
from methods.simplebaseline import SimpleBaseline

METHODS: dict[str, type[PoseMethod]] = {
    "mean_pose": MeanPose,
    "simplebaseline": SimpleBaseline,
}
