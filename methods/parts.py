"""The parts that bottom-up networks look for, made of a data set's joints, and the limbs that connect them.

OpenPose turns COCO's 17 joints into 18 parts (with a neck between the shoulders) and 19 limbs, and MPII's 16 into 15
(with a chest between thorax and pelvis) and 14. For any other skeleton the joints are the parts, and its limbs are put
in an order that grows a tree from one joint.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from data.types import Skeleton
from methods.paf import OPENPOSE_LIMBS, Limbs


@dataclass(frozen=True)
class Parts:
    """What a network finds.

    Attributes:
        sources: the joints of which each part is the mean; it needs all of them.
        limbs: pairs of parts.
    """

    sources: tuple[tuple[int, ...], ...]
    limbs: Limbs

    def of(self, joints: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Turn joints (..., K, 2) and their visibility (..., K) into those of the parts, (..., M, 2) and (..., M)."""
        where = torch.stack([joints[..., list(s), :].mean(-2) for s in self.sources], -2)
        return where, torch.stack([visible[..., list(s)].amin(-1) for s in self.sources], -1)

    def places(self, joints: int) -> list[int | None]:
        """Return, for each of so many joints, the part that it is; None for a joint that is no part."""
        own = {source[0]: part for part, source in enumerate(self.sources) if len(source) == 1}
        return [own.get(joint) for joint in range(joints)]


# The label code's order of COCO's joints: nose, neck, right arm, left arm, right leg, left leg, eyes, ears.
COCO_SOURCES = (0, (5, 6), 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
# The same of MPII's: head top, neck, right arm, left arm, right leg, left leg, chest.
MPII_SOURCES = (9, 8, 12, 11, 10, 13, 14, 15, 2, 1, 0, 3, 4, 5, (7, 6))
MPII_LIMBS = Limbs(
    pairs=(
        *((0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7)),
        *((1, 14), (14, 8), (8, 9), (9, 10), (14, 11), (11, 12), (12, 13)),
    ),
    channels=tuple(range(14)),
)


def parts_of(skeleton: Skeleton) -> Parts:
    """Return what OpenPose looks for in people of this skeleton."""
    if skeleton.name == "coco17":
        return Parts(_tuples(COCO_SOURCES), OPENPOSE_LIMBS)
    if skeleton.name == "mpii16":
        return Parts(_tuples(MPII_SOURCES), MPII_LIMBS)
    return Parts(tuple((joint,) for joint in range(len(skeleton.joints))), grown(skeleton))


def _tuples(sources: tuple[int | tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    return tuple((source,) if isinstance(source, int) else source for source in sources)


def grown(skeleton: Skeleton) -> Limbs:
    """Order a skeleton's limbs so that people grow from the joint that has most of them; the rest is redundant.

    A limb that closes a circle is redundant. Joints that no limb reaches hang on the first joint.
    """
    count = len(skeleton.joints)
    around: list[list[int]] = [[] for _ in range(count)]
    for a, b in skeleton.limbs:
        around[a].append(b)
        around[b].append(a)
    root = max(range(count), key=lambda joint: len(around[joint]))
    tree: list[tuple[int, int]] = []
    reached, waiting = {root}, [root]
    while len(reached) < count:
        if not waiting:
            stray = min(set(range(count)) - reached, key=lambda joint: -len(around[joint]))
            around[root].append(stray)
            waiting = [root]
        joint = waiting.pop(0)
        for other in around[joint]:
            if other not in reached:
                tree.append((joint, other))
                reached.add(other)
                waiting.append(other)
    spent = {frozenset(pair) for pair in tree}
    circles = [pair for pair in skeleton.limbs if frozenset(pair) not in spent]
    pairs = (*tree, *circles)
    return Limbs(pairs, tuple(range(len(pairs))), redundant=len(circles))
