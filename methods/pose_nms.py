"""Parametric pose NMS: duplicate poses are removed and merged (RMPE, Fang et al., ICCV 2017, arXiv:1612.00137).

How alike two poses are is K_sim + lambda H_sim: the matching joints, counted by their scores, and how near all joints
are. Of two poses more alike than eta the one with the lower mean joint score goes. The programs that the authors
released differ from the paper and from each other in units, so parameters mean nothing without their conventions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.types import FloatArray

Indices = NDArray[np.intp]

TENTH = 0.1  # of the pose box: the paper's B(k), and `alpha` of the released code
SAME_REACH = 7.0  # pixels; AlphaPose, `PCK_match`
FAINT = 0.1  # lower scores of `overlooked` joints do not count; Caffe release
LEAST_WEIGHT = 1e-5  # AlphaPose gives it to joints of score 0: joints without any score merge by their plain mean
FARTHEST = 700.0  # e^-700 is 0 beside any other term, and what is smaller takes three times as long
TINY = 1e-9  # stands for the ref of a pose without extent: only equal joints match


@dataclass(frozen=True)
class PoseNMS:
    """Parameters and the conventions that they hold for; the default is the paper's form.

    "Ref" is a tenth of the longer side of the kept pose's box. The paper fits its four numbers and prints none, and
    says little of merging: those defaults are ours.

    Attributes:
        sigma1: Of the scores in K_sim; `delta1` of the code.
        sigma2: Of the distances in H_sim, in units, or their square; `delta2` of the code.
        balance: The paper's lambda, `mu` of the code.
        eta: Poses more alike are one; `gamma` of the code. The paper is quoted with d <= eta; all code removes above.
        unit: Of distances: pixels, or refs.
        squared: Whether H_sim squares distances.
        match: Joints count in K_sim within one unit, or in a box of a tenth of the pose's, centred on the kept joint.
        same_joints: So many joints within ref, and within 7 pixels, also make two poses one; None: no number does.
        merge_reach: Pixels; joints merge within ref, and within this.
        merged_score: Of a joint: the highest of those merged, or their mean weighted by themselves.
        least: A pose below is dropped.
        least_of: What is compared with it: the mean of the merged joints' scores, or their highest and also the
            highest before merging.
        overlooked: Joints that such a mean leaves out where their score is below 0.1.
    """

    sigma1: float = 1.0  # default: AlphaPose's
    sigma2: float = 7.02  # default: AlphaPose's 2.65 pixels, squared
    balance: float = 1.7  # default: AlphaPose's
    eta: float = 22.48  # default: AlphaPose's
    unit: Literal["pixel", "ref"] = "pixel"  # default: the paper names no unit
    squared: bool = True
    match: Literal["unit", "box"] = "box"
    same_joints: int | None = None
    merge_reach: float = float("inf")  # default
    merged_score: Literal["max", "mean"] = "max"  # default: the first release's
    least: float = 0.0  # default: nobody is dropped
    least_of: Literal["max", "mean"] = "mean"
    overlooked: tuple[int, ...] = ()


PAPER = PoseNMS()
CAFFE = PoseNMS(  # MVIG-SJTU/RMPE; 0 and 5 are MPII's ankles
    sigma1=0.01,
    sigma2=2.08,
    balance=2.08,
    eta=22.48,
    unit="ref",
    squared=False,
    match="unit",
    merged_score="max",
    least=0.2,
    least_of="mean",
    overlooked=(0, 5),
)
ALPHAPOSE = PoseNMS(  # MVIG-SJTU/AlphaPose
    sigma1=1.0,
    sigma2=2.65,
    balance=1.7,
    eta=22.48,
    unit="pixel",
    squared=False,
    match="unit",
    same_joints=5,
    merge_reach=15.0,
    merged_score="mean",
    least=0.3,
    least_of="max",
)
MXNET = replace(ALPHAPOSE, sigma2=1.3, eta=22.0, same_joints=4, least=0.05)  # the port to MXNet
RELEASED = {"caffe": CAFFE, "alphapose": ALPHAPOSE, "mxnet": MXNET}


@dataclass(frozen=True, eq=False)
class Kept:
    """Who is left of N poses: M, by falling mean joint score."""

    joints: FloatArray  # (M, K, 2) merged; NaN where the kept pose has no such joint
    joint_scores: FloatArray  # (M, K) merged; 0 there
    scores: FloatArray  # (M,) the caller's, or the mean of the merged joints' scores
    kept: Indices  # (M,) which of the N poses


def pose_distance(
    one: FloatArray,
    one_scores: FloatArray,
    others: FloatArray,
    other_scores: FloatArray,
    parameters: PoseNMS,
    size: FloatArray | None = None,
) -> FloatArray:
    """Say how alike one pose and N others are: the paper's d, a similarity in spite of its name.

    Args:
        one: (K, 2) pixels; NaN where a joint is missing, which then matches nothing.
        one_scores: (K,).
        others: (N, K, 2).
        other_scores: (N, K).
        parameters: And their conventions.
        size: (2,) width and height of the one pose's box; None is the extent of its joints.

    Returns:
        (N,) from 0, nothing alike, to K (1 + lambda).
    """
    sizes = _extents(one[None]) if size is None else np.reshape(size, (1, 2))
    way = np.moveaxis(others - one, -1, 0)
    belief = _belief(one_scores[None], parameters) * _belief(other_scores, parameters)
    return _alike(way, _lengths(way), belief, sizes, parameters)


def pose_nms(
    joints: FloatArray,
    joint_scores: FloatArray,
    scores: FloatArray | None,
    parameters: PoseNMS = PAPER,
    boxes: FloatArray | None = None,
) -> Kept:
    """Keep the poses of highest mean joint score, and merge into each what is more alike to it than eta.

    A kept pose is always of its own cluster; the released code asks whether it is alike to itself.

    Args:
        joints: (N, K, 2) pixels; NaN where a joint is missing. It matches nothing and takes no part in merging.
        joint_scores: (N, K); negative ones, and those of missing joints, count as 0.
        scores: (N,) of the poses, only handed on; None are means of joint scores.
        parameters: And their conventions.
        boxes: (N, 4) x0, y0, x1, y1 of the poses, as the released code has from its detector; None is the extent of
            the joints.
    """
    present = np.asarray(np.isfinite(joints).all(-1))
    joints = np.where(present[..., None], joints, np.nan).astype(np.float64)
    values = np.where(present, np.maximum(np.nan_to_num(np.asarray(joint_scores, np.float64)), 0.0), 0.0)
    sizes = _extents(joints) if boxes is None else boxes[:, 2:] - boxes[:, :2]
    order = np.argsort(-values.mean(-1), kind="stable")
    joints, values, sizes = joints[order], values[order], sizes[order]
    owner = _owners(joints, values, sizes, parameters)
    kept = np.flatnonzero(owner == np.arange(len(owner)))
    merged, merged_scores = _merge(joints, values, _refs(sizes), owner, parameters)
    good = _good(values[kept], merged_scores, parameters)
    merged, merged_scores, chosen = merged[good], merged_scores[good], order[kept[good]]
    pose_scores = merged_scores.mean(-1) if scores is None else np.asarray(scores, np.float64)[chosen]
    return Kept(merged, merged_scores, pose_scores, chosen)


def _owners(joints: FloatArray, values: FloatArray, sizes: FloatArray, parameters: PoseNMS) -> Indices:
    """Say for each pose, best first, which kept pose it becomes part of; kept ones of themselves."""
    i, j = np.triu_indices(len(joints), 1)
    by_axis = np.ascontiguousarray(np.moveaxis(joints, -1, 0))  # (2, N, K)
    way = np.take(by_axis, j, 1) - np.take(by_axis, i, 1)  # ten times as fast as an index
    distances, belief = _lengths(way), _belief(values, parameters)
    both = np.take(belief, i, 0) * np.take(belief, j, 0)
    one = _alike(way, distances, both, sizes[i], parameters) > parameters.eta
    if parameters.same_joints is not None:
        reach = np.minimum(_refs(sizes), SAME_REACH)[i, None]
        one |= np.einsum("pk->p", (distances <= reach).astype(np.float64)) >= parameters.same_joints
    removes = np.zeros((len(joints), len(joints)), bool)
    removes[i, j] = one
    owner = np.arange(len(joints))
    for pose in np.flatnonzero(removes.any(-1)).tolist():
        if owner[pose] == pose:
            free = removes[pose] & (owner == np.arange(len(joints)))
            owner[free] = pose
    return owner


def _alike(
    way: FloatArray, distances: FloatArray, belief: FloatArray, sizes: FloatArray, parameters: PoseNMS
) -> FloatArray:
    """Compute K_sim + lambda H_sim of P pairs: (2, P, K), (P, K), (P, K) and (P, 2), or (1, 2) where it is the same."""
    if parameters.unit == "ref":
        distances = distances / _refs(sizes)[:, None]
    if parameters.match == "unit":
        matching = distances <= 1
    else:
        half = TENTH / 2 * sizes
        matching = (np.abs(way[0]) <= half[:, :1]) & (np.abs(way[1]) <= half[:, 1:])
    far = (np.square(distances) if parameters.squared else distances) / parameters.sigma2
    soft = np.exp(-np.minimum(far, FARTHEST))
    # einsum adds along a short last axis four times as fast as sum
    return np.asarray(np.einsum("pk,pk->p", matching, belief) + parameters.balance * np.einsum("pk->p", soft))


def _belief(values: FloatArray, parameters: PoseNMS) -> FloatArray:
    return np.asarray(np.tanh(np.maximum(np.nan_to_num(values), 0.0) / parameters.sigma1))


def _lengths(way: FloatArray) -> FloatArray:
    """Return how long (2, ...) ways between joints are: infinitely where a joint is missing."""
    x, y = way
    return np.asarray(np.fmin(np.sqrt(x * x + y * y), np.inf))  # fmin: NaN becomes infinity


def _extents(joints: FloatArray) -> FloatArray:
    """Return width and height (N, 2) of poses (N, K, 2); 0 where there is no joint."""
    low, high = np.fmin.reduce(joints, axis=1), np.fmax.reduce(joints, axis=1)
    return np.asarray(np.nan_to_num(high - low))


def _refs(sizes: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(TENTH * sizes.max(-1), TINY))


def _merge(
    joints: FloatArray,
    values: FloatArray,
    refs: FloatArray,
    owner: Indices,
    parameters: PoseNMS,
) -> tuple[FloatArray, FloatArray]:
    """Average each kept pose with its cluster's joints nearby: (M, K, 2) and their scores (M, K)."""
    if not len(owner):
        return joints, values
    grouped = np.argsort(owner, kind="stable")  # each kept pose and after it those that become part of it
    starts = np.flatnonzero(owner[grouped] == grouped)
    way = joints[grouped] - joints[owner[grouped]]
    values, reach = values[grouped], np.minimum(refs[owner[grouped]], parameters.merge_reach)
    near = _lengths(np.moveaxis(way, -1, 0)) <= reach[:, None]
    weights = np.where(near, np.maximum(values, LEAST_WEIGHT), 0.0)
    total = np.add.reduceat(weights, starts)
    share = np.maximum(total, LEAST_WEIGHT)  # 0 only where the kept pose has no such joint
    shift = np.add.reduceat(weights[..., None] * np.where(near[..., None], way, 0.0), starts) / share[..., None]
    merged = joints[grouped[starts]] + shift  # as a shift, so that a pose alone stays as it is to the last digit
    if parameters.merged_score == "max":
        return merged, np.maximum.reduceat(np.where(near, values, 0.0), starts)
    return merged, np.add.reduceat(weights * values, starts) / share


def _good(before: FloatArray, merged: FloatArray, parameters: PoseNMS) -> NDArray[np.bool_]:
    """Say which poses (M, K) reach the least score."""
    if parameters.least_of == "max":
        return np.asarray(np.minimum(before.max(-1), merged.max(-1)) >= parameters.least)
    counted = np.ones(merged.shape, bool)
    overlooked = list(parameters.overlooked)
    counted[:, overlooked] = merged[:, overlooked] >= FAINT
    return np.asarray((merged * counted).sum(-1) / np.maximum(counted.sum(-1), 1) >= parameters.least)
