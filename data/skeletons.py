"""LSP14, MPII16, COCO17, CROWDPOSE14 and FLIC11: joint orders, mirror pairs, limbs, OKS sigmas, reference segments.

Joint orders and pairs are those of the data sets' own annotation files. `left` and `right` are the person's own
(person-centric) unless a data set says otherwise.
"""

from data.types import Skeleton


def mirror(joints: tuple[str, ...]) -> tuple[int, ...]:
    """Index of each joint's mirror image, read from the names: ``left_x`` and ``right_x`` swap."""
    swap = {"left": "right", "right": "left"}

    def other(name: str) -> str:
        side, _, part = name.partition("_")
        return f"{swap[side]}_{part}" if side in swap else name

    return tuple(joints.index(other(name)) for name in joints)


# COCO keypoint evaluation, pycocotools Params.setKpParams: one sigma a joint type.
OKS_SIGMA = {
    "nose": 0.026,
    "eye": 0.025,
    "ear": 0.035,
    "shoulder": 0.079,
    "elbow": 0.072,
    "wrist": 0.062,
    "hip": 0.107,
    "knee": 0.087,
    "ankle": 0.089,
}
TRUNK_SIGMA = OKS_SIGMA["shoulder"]  # default: COCO has no neck, head top, pelvis or thorax; CrowdPose uses 0.079 too


def oks_sigmas(joints: tuple[str, ...]) -> tuple[float, ...]:
    """COCO's sigma for each joint COCO has, `TRUNK_SIGMA` for the others."""
    return tuple(OKS_SIGMA.get(name.split("_")[-1], TRUNK_SIGMA) for name in joints)


