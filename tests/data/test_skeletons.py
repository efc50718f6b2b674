import numpy as np
import pytest
from pycocotools.cocoeval import Params

from data.skeletons import COCO17, CROWDPOSE14, LSP14, MPII16, SKELETONS

# The pairs as the data sets' own code lists them (protocol facts, 0-based).
PAIRS = {
    "lsp14": [(0, 5), (1, 4), (2, 3), (6, 11), (7, 10), (8, 9)],
    "mpii16": [(0, 5), (1, 4), (2, 3), (10, 15), (11, 14), (12, 13)],
    "coco17": [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)],
    "crowdpose14": [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11)],
    "flic11": [(0, 3), (1, 4), (2, 5), (6, 7), (8, 9)],
}


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=str)
def test_flip_is_an_involution_and_agrees_with_the_pair_list(skeleton):
    flip = np.array(skeleton.flip)
    assert (flip[flip] == np.arange(len(flip))).all()
    assert sorted((a, b) for a, b in enumerate(skeleton.flip) if a < b) == sorted(PAIRS[skeleton.name])


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=str)
def test_every_part_names_joints_that_exist(skeleton):
    k = len(skeleton.joints)
    assert len(set(skeleton.joints)) == k == len(skeleton.sigmas) == len(skeleton.flip)
    used = [j for limb in skeleton.limbs for j in limb]
    used += [j for _, row in skeleton.rows for j in row]
    used += [j for _, ends in skeleton.sticks for end in ends for j in end]
    assert max(used) < k and min(used) >= 0
    assert skeleton.flip[skeleton.torso[0]] != skeleton.torso[1], "the torso is a diagonal"


def test_counts_are_those_of_the_names():
    assert [len(s.joints) for s in (LSP14, MPII16, COCO17, CROWDPOSE14)] == [14, 16, 17, 14]


def test_coco_sigmas_are_pycocotools_own():
    np.testing.assert_allclose(COCO17.sigmas, Params("keypoints").kpt_oks_sigmas)


def test_torso_runs_from_left_shoulder_to_right_hip():
    for skeleton in SKELETONS.values():
        assert [skeleton.joints[j] for j in skeleton.torso] == ["left_shoulder", "right_hip"]


def test_rows_hold_each_joint_with_its_mirror_image():
    for skeleton in SKELETONS.values():
        for _, row in skeleton.rows:
            assert {skeleton.flip[j] for j in row} == set(row)
