"""What is true of a drawn person: landmarks, which of them are seen, box, area and head size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.synthetic.body import FRAME, Posed, Proportions
from data.synthetic.camera import Camera, extent
from data.synthetic.renderer import NOTHING, FaceBuffer
from data.synthetic.shape import PART, STATURE
from data.types import OCCLUDED, UNLABELLED, VISIBLE, FloatArray, Person, Skeleton

HEAD_FACTOR = 0.6  # of the head-box diagonal; MPII evaluation code, "SC_BIAS"
WINDOW = 2  # pixels round a joint in which its own body must be seen
MILLIMETRES = 1000.0
NOSE_TIP = (0.0, 0.267, 0.515)  # shares of the head's height, as drawn in `shape`
EYE = (0.131, 0.41, 0.369)
EYE_NORMAL = (0.41, 0.0, 0.91)
EAR = (0.356, 0.34, -0.04)
CROWN = (0.0, 0.912, -0.025)


@dataclass(frozen=True)
class Landmark:
    """One joint of the data sets on the drawn body."""

    name: str
    bone: str
    own: tuple[str, ...]  # the parts that show it
    reach: float  # metres from the skin to it, for a person of `STATURE`
    place: tuple[float, float, float] = (0.0, 0.0, 0.0)  # in the frame of the bone, shares of the head's height
    normal: tuple[float, float, float] | None = None  # of the skin, for what only shows from one side


def _sided(side: str) -> tuple[Landmark, ...]:
    sign = 1.0 if side == "left" else -1.0

    def named(*parts: str) -> tuple[str, ...]:
        return tuple(part if part in PART else f"{side}_{part}" for part in parts)

    eye, normal, ear = ((sign * x, y, z) for x, y, z in (EYE, EYE_NORMAL, EAR))
    return (
        Landmark(f"{side}_eye", "head", ("head",), 0.05, eye, normal),
        Landmark(f"{side}_ear", "head", named("head", "ear"), 0.04, ear),
        Landmark(f"{side}_shoulder", f"{side}_shoulder", named("torso", "upper_arm"), 0.12),
        Landmark(f"{side}_elbow", f"{side}_elbow", named("upper_arm", "forearm"), 0.09),
        Landmark(f"{side}_wrist", f"{side}_wrist", named("forearm", "hand"), 0.08),
        Landmark(f"{side}_hip", f"{side}_hip", named("torso", "thigh", "skirt"), 0.18),
        Landmark(f"{side}_knee", f"{side}_knee", named("thigh", "shank", "skirt"), 0.12),
        Landmark(f"{side}_ankle", f"{side}_ankle", named("shank", "foot"), 0.10),
    )


LANDMARKS = (
    *_sided("left"),
    *_sided("right"),
    Landmark("nose", "head", ("head",), 0.04, NOSE_TIP),
    Landmark("upper_neck", "head", ("neck", "head", "torso"), 0.12),
    Landmark("head_top", "head", ("head", "hair"), 0.10, CROWN),
    Landmark("thorax", "neck", ("torso", "neck"), 0.14),
    Landmark("pelvis", "pelvis", ("torso", "skirt", "left_thigh", "right_thigh"), 0.20),
)
_NUMBER = {landmark.name: i for i, landmark in enumerate(LANDMARKS)}
_NUMBER["neck"] = _NUMBER["upper_neck"]  # LSP's name for it
_BONES = np.array([FRAME[landmark.bone] for landmark in LANDMARKS])
_PLACES = np.array([landmark.place for landmark in LANDMARKS])
_REACH = np.array([landmark.reach for landmark in LANDMARKS]) / STATURE
_NORMALS = np.array([landmark.normal or (0.0, 0.0, 0.0) for landmark in LANDMARKS])
_OWN = np.array([[part in landmark.own for part in PART] for landmark in LANDMARKS])  # (N, parts)


@dataclass(frozen=True, eq=False)
class Truth:
    """One drawn person, free of any skeleton; N landmarks."""

    joints: FloatArray  # (N, 2) pixels
    seen: FloatArray  # (N, 3) metres, camera axes
    visible: NDArray[np.int64]  # (N,)
    box: FloatArray  # (4,) round all of the body, hidden parts too, clipped to the image
    head_box: FloatArray  # (4,) round the skull, not clipped
    area: float  # square pixels that are seen

    def person(self, skeleton: Skeleton) -> Person:
        """Say it in the joints of one data set.

        Raises:
            ValueError: if the skeleton has a joint that is not drawn.
        """
        missing = [name for name in skeleton.joints if name not in _NUMBER]
        if missing:
            raise ValueError(f"{skeleton.name}: drawn people have no {missing}; use lsp14, mpii16 or coco17")
        rows = [_NUMBER[name] for name in skeleton.joints]
        diagonal = float(np.hypot(*(self.head_box[2:] - self.head_box[:2])))
        return Person(
            joints=self.joints[rows],
            visible=self.visible[rows],
            box=self.box.copy(),
            area=self.area,
            head_size=HEAD_FACTOR * diagonal,
            joints3d=self.seen[rows] * MILLIMETRES,
        )


def landmarks(body: Proportions, posed: Posed) -> tuple[FloatArray, FloatArray]:
    """Return the (N, 3) landmarks in world metres and the normals (N, 3), zero where any side shows them."""
    turn = posed.rotation[_BONES]
    place = posed.origin[_BONES] + np.einsum("nij,nj->ni", turn, _PLACES * body.head)
    return place, np.einsum("nij,nj->ni", turn, _NORMALS)


def bounds(points: FloatArray) -> FloatArray:
    """Return (4,) the box round (N, 2) points."""
    return np.concatenate(extent(points))


def inside(joints: FloatArray, size: int) -> NDArray[np.bool_]:
    """Which (N, 2) points lie on a pixel of a square image."""
    return np.asarray(((joints >= -0.5) & (joints < size - 0.5)).all(-1))


def visibility(
    joints: FloatArray, seen: FloatArray, normals: FloatArray, buffer: FaceBuffer, person: int, stature: float
) -> NDArray[np.int64]:
    """Say what the depth order shows of one person.

    Args:
        joints: (N, 2) pixels.
        seen: (N, 3) metres, camera axes.
        normals: (N, 3) camera axes; zero where any side will do.
        buffer: what is seen at each pixel.
        person: whose landmarks these are.
        stature: metres; scales how deep under the skin a joint may lie.

    Returns:
        (N,) 0 outside the image; 2 where within `WINDOW` pixels an own part is seen, not much nearer than the joint;
        else 1.
    """
    size = buffer.face.shape[0]
    within = inside(joints, size)
    centre = np.rint(np.where(within[:, None], joints, 0.0)).astype(np.int64)
    step = np.arange(-WINDOW, WINDOW + 1)
    x, y = (np.clip(centre[:, k, None] + step, 0, size - 1) for k in (0, 1))
    face = buffer.face[y[:, :, None], x[:, None, :]].reshape(len(joints), -1)  # (N, 25)
    faces = buffer.faces
    own = np.take_along_axis(_OWN, faces.part[face], 1) & (face != NOTHING) & (faces.person[face] == person)
    near = seen[:, 2:] - faces.depth[face] < (_REACH * stature)[:, None]
    towards = (normals * seen).sum(-1) <= 0.0
    shown = (own & near).any(1) & towards
    return np.where(within, np.where(shown, VISIBLE, OCCLUDED), UNLABELLED).astype(np.int64)


def judge(
    body: Proportions,
    posed: Posed,
    outline: tuple[FloatArray, FloatArray],
    camera: Camera,
    buffer: FaceBuffer,
    person: int,
) -> Truth:
    """Everything that is true of one person in one picture; ``outline``: pixels of the body and of the skull."""
    size = buffer.face.shape[0]
    place, normals = landmarks(body, posed)
    seen = camera.see(place)
    joints = camera.project(seen)
    return Truth(
        joints=joints,
        seen=seen,
        visible=visibility(joints, seen, normals @ camera.rotation.T, buffer, person, body.height),
        box=np.clip(bounds(outline[0]), 0.0, size - 1.0),
        head_box=bounds(outline[1]),
        area=float(np.count_nonzero(buffer.people() == person)),
    )
