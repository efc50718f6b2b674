"""The joints of a COCO-format file, from its entry in ``categories``: names, pairs, limbs, sigmas.

Left and right are read from the names, however they are written: ``left_hip``, ``hip_left``, ``l_hip``, ``Left hip``,
``LHip``. Names become lower case with underscores, the side in front, so that methods and weights know them again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from data.skeletons import COCO17, oks_sigmas
from data.types import DataError, Skeleton

WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")  # leftHip, LHip and left-hip are two words each
SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}
OTHER = {"left": "right", "right": "left"}
TORSO = ("left_shoulder", "right_hip")
HEAD = ("neck", "head_top")


@dataclass(frozen=True)
class Category:
    """Whom a file is about."""

    id: int
    skeleton: Skeleton


def choose(categories: Any, name: str) -> Category:
    """Take the one category that has joints; of several, the one called person.

    Args:
        categories: of the file.
        name: of the data set, for the skeleton's.

    Raises:
        DataError: if no category has joints, several have, or the joints are not as COCO's format has them.
    """
    if not isinstance(categories, list) or not all(isinstance(entry, dict) for entry in categories):
        raise DataError("no list of categories; COCO's format names the joints there")
    with_joints = [entry for entry in categories if entry.get("keypoints")]
    named = [entry for entry in with_joints if entry.get("name") == "person"]
    chosen = with_joints if len(with_joints) == 1 else named
    titles = ", ".join(str(entry.get("name", entry.get("id"))) for entry in with_joints or categories)
    if not with_joints:
        raise DataError(f"no category has keypoints ({titles or 'none there'}); is this a file of boxes alone?")
    if len(chosen) != 1:
        raise DataError(f"{len(with_joints)} categories have keypoints ({titles}); one, or one called person, expected")
    if not isinstance(chosen[0].get("id"), int):
        raise DataError(f"category {titles} has the id {chosen[0].get('id')!r}; an integer expected")
    return Category(chosen[0]["id"], skeleton_of(chosen[0], name))


def skeleton_of(category: dict[str, Any], name: str) -> Skeleton:
    """Make the skeleton that a category describes.

    What it leaves open: without ``skeleton`` the limbs are a chain of the joints in their order; without ``sigmas`` a
    joint has COCO's by its name, and the shoulder's where COCO has no such joint; without a left shoulder and a right
    hip the torso, by which no metric of these sets divides, is the first and the last joint.

    Raises:
        DataError: if names, pairs or sigmas are not as COCO's format has them.
    """
    joints = _names(category["keypoints"])
    limbs, sigmas = _limbs(category.get("skeleton"), len(joints)), _sigmas(category.get("sigmas"), joints)
    if joints == COCO17.joints:  # COCO's own joints: methods have settings for them by the skeleton's name
        return replace(COCO17, limbs=limbs, sigmas=sigmas)
    parts = [joint.removeprefix("left_").removeprefix("right_") for joint in joints]
    return Skeleton(
        name=f"{name}-{len(joints)}",
        joints=joints,
        flip=_flip(joints),
        limbs=limbs,
        sigmas=sigmas,
        torso=_both(joints, TORSO) or (0, len(joints) - 1),
        head=_both(joints, HEAD),
        rows=tuple((part, tuple(i for i, other in enumerate(parts) if other == part)) for part in dict.fromkeys(parts)),
    )


def _names(listed: Any) -> tuple[str, ...]:
    """Read and unify the names; a side counts where the joint of the other side is there too."""
    if not isinstance(listed, list) or not all(isinstance(name, str) and name.strip() for name in listed):
        raise DataError(f"keypoints {listed!r}: a list of names expected")
    read = [_sided(name) for name in listed]
    paired = [bool(side) and (OTHER[side], part) in read for side, part in read]
    names = tuple(
        f"{side}_{part}".rstrip("_") if both else "_".join(_words(name)) or name
        for name, (side, part), both in zip(listed, read, paired, strict=True)
    )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"keypoints: {twice[0]!r} is named twice; each joint needs a name of its own")
    return names


def _words(name: str) -> list[str]:
    return [word.lower() for word in WORDS.findall(name)]


def _sided(name: str) -> tuple[str, str]:
    """Return (left, right or nothing, the rest of the name)."""
    words = _words(name)
    for at in (0, -1) if words else ():
        if words[at] in SIDES:
            return SIDES[words[at]], "_".join(words[1:] if at == 0 else words[:-1])
    glued = re.fullmatch(r"(left|right)(\w+)", "_".join(words))
    return (glued[1], glued[2]) if glued else ("", "_".join(words) or name)


def _flip(joints: tuple[str, ...]) -> tuple[int, ...]:
    """Pair the sides; a joint without one, or whose other side is missing, is its own mirror image."""
    read = [_sided(joint) for joint in joints]
    others = [(OTHER.get(side, ""), part) for side, part in read]
    return tuple(read.index(other) if other in read else i for i, other in enumerate(others))


def _limbs(pairs: Any, k: int) -> tuple[tuple[int, int], ...]:
    if not pairs:
        return tuple((i, i + 1) for i in range(k - 1))
    try:
        limbs = tuple((int(a) - 1, int(b) - 1) for a, b in pairs)
    except (TypeError, ValueError) as error:
        raise DataError(f"skeleton {pairs!r}: a list of pairs of joints expected") from error
    wrong = next((limb for limb in limbs if not (min(limb) >= 0 and max(limb) < k)), None)
    if wrong:
        raise DataError(f"skeleton: joints {wrong[0] + 1} and {wrong[1] + 1}; they count from 1 to {k}")
    return limbs


def _sigmas(listed: Any, joints: tuple[str, ...]) -> tuple[float, ...]:
    if not listed:
        return oks_sigmas(joints)
    numbers = isinstance(listed, list) and all(isinstance(s, int | float) and isfinite(s) and s > 0 for s in listed)
    if not numbers or len(listed) != len(joints):
        raise DataError(f"sigmas {listed!r}: {len(joints)} positive numbers expected, one a joint")
    return tuple(float(sigma) for sigma in listed)


def _both(joints: Sequence[str], pair: tuple[str, str]) -> tuple[int, int] | None:
    return (joints.index(pair[0]), joints.index(pair[1])) if set(pair) <= set(joints) else None
