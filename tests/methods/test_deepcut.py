"""DeepCut from maps to people: a perfect detector's maps give the truth, nothing and little are no trouble."""

import logging

import numpy as np
import pytest
import torch
from torch import nn

from bench.config import resolve
from bench.cost import empty_batch
from data.skeletons import LSP14, MPII16
from data.types import PoseBatch
from data.views import PersonCrop, SceneCrop, WholeImage
from methods import deepcut_program, ilp
from methods import deepcut_targets as targets
from methods.deepcut import DeepCut
from methods.deepcut_nets import Answers
from methods.deepcut_program import Programs, stages_of
from methods.pairwise_samples import Samples

SIZE = 256


class Perfect(nn.Module):
    """A detector that knows the truth: joints (P, J, 2) of one image."""

    def __init__(self, joints, mean, std):
        super().__init__()
        self.joints, self.mean, self.std = joints, mean, std

    def forward(self, images):
        h, w = (side // 8 for side in images.shape[-2:])
        middles = targets.cell_middles((h, w), 8)
        people, j, _ = self.joints.shape
        away = (self.joints[:, :, None, None] - middles).norm(dim=-1)  # (P, J, h, w)
        nearest, owner = (away if people else torch.full((1, j, h, w), 1e3)).min(0)
        parts = torch.where(nearest < 17, 3 - nearest / 10, -9)
        offsets, pairs = torch.zeros(j, 2, h, w), torch.zeros(j, j - 1, 2, h, w)
        for a in range(j if people else 0):
            offsets[a] = ((self.joints[owner[a], a] - middles) / targets.OFFSET_STD).movedim(-1, 0)
            for column, b in enumerate(targets.other_joints(j)[a].tolist()):
                way = self.joints[owner[a], b] - middles
                pairs[a, column] = ((way - self.mean[a, column]) / self.std[a, column]).movedim(-1, 0)
        return Answers(parts[None], offsets[None], pairs[None], None)


def build(mode="multi", skeleton=LSP14, **options):
    return DeepCut(
        skeleton,
        mode=mode,
        depth=18,
        width=2,
        norm="batch",
        pretrained=False,
        input_size=(SIZE, SIZE),
        size=SIZE,
        **options,
    ).eval()


def scene(people=2):
    """People beside each other, their joints at random in a column of their own."""
    rng = np.random.default_rng(3)
    width = SIZE / people
    corner = np.array([[p * width + 20, 20] for p in range(people)])
    spread = np.array([width - 40, SIZE - 40])
    return torch.from_numpy(corner[:, None] + rng.uniform(0, 1, (1, 14, 2)) * spread).float()


def know(method, joints):
    """Give a method the truth of an image, and pairwise terms fitted on it."""
    mean, std = targets.pair_statistics(joints, torch.ones(joints.shape[:2]))
    method.terms.mean.copy_(mean), method.terms.std.copy_(std)
    method.net = Perfect(joints, mean, std)
    samples = Samples(method.terms)
    with torch.inference_mode():
        said = method._detections(method(image_of().images), 0)
    for _ in range(5):
        samples.add(said, joints.double().numpy(), np.ones(joints.shape[:2]))
    samples.fit(1.0)
    return method


def image_of(seed=0):
    pixels = torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8)
    eye = torch.eye(2, 3, dtype=torch.float64)[None]
    return PoseBatch(pixels, torch.zeros(1, 1, 14, 2), torch.zeros(1, 1, 14), eye, (7,), ((),))


def predict(method, batch=None):
    with torch.inference_mode():
        return method.predict(batch or image_of())[0]


def in_order(found, truth):
    """Sort found people by their first joint, as the truth is."""
    return found.joints[found.joints[:, 0, 0].argsort()] if len(truth) > 1 else found.joints


