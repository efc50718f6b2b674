"""Tracking of poses: SimpleBaseline's second half (Xiao, Wu, Wei, ECCV 2018, arXiv:1804.06208, section 3).

Boxes come from a detector and, carried by optical flow, from the frame before; each gets a pose from any trained
top-down method; poses get identities by greedy matching. PoseTrack 2017 test, ResNet-152: mAP 74.6, MOTA 57.8.
The paper's flow is FlowNet2S, whose weights are not at hand: OpenCV's DIS (Kroeger et al., ECCV 2016) stands in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from data.types import DataError, FloatArray, PoseBatch, UInt8Array, invert_affine
from data.views import Look, PersonCrop
from methods.base import PoseMethod

Similarity = Literal["bbox", "pose", "flow", "multi-flow"]
SIMILARITIES: tuple[Similarity, ...] = ("bbox", "pose", "flow", "multi-flow")  # the paper's names for what it compares
Flow = NDArray[np.float32]  # (H, W, 2) pixels: where each pixel of one frame is in the next, relative to itself
FlowBetween = Callable[[UInt8Array, UInt8Array], Flow]
Estimate = Callable[[UInt8Array, FloatArray], tuple[FloatArray, FloatArray]]
# A picture (H, W, 3) and boxes (N, 4) -> joints (N, K, 2) in pixels of the picture and their scores (N, K)


@dataclass(frozen=True, eq=False)
class Tracked:
    """One person in one frame."""

    track: int  # identity
    joints: FloatArray  # (K, 2) pixels
    seen: NDArray[np.bool_]  # (K,) which joints are believed; the others do not count
    box: FloatArray  # (4,) x0, y0, x1, y1: where the pose was looked for
    score: float  # of the box
    carried: FloatArray  # (K, 2) where the flow has brought the joints since
    age: int = 0  # frames since


class Tracker:
    """Follows people through the frames of one video, handed over one by one."""

    def __init__(
        self,
        estimate: Estimate,
        sigmas: Sequence[float],
        similarity: Similarity = "multi-flow",
        propagate: bool = True,
        box_score: float = 0.5,
        joint_score: float = 0.4,
        overlap: float = 0.5,
        least: float = 0.2,
        enlarge: float = 0.15,
        queue: int = 10,
        flow: FlowBetween | None = None,
    ) -> None:
        """Start before the first frame.

        Args:
            estimate: Finds the pose in each box.
            sigmas: Of the K joints, for OKS.
            similarity: What makes two people one: boxes that overlap, near poses (OKS), the same after the flow has
                carried the earlier pose, or that for all poses of the queue and not only those of the frame before.
            propagate: Also look where the flow has carried the poses of the frame before.
            box_score: Boxes below are dropped; the paper's.
            joint_score: Joints below are dropped; the paper's.
            overlap: Of two boxes with a larger IoU only the one with the higher score stays. The paper has no number;
                at 0.7 a box of the detector and a carried one often both stayed, and one person was counted twice.
            least: Pairs less similar than this are not one person; the paper has no number, this is that of the
                reproduction frankchen121212/Simple-baseline-pytorch.
            enlarge: Share by which a carried box is wider and higher than its joints; the paper's.
            queue: Frames that multi-flow remembers; the paper's.
            flow: Takes two frames; None is `dis_flow`.

        Raises:
            DataError: for settings that make no sense.
        """
        if similarity not in SIMILARITIES:
            raise DataError(f"similarity {similarity!r}: expected one of {', '.join(SIMILARITIES)}")
        shares = {"box_score": box_score, "joint_score": joint_score, "overlap": overlap, "least": least}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise DataError(f"{name} {share}: expected a number from 0 to 1")
        if enlarge < 0 or queue < 1:
            raise DataError(f"enlarge {enlarge}, queue {queue}: expected at least 0 and at least 1")
        self.estimate, self.sigmas, self.similarity = estimate, np.asarray(sigmas, np.float64), similarity
        self.propagate, self.box_score, self.joint_score = propagate, box_score, joint_score
        self.overlap, self.least, self.enlarge = overlap, least, enlarge
        self.reach = queue if similarity == "multi-flow" else 1
        self.flow = flow or dis_flow
        self._picture: UInt8Array | None = None
        self._past: list[Tracked] = []  # of each identity the latest pose within reach
        self._new = 0  # the next identity

    def follow(self, picture: UInt8Array, boxes: FloatArray, scores: FloatArray) -> list[Tracked]:
        """Return who is in the next frame.

        Args:
            picture: (H, W, 3) RGB.
            boxes: (N, 4) the detector's.
            scores: (N,) theirs.
        """
        if self._picture is not None and self._past:
            flow = self.flow(self._picture, picture)
            self._past = [replace(p, carried=carry(p.carried, flow), age=p.age + 1) for p in self._past]
        boxes, scores = self._boxes(boxes, scores, picture.shape[:2])
        found = self._identify(self._poses(picture, boxes, scores))
        known = {person.track for person in found}
        self._past = found + [p for p in self._past if p.track not in known and p.age < self.reach]
        self._picture = picture
        return found

    def _boxes(self, boxes: FloatArray, scores: FloatArray, size: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
        """Unite the detector's boxes with the carried ones; each of these keeps its score of the frame before."""
        boxes, scores = np.reshape(boxes, (-1, 4)), np.reshape(scores, -1)
        if self.propagate:
            latest = [p for p in self._past if p.age == 1]
            around = [(carried_box(p.carried, size, self.enlarge), p.score) for p in latest]
            whole = [(box, score) for box, score in around if (box[2:] > box[:2]).all()]
            boxes = np.concatenate([boxes, *(box[None] for box, _ in whole)])
            scores = np.append(scores, [score for _, score in whole])
        good = scores >= self.box_score
        boxes, scores = boxes[good], scores[good]
        chosen = suppress(boxes, scores, self.overlap)
        return boxes[chosen], scores[chosen]

    def _poses(self, picture: UInt8Array, boxes: FloatArray, scores: FloatArray) -> list[Tracked]:
        """Find a pose in each box; a box without any believable joint holds nobody."""
        if not len(boxes):
            return []
        joints, believed = self.estimate(picture, boxes)
        seen = (believed >= self.joint_score) & np.isfinite(joints).all(-1)
        rows = zip(joints, seen, boxes, scores.tolist(), strict=True)
        return [Tracked(-1, j, s, box, score, j) for j, s, box, score in rows if s.any()]

    def _identify(self, found: list[Tracked]) -> list[Tracked]:
        """Give everyone the identity of the past person that is most alike, or a new one."""
        tracks = {new: self._past[old].track for old, new in match(self._alike(found), self.least)}
        for i in range(len(found)):
            if i not in tracks:
                tracks[i] = self._new
                self._new += 1
        return [replace(person, track=tracks[i]) for i, person in enumerate(found)]

    def _alike(self, found: list[Tracked]) -> FloatArray:
        """Compare the past with the present: (P, N)."""
        if not self._past or not found:
            return np.zeros((len(self._past), len(found)))
        if self.similarity == "bbox":
            return iou(np.stack([p.box for p in self._past]), np.stack([p.box for p in found]))
        if self.similarity == "pose":
            return oks([replace(p, carried=p.joints) for p in self._past], found, self.sigmas)
        return oks(self._past, found, self.sigmas)


