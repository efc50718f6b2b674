"""Mask R-CNN: the fidelity checklist, items 1 to 3 and 9 to 13, torchvision's network beside it, and refusals."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.models.detection import keypointrcnn_resnet50_fpn
from torchvision.ops import FrozenBatchNorm2d, box_iou

from bench.config import resolve
from data.augment import Augment
from data.boxes import BoxSource
from data.inputs import Inputs
from data.skeletons import COCO17, LSP14
from data.types import DataError, Person, PoseBatch
from methods import maskrcnn_regions as regions
from methods.keypoint_targets import NOWHERE
from methods.maskrcnn import MaskRCNN

NARROW = {
    "depth": 18, "width": 8, "pyramid_width": 8, "box_width": 16, "keypoint_width": 8, "keypoint_convs": 2,
    "before_nms": (100, 50), "proposals": (60, 30), "rpn_samples": 32, "roi_samples": 16, "most_people": 10,
    "input_size": (128, 160), "anchors": (16, 32, 64, 96, 128), "norm": "batch", "frozen_stages": 0,
    "pretrained": False,
}  # fmt: skip
SIZE = NARROW["input_size"]


def meta(skeleton=COCO17, **options):
    """A method without memory."""
    with torch.device("meta"):
        return MaskRCNN(skeleton, **options)


def small(skeleton=COCO17, **options):
    torch.manual_seed(0)
    return MaskRCNN(skeleton, **NARROW | options).eval()


def person(box, *, ignore=False, visible=2, joints=17, seed=0):
    low, high = np.array(box[:2], float), np.array(box[2:], float)
    where = low + (high - low) * np.random.default_rng(seed).uniform(0.05, 0.95, (joints, 2))
    return Person(where, np.full(joints, visible), np.array(box, float), ignore=ignore)


def batch(*scenes, to_image=None):
    """Images of noise with these people, whose pixels are those of the original unless ``to_image`` says otherwise."""
    to_image = torch.eye(2, 3, dtype=torch.float64) if to_image is None else to_image
    images = torch.randint(
        0, 256, (len(scenes), 3, *SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    most = max(1, *map(len, scenes))
    joints, visible = torch.zeros(len(scenes), most, 17, 2), torch.zeros(len(scenes), most, 17)
    for b, people in enumerate(scenes):
        for i, one in enumerate(people):
            joints[b, i], visible[b, i] = torch.from_numpy(one.joints), torch.from_numpy(one.visible)
    affines = to_image.expand(len(scenes), 2, 3)
    return PoseBatch(images, joints, visible, affines, tuple(range(len(scenes))), tuple(map(tuple, scenes)))


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


SCENE = batch([person((20, 30, 60, 110)), person((70, 20, 130, 120), seed=1)], [], [person((5, 5, 90, 120), seed=2)])


def test_the_keypoint_head_makes_17_maps_of_56_by_56_and_has_the_published_parameters():  # item 1
    heads = meta().net.roi_heads
    maps = heads.keypoint_predictor(heads.keypoint_head(torch.empty(3, 256, 14, 14, device="meta")))
    assert maps.shape == (3, 17, 56, 56) and heads.keypoint_roi_pool.output_size == (14, 14)
    assert (count(heads.keypoint_head), count(heads.keypoint_predictor)) == (17_698_816, 139_281)


def test_the_network_has_the_published_parameters():  # item 2
    assert count(meta()) == 59_137_258
    norms = [module for module in meta().modules() if isinstance(module, FrozenBatchNorm2d)]
    assert sum(norm.weight.numel() + norm.bias.numel() for norm in norms) == 53_120
    assert meta(LSP14).net.roi_heads.keypoint_predictor.kps_score_lowres.out_channels == 14


def test_a_frozen_norm_and_the_first_stages_do_not_learn():
    method = meta()
    still = {name for name, parameter in method.net.named_parameters() if not parameter.requires_grad}
    assert still and all(name.startswith(("backbone.body.conv1", "backbone.body.layer1")) for name in still)
    norms = [module for module in method.modules() if isinstance(module, FrozenBatchNorm2d)]
    assert len(norms) == 53 and not any(isinstance(module, torch.nn.BatchNorm2d) for module in method.modules())


def test_regions_are_cut_without_rounding():  # item 3
    slope, heads = 3.0, small().net.roi_heads
    ramp = slope * torch.arange(40.0).expand(1, 1, 32, 40) / 4  # cell i at stride 4 lies over pixel 4 i
    pyramid = {"0": ramp, "1": ramp[..., :16, :20], "2": ramp[..., :8, :10], "3": ramp[..., :4, :5]}
    cuts = [heads.keypoint_roi_pool(pyramid, [torch.tensor([[20.0 + x, 30, 76 + x, 86]])], [SIZE]) for x in (0.0, 0.4)]
    torch.testing.assert_close(cuts[1] - cuts[0], torch.full_like(cuts[0], 0.1 * slope / 4), atol=1e-5, rtol=0)
    middles = (20 + 56 * (torch.arange(14) + 0.5) / 14) / 4
    torch.testing.assert_close(cuts[0][0, 0], (slope / 4 * middles).expand(14, 14))


def test_the_answer_is_that_of_torchvisions_network_with_the_same_weights():  # item 10
    torch.manual_seed(0)
    theirs = keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None, min_size=128, max_size=160).eval()
    ours = MaskRCNN(COCO17, input_size=SIZE).eval()
    ours.net.load_state_dict(theirs.state_dict())
    inputs = batch([], [])
    with torch.inference_mode():
        expected, found = theirs(list(inputs.images / 255)), ours.predict(inputs)
        boxes = ours.detect(inputs)
    for other, own, (place, score) in zip(expected, found, boxes, strict=True):
        assert len(own.scores) == len(other["scores"]) > 0
        torch.testing.assert_close(own.scores, other["scores"], atol=1e-3, rtol=0)
        torch.testing.assert_close(score, own.scores)  # item 12: a person's score is the box's
        torch.testing.assert_close(place.float(), other["boxes"], atol=1e-3, rtol=1e-4)
        off = (own.joints.float() - other["keypoints"][..., :2]).abs().amax(-1)
        assert (off < 0.01).float().mean() > 0.95  # where two places are equally high, either is right


def test_at_most_100_boxes_above_0_05_none_of_which_overlap_by_more_than_half():  # item 10
    heads = meta().net.roi_heads
    assert (heads.detections_per_img, heads.score_thresh, heads.nms_thresh) == (100, 0.05, 0.5)
    method = small()
    for boxes, scores in method.detect(SCENE):
        assert 0 < len(boxes) <= 10 and (scores > 0.05).all() and (scores.diff() <= 0).all()
        assert (box_iou(boxes, boxes) - torch.eye(len(boxes))).max() <= 0.5


def test_keypoints_lie_in_the_boxes_found():  # item 10
    method = small()
    moved = replace(SCENE, to_image=torch.tensor([[2.0, 0, 10], [0, 2, 20]], dtype=torch.float64).expand(3, 2, 3))
    with torch.inference_mode():
        for pose, (boxes, scores) in zip(method.predict(moved), method.detect(moved), strict=True):
            torch.testing.assert_close(pose.scores, scores)
            low, high = boxes[:, None, :2], boxes[:, None, 2:]
            assert ((pose.joints >= low - 1e-3) & (pose.joints <= high + 1e-3)).all()


def test_a_quarter_of_the_regions_are_people_and_these_overlap_somebody_by_half():  # item 9
    method, truth = small(roi_samples=8), regions.truths(SCENE)
    _, answers = regions.look(method.net, SCENE.images.float())
    samples = regions.sample(method.net, regions.propose(method.net, answers, SIZE), truth)
    for own, one in zip(samples, truth, strict=True):
        assert len(own.boxes) <= 8 and (own.labels == 1).sum() <= 2
        if len(one.boxes):
            overlap = box_iou(own.boxes, one.boxes)
            assert torch.equal(overlap.amax(1) >= 0.5, own.labels == 1) and (own.labels == 1).any()
            assert torch.equal(overlap.argmax(1)[own.labels == 1], own.people[own.labels == 1])
        else:
            assert not own.labels.any()


def test_regions_without_a_labelled_joint_within_are_not_learnt():  # item 9
    truth = regions.truths(batch([person((20, 30, 60, 110)), person((80, 20, 130, 120), visible=0)]))
    box = torch.cat([truth[0].boxes, torch.tensor([[200.0, 200, 300, 300]])])
    own = regions.Sample(box, torch.ones(3, dtype=torch.long), torch.tensor([0, 1, 0]))
    boxes, cells = regions.keypoint_regions([own], truth)
    assert torch.equal(boxes[0], box[:1]) and cells.shape == (1, 17) and (cells != NOWHERE).all()


def test_a_mirrored_input_mirrors_boxes_and_swaps_sides(samples):  # item 11
    method = small(LSP14)
    inputs = Inputs(
        samples, LSP14, method.view, boxes=BoxSource(), augment=Augment(0, 0, flip=1.0), seed=0, max_bytes=10**8
    )
    plain, mirrored = inputs[(-1, 3)], inputs[(0, 3)]
    (here,), (there,) = regions.truths(plain), regions.truths(mirrored)
    width = SIZE[1]
    torch.testing.assert_close(
        there.boxes[:, [2, 1, 0, 3]] * torch.tensor([-1, 1, -1, 1]), here.boxes - torch.tensor([width, 0, width, 0])
    )
    flip = list(LSP14.flip)
    torch.testing.assert_close(there.visible, here.visible[:, flip])
    torch.testing.assert_close(there.joints[..., 0], width - here.joints[:, flip, 0])  # x to W - x: edges, not centres


def test_boxes_are_cut_to_the_input_and_people_outside_are_left_out():
    scene = batch([person((-30, 40, 40, 200)), person((170, 10, 190, 60)), person((50, 50, 90, 100), ignore=True)])
    (truth,) = regions.truths(scene)
    assert truth.boxes.tolist() == [[0, 40, 40, 128]] and truth.ignored.tolist() == [[50, 50, 90, 100]]
    torch.testing.assert_close(truth.joints, scene.joints[0, :1])


def test_somebody_to_be_ignored_is_neither_a_person_nor_nobody():
    (truth,) = regions.truths(batch([person((0, 0, 20, 20)), person((50, 50, 90, 100), ignore=True)]))
    boxes = torch.tensor([[0.0, 0, 20, 20], [55, 55, 80, 90], [40, 50, 60, 100], [36, 50, 60, 100], [100, 0, 120, 30]])
    labels, people = regions.label(boxes, truth, small().net.roi_heads.proposal_matcher)
    assert labels.tolist() == [1, -1, -1, 0, 0] and people[0] == 0
    (nobody,) = regions.truths(batch([person((50, 50, 90, 100), ignore=True)]))
    assert regions.label(boxes, nobody, small().net.roi_heads.proposal_matcher)[0].tolist() == [0, -1, -1, 0, 0]


@pytest.mark.parametrize("scene", [batch([], []), batch([person((0, 0, 160, 128), ignore=True)])])
def test_images_without_people_have_a_finite_loss_without_keypoints(scene):
    method = small().train()
    terms = method.loss(scene)
    assert list(terms) == ["rpn_objectness", "rpn_box", "classifier", "box", "keypoints"]
    sum(terms.values()).backward()
    assert all(term.isfinite() for term in terms.values()) and terms["keypoints"] == terms["box"] == 0
    gradients = [p.grad for p in method.parameters() if p.grad is not None]
    assert gradients and all(gradient.isfinite().all() for gradient in gradients)


def test_nobody_found_is_an_answer_without_people():
    method = small()
    torch.nn.init.constant_(method.net.roi_heads.box_predictor.cls_score.bias, 0)
    method.net.roi_heads.box_predictor.cls_score.bias.data[0] = 50
    with torch.inference_mode():
        assert [pose.joints.shape for pose in method.predict(SCENE)] == [(0, 17, 2)] * 3
        assert [boxes.shape for boxes, _ in method.detect(SCENE)] == [(0, 4)] * 3
        assert [panel.title for panel in method.inside(SCENE)] == [
            "proposals",
            "boxes",
            "keypoint maps",
            "people",
        ]


def test_the_learning_rate_warms_up_and_falls_twice():  # item 13
    method = small(optimizer="sgd", lr=0.02, warm_up=500)
    found = method.configure_optimizers()
    (group,), schedule = found["optimizer"].param_groups, found["lr_scheduler"]["scheduler"]
    assert isinstance(found["optimizer"], torch.optim.SGD)
    assert (group["initial_lr"], group["momentum"], group["weight_decay"]) == (0.02, 0.9, 1e-4)
    (rate,) = schedule.lr_lambdas
    assert [rate(step) for step in (0, 250, 500, 900)] == pytest.approx([1 / 3, 2 / 3, 1, 1])
    for thousands, factor in ((59, 1), (61, 0.1), (79, 0.1), (81, 0.01)):
        method.budget_spent = thousands / 90
        assert rate(1000) == pytest.approx(factor)


@pytest.mark.parametrize("old", [False, True])
def test_a_file_with_torchvisions_names_is_taken_whole_and_joints_by_their_names(old, tmp_path):
    trained = {name: tensor + 1 for name, tensor in small().net.state_dict().items()}
    named = {name.replace("rpn.head.conv.0.0.", "rpn.head.conv."): tensor for name, tensor in trained.items()}
    for kind in ("inner_blocks", "layer_blocks"):
        named = {re.sub(rf"{kind}\.(\d)\.0\.", rf"{kind}.\1.", name): tensor for name, tensor in named.items()}
    torch.save(named if old else trained, tmp_path / "theirs.pt")
    ours = small(weights=tmp_path / "theirs.pt")
    ours.before_fit(None)
    for name, tensor in ours.net.state_dict().items():
        torch.testing.assert_close(tensor, trained[name])


@pytest.mark.parametrize("images", [4, 16])
def test_the_learning_rate_is_in_proportion_to_the_images_of_a_step(images):  # item 13
    method = small(optimizer="sgd")
    method._images_a_step = lambda: images
    assert method.configure_optimizers()["optimizer"].param_groups[0]["initial_lr"] == pytest.approx(0.02 * images / 16)


def test_the_papers_preset_looks_at_2000_proposals_and_512_regions_in_training():
    with torch.device("meta"):
        net = resolve("maskrcnn", "paper", "synthetic-multi").build_method().net
    assert net.rpn._pre_nms_top_n == net.rpn._post_nms_top_n == {"training": 2000, "testing": 1000}
    sampler = net.roi_heads.fg_bg_sampler
    assert (sampler.batch_size_per_image, sampler.positive_fraction) == (512, 0.25)
    assert net.rpn.anchor_generator.sizes == ((32,), (64,), (128,), (256,), (512,))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mask": True}, "segments"),
        ({"input_size": (100, 160)}, "multiples of 32"),
        ({"depth": 20}, "depth 20"),
        ({"box_width": 0}, "box_width 0"),
        ({"proposals": (0, 10)}, "proposals"),
        ({"anchors": (16, 32)}, "anchors"),
        ({"frozen_stages": 6}, "frozen_stages 6"),
        ({"norm": "frozen"}, "norm frozen"),
        ({"frozen_stages": 1}, "without weights"),
        ({"pretrained": True}, "width 8"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_one_line(options, said):
    with pytest.raises(DataError, match=said) as caught:
        small(**options)
    assert "\n" not in str(caught.value)