@pytest.mark.parametrize("solver", ["exact", "greedy", "local"])
def test_the_people_of_a_perfect_detector_are_the_truth(solver):
    truth = scene()
    found = predict(know(build(solver=solver), truth))
    assert len(found.scores) == 2
    torch.testing.assert_close(in_order(found, truth), truth.double(), atol=1e-3, rtol=0)
    assert (found.joint_scores > 0.8).all()
    torch.testing.assert_close(found.scores, found.joint_scores.mean(1))


def test_stages_find_the_same_people():
    truth = scene()
    found = predict(know(build(incremental=True), truth))
    torch.testing.assert_close(in_order(found, truth), truth.double(), atol=1e-3, rtol=0)


def test_a_learned_term_of_one_class_finds_them_too():
    truth = scene()
    found = predict(know(build(same_class="learned"), truth))
    torch.testing.assert_close(in_order(found, truth), truth.double(), atol=1e-3, rtol=0)


def test_people_are_in_pixels_of_the_original_image():
    truth = scene()
    batch = image_of()
    batch.to_image[:] = torch.tensor([[2.0, 0.0, 5.0], [0.0, 2.0, -3.0]])
    found = predict(know(build(), truth), batch)
    expected = truth.double() * 2 + torch.tensor([5.0, -3.0])
    torch.testing.assert_close(in_order(found, expected), expected, atol=1e-2, rtol=0)


def test_the_inside_shows_every_candidate_with_its_person():
    method = know(build(), scene())
    with torch.inference_mode():
        maps, classes, kept, people = method.inside(image_of())
    assert maps.maps.shape == (1, 14, 32, 32)
    assert len(classes.points[0]) == len(classes.groups[0]) == len(kept.groups[0])
    assert set(kept.groups[0].tolist()) - {-1} == {0, 1} and people.people[0].shape == (2, 14, 2)


def test_single_mode_returns_at_most_one_cluster():
    truth = scene()
    method = know(build("single"), truth)
    found = predict(method)
    assert len(found.scores) == 1 and found.joints.isfinite().all()
    candidates, decision, _ = method._decided(image_of())[1][0]
    assert set(decision.persons.tolist()) - {-1} == {0}
    assert len(candidates) == 28


def test_single_mode_takes_missing_joints_from_the_maps():
    truth = scene(1)
    method = know(build("single"), truth)
    hidden = method.net.forward

    def unsure(images):
        answers = hidden(images)
        answers.parts[:, 5] -= 5.5  # the highest is 0.08: no candidate
        return answers

    method.net.forward = unsure
    found = predict(method)
    torch.testing.assert_close(found.joints, truth.double(), atol=1e-3, rtol=0)
    assert 0 < found.joint_scores[0, 5] < 0.1 < found.joint_scores[0, 4]


def test_no_candidates_is_nobody_and_in_single_mode_the_highest_cells():
    nothing = torch.zeros(0, 14, 2)
    for mode, people in (("multi", 0), ("single", 1)):
        method = build(mode)
        method.net = Perfect(nothing, method.terms.mean, method.terms.std)
        found = predict(method)
        assert found.joints.shape == (people, 14, 2) and found.joints.isfinite().all()
        assert method.notes()["objective"] == [0.0] and method.notes()["candidates"] == [0.0]


def test_one_candidate_is_a_person_of_one_joint():
    programs = Programs(LSP14.joints, "multi", "exact", None, incremental=False)
    unary = np.zeros((1, 14))
    unary[0, 3] = 0.9
    decision = programs.decide(unary, np.zeros((1, 1, 14, 14)), 1)
    assert decision.labels.tolist() == [3] and decision.persons.tolist() == [0]
    assert programs.notes()["objective"] == [pytest.approx(np.log(0.1 / 0.9), abs=1e-9)]
    assert programs.notes()["gap"] == [pytest.approx(0.0, abs=1e-9)]