def dis_flow(before: UInt8Array, after: UInt8Array) -> Flow:
    """Return the optical flow (H, W, 2) between two frames."""
    first, second = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (before, after))
    still = np.zeros((*first.shape, 2), np.float32)
    found = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(first, second, still)
    return np.asarray(found, np.float32)


def carry(joints: FloatArray, flow: Flow) -> FloatArray:
    """Move joints (K, 2) by the flow at their pixel; outside the picture, at the nearest on its border."""
    h, w = flow.shape[:2]
    x, y = np.rint(np.clip(np.nan_to_num(joints), 0, (w - 1, h - 1))).astype(np.int64).T
    return np.asarray(joints + flow[y, x], np.float64)


def carried_box(joints: FloatArray, size: tuple[int, ...], enlarge: float = 0.15) -> FloatArray:
    """Return the box (4,) around joints (K, 2), enlarged about its middle and clipped to a picture of size (H, W).

    All joints that were found count, also those not believed, as in the reproduction: around those alone that are, the
    box would shrink from frame to frame.
    """
    found = joints[np.isfinite(joints).all(-1)]
    low, high = found.min(0), found.max(0)
    margin = (high - low) * enlarge / 2
    edge = np.array([size[1] - 1.0, size[0] - 1.0])
    return np.concatenate([np.clip(low - margin, 0, edge), np.clip(high + margin, 0, edge)])


