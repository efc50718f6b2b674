import json

import numpy as np
import pytest
import torch

from bench import stages
from bench.stages import StageScores
from data.skeletons import LSP14
from data.types import Person, PosePrediction

K = len(LSP14.joints)


@pytest.fixture
def person():
    joints = np.random.default_rng(0).uniform(0, 100, (K, 2))
    joints[list(LSP14.torso)] = [[0.0, 0.0], [0.0, 50.0]]  # the torso is 50 px, so PCK@0.2 allows 10
    return Person(joints, np.full(K, 2), np.array([0.0, 0.0, 100.0, 100.0]))


def answer(person, right):
    """The first ``right`` joints where they are, the others 11 px beside."""
    joints = torch.from_numpy(person.joints.copy())
    joints[right:, 0] += 11
    return [PosePrediction(joints[None], torch.ones(1, K), torch.ones(1))]


@pytest.fixture
def scores(person):
    made = StageScores(("pck@0.2", "ap"), LSP14)
    for right in (3, 5):  # two batches
        made.update({"stage 1": answer(person, right), "stage 2": answer(person, K)}, ((person,),))
    return made


def test_each_stage_has_its_own_score_over_all_batches(scores):
    found = scores.compute()
    assert list(found) == ["stage 1", "stage 2"]
    assert found["stage 2"]["pck@0.2"].value == 100 and found["stage 2"]["pck@0.2"].n == 2
    assert found["stage 1"]["pck@0.2"].value == pytest.approx(100 * (3 + 5) / (2 * K))


def test_metrics_of_several_people_are_left_out(scores):
    assert set(scores.compute()["stage 1"]) == {"pck@0.2"}


def test_nothing_is_left_after_reset(scores):
    scores.reset()
    assert scores.compute() == {}


def test_the_file_and_the_lines_hold_the_same_numbers(scores, tmp_path):
    found = scores.compute()
    stages.write(tmp_path / "stages.json", found)
    stored = json.loads((tmp_path / "stages.json").read_text())
    assert stored["stage 2"]["pck@0.2"]["value"] == 100
    assert stages.lines(found, ["pck@0.2", "pck@0.1"]) == ["stage 1  pck@0.2 28.6", "stage 2  pck@0.2 100.0"]
    assert stages.flat(found)["stages/stage 1/pck@0.2"] == stored["stage 1"]["pck@0.2"]["value"]
