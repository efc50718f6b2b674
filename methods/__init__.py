"""The methods, by the name used on the command line and in every table."""

from methods.adversarial_posenet import AdversarialPoseNet
from methods.alphapose import AlphaPose
from methods.base import PoseMethod
from methods.cpm import CPM
from methods.deepcut import DeepCut
from methods.deeppose import DeepPose
from methods.hourglass import Hourglass
from methods.hrnet import HRNet
from methods.ief import IEF
from methods.maskrcnn import MaskRCNN
from methods.mean_pose import MeanPose
from methods.openpose import OpenPose
from methods.simcc import SimCC
from methods.simplebaseline import SimpleBaseline
from methods.tompson import Tompson

METHODS: dict[str, type[PoseMethod]] = {
    "adversarial_posenet": AdversarialPoseNet,
    "alphapose": AlphaPose,
    "cpm": CPM,
    "deepcut": DeepCut,
    "deeppose": DeepPose,
    "hourglass": Hourglass,
    "hrnet": HRNet,
    "ief": IEF,
    "maskrcnn": MaskRCNN,
    "mean_pose": MeanPose,
    "openpose": OpenPose,
    "simcc": SimCC,
    "simplebaseline": SimpleBaseline,
    "tompson": Tompson,
}