def iou(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the overlap (P, N) of boxes (P, 4) and (N, 4): intersection over union, 0 for two boxes without area."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(-1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - shared
    return np.asarray(shared / np.where(union > 0, union, 1.0))


def suppress(boxes: FloatArray, scores: FloatArray, overlap: float) -> list[int]:
    """Return which boxes (N, 4) stay, best first: those that overlap no better one by more than ``overlap``."""
    shared = iou(boxes, boxes)
    chosen: list[int] = []
    for i in np.argsort(-scores, kind="stable").tolist():
        if all(shared[i, better] <= overlap for better in chosen):
            chosen.append(i)
    return chosen


def oks(past: Sequence[Tracked], found: Sequence[Tracked], sigmas: FloatArray) -> FloatArray:
    """Return the object keypoint similarity (P, N) of carried past poses and found ones.

    Joints that either of the two lacks are left out, and the area is the mean of the two boxes', as in the official
    code's suppression by OKS: the paper says neither.
    """
    carried, joints = np.stack([p.carried for p in past]), np.stack([p.joints for p in found])
    both = np.stack([p.seen for p in past])[:, None] & np.stack([p.seen for p in found])[None]
    areas = [np.stack([p.box[2:] - p.box[:2] for p in people]).prod(-1) for people in (past, found)]
    area = np.maximum((areas[0][:, None] + areas[1][None]) / 2, 1.0)
    return keypoint_similarity(carried, joints, both, area, sigmas)


def keypoint_similarity(
    first: FloatArray, second: FloatArray, counted: NDArray[np.bool_], area: FloatArray, sigmas: FloatArray
) -> FloatArray:
    """Return OKS (P, N) of poses (P, K, 2) and (N, K, 2), 0 where no joint is counted.

    Args:
        first: Pixels.
        second: Pixels; an infinite coordinate is as far away as can be.
        counted: (P, N, K), or 1 for P or N where it is the same.
        area: (P, N) square pixels, or 1 likewise.
        sigmas: (K,) per-joint spread; variance is (2 sigma)^2 as in pycocotools.
    """
    squared = np.square(first[:, None] - second[None]).sum(-1)  # (P, N, K)
    near = np.where(counted, np.exp(-squared / (2 * np.square(2 * sigmas) * area[..., None])), 0.0)
    return np.asarray(near.sum(-1) / np.maximum(counted.sum(-1), 1))


def match(similarity: FloatArray, least: float) -> list[tuple[int, int]]:
    """Pair rows with columns of (P, N) greedily: the most similar pair first, each row and each column once."""
    pairs: list[tuple[int, int]] = []
    rows, columns = np.unravel_index(np.argsort(-similarity, axis=None, kind="stable"), similarity.shape)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        free = all(row != r and column != c for r, c in pairs)
        if free and similarity[row, column] >= least:
            pairs.append((row, column))
    return pairs


def estimator(method: PoseMethod) -> Estimate:
    """Turn a trained top-down method into what the tracker asks for poses.

    Raises:
        DataError: if the method does not look at boxes.
    """
    view = method.view
    if not isinstance(view, PersonCrop) or view.whole:
        raise DataError(f"{method.title} looks at whole pictures; tracking needs a method that is shown a box")

    def estimate(picture: UInt8Array, boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
        with torch.inference_mode():
            found = [one.cpu() for one in method.predict(crops(picture, boxes, view, len(method.skeleton.joints)))]
        joints = torch.cat([one.joints for one in found]).double().numpy()
        return joints, torch.cat([one.joint_scores for one in found]).double().numpy()

    return estimate


def crops(picture: UInt8Array, boxes: FloatArray, view: PersonCrop, joints: int) -> PoseBatch:
    """Cut one network input for each of N boxes out of a picture; nobody is labelled in them."""
    h, w = view.size
    affines = [view.to_input(Look(0, 0, box)) for box in boxes]
    cut = [cv2.warpAffine(picture, a, (w, h), flags=cv2.INTER_LINEAR, borderValue=view.border) for a in affines]
    return PoseBatch(
        images=torch.from_numpy(np.stack(cut)).permute(0, 3, 1, 2),
        joints=torch.zeros(len(boxes), 1, joints, 2),
        visible=torch.zeros(len(boxes), 1, joints),
        to_image=torch.from_numpy(np.stack([invert_affine(affine) for affine in affines])),
        image_ids=(0,) * len(boxes),
        people=((),) * len(boxes),
    )