_LSP_JOINTS = (
    "right_ankle",
    "right_knee",
    "right_hip",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_wrist",
    "right_elbow",
    "right_shoulder",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "neck",
    "head_top",
)
LSP14 = Skeleton(
    name="lsp14",  # Johnson & Everingham 2010, README of the data set
    joints=_LSP_JOINTS,
    flip=mirror(_LSP_JOINTS),
    limbs=((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (6, 7), (7, 8), (8, 12), (12, 9), (9, 10), (10, 11), (12, 13)),
    sigmas=oks_sigmas(_LSP_JOINTS),
    torso=(9, 2),  # left shoulder to right hip; the usual LSP evaluation code
    head=(12, 13),
    rows=(
        ("head", (12, 13)),  # LSP's Head row averages neck and head top
        ("shoulder", (8, 9)),
        ("elbow", (7, 10)),
        ("wrist", (6, 11)),
        ("hip", (2, 3)),
        ("knee", (1, 4)),
        ("ankle", (0, 5)),
    ),
    sticks=(
        ("torso", ((2, 3), (8, 9))),  # mid hips to mid shoulders
        ("upper leg", ((1,), (2,))),
        ("upper leg", ((3,), (4,))),
        ("lower leg", ((0,), (1,))),
        ("lower leg", ((4,), (5,))),
        ("upper arm", ((7,), (8,))),
        ("upper arm", ((9,), (10,))),
        ("forearm", ((6,), (7,))),
        ("forearm", ((10,), (11,))),
        ("head", ((12,), (13,))),
    ),
)

_MPII_JOINTS = (
    "right_ankle",
    "right_knee",
    "right_hip",
    "left_hip",
    "left_knee",
    "left_ankle",
    "pelvis",
    "thorax",
    "upper_neck",
    "head_top",
    "right_wrist",
    "right_elbow",
    "right_shoulder",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
)
MPII16 = Skeleton(
    name="mpii16",  # Andriluka et al. 2014, README of the annotation
    joints=_MPII_JOINTS,
    flip=mirror(_MPII_JOINTS),
    limbs=(
        *((0, 1), (1, 2), (2, 6), (6, 3), (3, 4), (4, 5), (6, 7), (7, 8), (8, 9)),
        *((10, 11), (11, 12), (12, 7), (7, 13), (13, 14), (14, 15)),
    ),
    sigmas=oks_sigmas(_MPII_JOINTS),
    torso=(13, 2),
    head=(8, 9),
    rows=(
        ("head", (9,)),  # head top alone, as the HRNet and SimpleBaseline code; the official row adds the neck
        ("shoulder", (12, 13)),
        ("elbow", (11, 14)),
        ("wrist", (10, 15)),
        ("hip", (2, 3)),
        ("knee", (1, 4)),
        ("ankle", (0, 5)),
    ),
    sticks=(
        ("torso", ((2, 3), (12, 13))),
        ("upper leg", ((1,), (2,))),
        ("upper leg", ((3,), (4,))),
        ("lower leg", ((0,), (1,))),
        ("lower leg", ((4,), (5,))),
        ("upper arm", ((11,), (12,))),
        ("upper arm", ((13,), (14,))),
        ("forearm", ((10,), (11,))),
        ("forearm", ((14,), (15,))),
        ("head", ((8,), (9,))),
    ),
    unscored=(6, 7),  # pelvis and thorax: no published MPII total counts them
)

_COCO_JOINTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
COCO17 = Skeleton(
    name="coco17",  # Lin et al. 2014, `keypoints` of the person category
    joints=_COCO_JOINTS,
    flip=mirror(_COCO_JOINTS),
    limbs=(
        *((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8)),
        *((7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
    ),
    sigmas=oks_sigmas(_COCO_JOINTS),
    torso=(5, 12),
    head=None,
    rows=(
        ("head", (0, 1, 2, 3, 4)),  # default: nose, eyes and ears as one row
        ("shoulder", (5, 6)),
        ("elbow", (7, 8)),
        ("wrist", (9, 10)),
        ("hip", (11, 12)),
        ("knee", (13, 14)),
        ("ankle", (15, 16)),
    ),
    sticks=(
        ("torso", ((11, 12), (5, 6))),
        ("upper leg", ((11,), (13,))),
        ("upper leg", ((12,), (14,))),
        ("lower leg", ((13,), (15,))),
        ("lower leg", ((14,), (16,))),
        ("upper arm", ((5,), (7,))),
        ("upper arm", ((6,), (8,))),
        ("forearm", ((7,), (9,))),
        ("forearm", ((8,), (10,))),
    ),
)

_CROWDPOSE_JOINTS = (
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
    "head_top",  # "head" in the file
    "neck",
)
CROWDPOSE14 = Skeleton(
    name="crowdpose14",  # Li et al. 2019, `keypoints` of the person category
    joints=_CROWDPOSE_JOINTS,
    flip=mirror(_CROWDPOSE_JOINTS),
    limbs=(
        *((10, 8), (8, 6), (11, 9), (9, 7), (6, 7), (0, 6), (1, 7)),
        *((0, 2), (2, 4), (1, 3), (3, 5), (13, 0), (13, 1), (12, 13)),
    ),
    sigmas=oks_sigmas(_CROWDPOSE_JOINTS),  # as crowdposetools: COCO's, and the shoulder's for head and neck
    torso=(0, 7),
    head=(13, 12),
    rows=(
        ("head", (12, 13)),
        ("shoulder", (0, 1)),
        ("elbow", (2, 3)),
        ("wrist", (4, 5)),
        ("hip", (6, 7)),
        ("knee", (8, 9)),
        ("ankle", (10, 11)),
    ),
    sticks=(
        ("torso", ((6, 7), (0, 1))),
        ("upper leg", ((6,), (8,))),
        ("upper leg", ((7,), (9,))),
        ("lower leg", ((8,), (10,))),
        ("lower leg", ((9,), (11,))),
        ("upper arm", ((0,), (2,))),
        ("upper arm", ((1,), (3,))),
        ("forearm", ((2,), (4,))),
        ("forearm", ((3,), (5,))),
        ("head", ((12,), (13,))),
    ),
)

_FLIC_JOINTS = (
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_eye",
    "right_eye",
    "nose",
)
FLIC11 = Skeleton(
    name="flic11",  # Sapp & Taskar 2013, the parts of `coords` that are labelled; order of the hourglass code
    joints=_FLIC_JOINTS,  # the sides are the observer's: `left` is to the right in the image
    flip=mirror(_FLIC_JOINTS),
    limbs=((0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (0, 6), (3, 7), (6, 7)),
    sigmas=oks_sigmas(_FLIC_JOINTS),
    torso=(0, 7),  # MODEC; the hourglass code takes the other diagonal, `hgt` in the metric ids
    head=None,
    rows=(
        ("head", (8, 9, 10)),  # default: eyes and nose as one row
        ("shoulder", (0, 3)),
        ("elbow", (1, 4)),
        ("wrist", (2, 5)),
        ("hip", (6, 7)),
    ),
    sticks=(
        ("torso", ((6, 7), (0, 3))),
        ("upper arm", ((0,), (1,))),
        ("upper arm", ((3,), (4,))),
        ("forearm", ((1,), (2,))),
        ("forearm", ((4,), (5,))),
    ),
)

SKELETONS = {skeleton.name: skeleton for skeleton in (LSP14, MPII16, COCO17, CROWDPOSE14, FLIC11)}