def test_a_failed_program_loses_one_image_and_is_told(monkeypatch, caplog):
    programs = Programs(("a", "b"), "multi", "exact", None, incremental=False)
    unary, pairs = np.array([[0.9, 0.0]]), np.zeros((1, 1, 2, 2))

    def broken(*args, **options):
        raise ilp.SolverError("HiGHS says no")

    programs.decide(unary, pairs, 1)
    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
        patched.setattr(deepcut_program.ilp, "solve", broken)
        assert programs.decide(unary, pairs, 2).persons.tolist() == [-1]
    programs.decide(unary, pairs, 3)
    assert "image 2" in caplog.text and "HiGHS says no" in caplog.text
    notes = programs.notes()
    assert notes["image"] == [1.0, 2.0, 3.0]
    assert np.isnan(notes["objective"]).tolist() == [False, True, False]


def test_without_pairwise_terms_candidates_stay_alone_or_are_one_person():
    unary = np.array([[0.9, 0.3], [0.2, 0.6], [0.4, 0.0]])
    for mode, persons in (("multi", [0, 1, -1]), ("single", [0, 0, -1])):
        decision = Programs(("a", "b"), mode, "none", None, incremental=False).decide(unary, np.zeros((3, 3, 2, 2)), 0)
        assert decision.labels.tolist() == [0, 1, -1] and decision.persons.tolist() == persons


def test_the_stages_are_head_and_shoulders_then_arms_then_all():
    names = [MPII16.joints[i] for i in DeepCut(MPII16, pretrained=False, norm="batch", depth=18, width=2).chosen]
    first, second, third = stages_of(names)
    assert {names[i] for i in first} == {"upper_neck", "head_top", "left_shoulder", "right_shoulder"}
    assert {names[i] for i in set(second) - set(first)} == {
        f"{s}_{p}" for s in ("left", "right") for p in ("elbow", "wrist")
    }
    assert third == tuple(range(14))


@pytest.mark.parametrize(
    ("dataset", "view", "train_view"),
    [("synthetic-multi", WholeImage, SceneCrop), ("synthetic", PersonCrop, None), ("lsp", PersonCrop, None)],
)
def test_the_data_set_says_whether_one_person_is_looked_for(dataset, view, train_view):
    method = resolve("deepcut", "small", dataset).build_method()
    assert type(method.view) is view
    assert train_view is None if method.train_view is None else type(method.train_view) is train_view


def test_the_mode_may_be_said():
    method = resolve("deepcut", "small", "synthetic", ["--method.mode", "multi"]).build_method()
    assert type(method.view) is WholeImage


def test_mpiis_people_have_no_pelvis_and_no_thorax():
    method = build(skeleton=MPII16, mode="single")
    with torch.inference_mode():
        found = method.predict(empty_batch(method))[0]
    lacking = [name for name, joint in zip(MPII16.joints, found.joints[0], strict=True) if joint.isnan().any()]
    assert lacking == ["pelvis", "thorax"]


def test_the_dense_vgg_learns_a_background_and_judges_pairs_by_their_mean():
    method = DeepCut(LSP14, mode="single", paper="deepcut", width=1, pretrained=False, input_size=(64, 64), size=64)
    batch = empty_batch(method)
    terms = method.train().loss(batch)
    assert set(terms) == {"parts", "offsets"} and all(term.isfinite() for term in terms.values())
    with torch.no_grad():
        answers = method(batch.images)
    assert answers.early.shape[1] == 15 and answers.parts.shape[1] == 14
    method.terms.mean.uniform_(-9, 9)
    ways = method._detections(answers, 0).ways
    assert (ways == method.terms.mean.double().numpy()[:, :, None]).all()


def test_the_learning_rates_follow_each_other():
    method = build()
    found = method.configure_optimizers()
    schedule, rates = found["lr_scheduler"]["scheduler"], []
    for share in (0.0, 0.02, 0.5, 0.9):
        method.budget_spent = share
        found["optimizer"].step(), schedule.step()
        rates.append(schedule.get_last_lr()[0])
    assert rates == pytest.approx([0.005, 0.02, 0.002, 0.001])
