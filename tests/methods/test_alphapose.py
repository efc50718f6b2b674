"""AlphaPose, after the checklist of its specification, on drawn people; the numbers are its items."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench import evaluate as evaluation
from bench.config import resolve
from data.boxes import BoxSource
from data.detections import Detections
from data.module import PoseDataModule
from data.skeletons import COCO17, MPII16
from data.types import DataError, PosePrediction
from data.views import PersonCrop
from methods import sppe
from methods.alphapose import AlphaPose
from methods.hourglass import Hourglass

TINY = {"stacks": 2, "input_size": (64, 64), "width": 16, "order": 2}
NEVER, ALWAYS = (1.0, 1.0), (0.0, 0.0)


def tiny(skeleton=COCO17, options=TINY, **given):
    torch.manual_seed(0)
    settings = {"estimator_options": options, "localiser_width": 8, "parallel_stacks": 1, "tau": 1.0, **given}
    return AlphaPose(skeleton, **settings)


@pytest.fixture(scope="module")
def batches():
    """The same people in true and in wrong boxes."""
    view = PersonCrop((64, 64), padding=1.3)
    data = {
        boxes: PoseDataModule(view, "synthetic-multi", boxes=BoxSource.parse(boxes), test_limit=3, test_batch_size=8)
        for boxes in ("truth", "jitter:0.2")
    }
    return {boxes: next(iter(one.test_dataloader())) for boxes, one in data.items()}


def bent(method):
    """Let the localiser say something else than nothing, differently for each crop."""
    torch.nn.init.normal_(method.localiser.theta.weight, std=0.05)
    with torch.no_grad():
        method.localiser.theta.bias += torch.tensor([-0.2, 0.1, 0.1, 0.05, -0.1, -0.1])
    return method


def gradients(module, loss):
    found = torch.autograd.grad(loss, list(module.parameters()), retain_graph=True, allow_unused=True)
    return [g for g in found if g is not None]


def test_the_papers_networks_have_the_papers_sizes():  # item 13
    method = AlphaPose(MPII16)
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in method.named_children()}
    assert (count["estimator"], count["localiser"], count["frozen"]) == (25_434_112, 11_179_590, 12_858_304)
    assert {tuple(method.view.size), tuple(method.input_size)} == {(256, 256)}
    assert sum(p.numel() for part in method.tested() for p in part.parameters()) == 25_434_112 + 11_179_590


def test_the_first_stacks_of_a_copy_answer_as_those_of_the_whole(batches):
    net = Hourglass(COCO17, **{**TINY, "stacks": 3}).eval()
    copied, images = sppe.frozen_copy(net, 2), batches["truth"].images
    with torch.inference_mode():
        torch.testing.assert_close(copied(images), net(images)[:2])
    with torch.no_grad():
        net.net.pre[0].conv.weight.mul_(2)
    sppe.take_over(copied, net)
    with torch.inference_mode():
        torch.testing.assert_close(copied(images), net(images)[:2])


def test_at_the_beginning_the_transformers_change_nothing(batches):  # item 3
    method, images = tiny().eval(), batches["truth"].images
    with torch.inference_mode():
        seen, _ = method.seen(images)
        assert (seen - images.float()).abs().max() / 255 < 1e-5
        torch.testing.assert_close(method(images), method.estimator(images), atol=1e-4, rtol=1e-4)


def test_a_step_leaves_the_frozen_branch_as_it_was_and_moves_the_rest(batches):  # item 4
    method = bent(tiny(phase_ends=ALWAYS))
    method.train()
    method.on_train_batch_start(batches["truth"], 0)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    optimizer = method.configure_optimizers()["optimizer"]
    torch.stack(list(method.loss(batches["jitter:0.2"]).values())).sum().backward()
    optimizer.step()
    changed = {name for name, value in method.state_dict().items() if not torch.equal(value, before[name])}
    assert not {name for name in changed if name.startswith("frozen.")}, "weights and statistics"
    assert {"estimator.net.outs.0.conv.weight", "localiser.conv1.weight", "localiser.theta.weight"} <= changed


def test_the_parallel_loss_moves_the_localiser_alone(batches):  # item 4
    method = bent(tiny(phase_ends=ALWAYS)).train()
    terms = method.loss(batches["jitter:0.2"])
    assert any(g.abs().max() > 0 for g in gradients(method.localiser, terms["parallel"]))
    assert not gradients(method.estimator, terms["parallel"])
    assert any(g.abs().max() > 0 for g in gradients(method.estimator, terms["main"]))


def test_the_frozen_branch_has_the_weights_that_the_estimator_has_when_it_begins():
    method = tiny(phase_ends=(0.3, 0.6)).train()
    for spent, taken in ((0.0, False), (0.5, False), (0.6, True)):
        method.budget_spent = spent
        method.on_train_batch_start(None, 0)
        assert bool(method.copied) == taken
    theirs = method.estimator.state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in method.frozen.state_dict().items())
    with torch.no_grad():
        method.estimator.net.pre[0].conv.weight.add_(1)
    method.on_train_batch_start(None, 1)
    assert not torch.equal(method.frozen.net.pre[0].conv.weight, method.estimator.net.pre[0].conv.weight), "once"


def test_the_phases_follow_each_other(batches):
    method = tiny(phase_ends=(0.3, 0.6)).train()
    found = []
    for spent in (0.0, 0.3, 0.6, 1.0):
        method.budget_spent = spent
        found.append((method.transforming, set(method.loss(batches["truth"]))))
    assert found == [(False, {"main"}), (True, {"main"}), (True, {"main", "parallel"}), (True, {"main", "parallel"})]
    method.budget_spent = 0.0
    assert method.eval().transforming, "whoever tests it tests all of it"


def test_at_test_time_the_parallel_branch_is_gone(batches):  # item 5
    method, images = bent(tiny()).eval(), batches["truth"].images[:2]
    method.frozen.forward = lambda images: pytest.fail("the parallel branch was asked")
    maps = method(images)
    assert set(method.tested()) == {method.localiser, method.estimator}
    expected = []
    theta = method.localiser(_normalised(images))
    for stack in method.estimator(_sampled(images.float(), theta)):
        linear = torch.linalg.inv(theta[:, :, :2])
        expected.append(_sampled(stack, torch.cat([linear, -linear @ theta[:, :, 2:]], 2)))
    torch.testing.assert_close(maps, torch.stack(expected), atol=1e-4, rtol=1e-3)


def _normalised(images):
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (images.float() / 255 - mean[:, None, None]) / std[:, None, None]


def _sampled(images, theta):
    """Bilinear samples by hand: one pixel after the other."""
    h, w = images.shape[-2:]
    found = torch.zeros_like(images)
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    for b, way in enumerate(theta):
        for y in range(h):
            for x in range(w):
                target = torch.tensor([(2 * x + 1) / w - 1, (2 * y + 1) / h - 1, 1.0])
                sx, sy = ((way @ target + 1) * torch.tensor([w, h]) - 1) / 2 + 1
                if not (0 <= sx < w + 1 and 0 <= sy < h + 1):
                    continue
                x0, y0 = int(sx), int(sy)
                fx, fy = sx - x0, sy - y0
                near = padded[b, :, y0 : y0 + 2, x0 : x0 + 2]
                found[b, :, y, x] = (
                    near[:, 0, 0] * (1 - fx) * (1 - fy)
                    + near[:, 0, 1] * fx * (1 - fy)
                    + near[:, 1, 0] * (1 - fx) * fy
                    + near[:, 1, 1] * fx * fy
                )
    return found


def test_main_and_parallel_targets_are_one_where_the_box_is_right(batches):  # item 6
    view = tiny().view
    for boxes, same in (("truth", True), ("jitter:0.2", False)):
        batch = batches[boxes]
        known = batch.visible[:, 0] > 0
        away = (sppe.centred(batch, view) - batch.joints[:, 0]).norm(dim=-1)[known]
        assert (away.max() < 1e-3) if same else (away.mean() > 3)


def test_the_centred_joints_are_those_of_the_true_box_whatever_the_wrong_one(batches):
    view = tiny().view
    wrong, right = sppe.centred(batches["jitter:0.2"], view), batches["truth"].joints[:, 0]
    known = (batches["truth"].visible[:, 0] > 0)[..., None]
    torch.testing.assert_close(wrong * known, right * known, atol=1e-3, rtol=0)


def test_the_centred_joints_are_turned_and_mirrored_as_the_input_is(batches):
    batch, view = batches["truth"], tiny().view
    angle = torch.tensor(0.4)
    turn = torch.stack([torch.stack([-angle.cos(), angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    middle = torch.full((2,), 32.0)
    moved = (batch.joints - middle) @ turn.T + middle
    back = batch.to_image.clone()
    linear = batch.to_image[:, :, :2] @ torch.linalg.inv(turn.double())
    back[:, :, :2] = linear
    back[:, :, 2] = batch.to_image[:, :, 2] + (batch.to_image[:, :, :2] - linear) @ middle.double()
    turned = replace(batch, joints=moved, to_image=back)
    known = (batch.visible[:, 0] > 0)[..., None]
    torch.testing.assert_close(sppe.centred(turned, view) * known, moved[:, 0] * known, atol=1e-3, rtol=0)


def test_a_box_grows_by_thirty_percent_to_a_square_and_its_peak_comes_back(batches):  # item 12
    method = AlphaPose(COCO17, estimator_options=TINY)
    batch = batches["truth"]
    sides = (batch.aims[:, 2:] - batch.aims[:, :2]).amax(1)
    torch.testing.assert_close(batch.to_image[:, 0, 0] * 64, 1.3 * sides)
    grid, cell = method.estimator.grid, method.estimator.grid.stride[0] * batch.to_image[:, 0, 0]
    joints, k = batch.joints[:, 0], 17
    inside = ((joints > 1) & (joints < 63)).all(-1) & (batch.visible[:, 0] > 0)
    maps, _ = method.estimator.encode(grid.cells(joints), batch.visible[:, 0], grid.size, 1.0, stride=1)
    found = method.estimator.decode(maps)[0]
    method._maps = lambda images: maps
    places = torch.stack([one.joints[0] for one in method.predict(batch)])
    true = torch.from_numpy(np.stack([people[0].joints for people in batch.people]))
    away = (places - true).norm(dim=-1)
    assert found.shape == (len(batch), k, 2) and (away[inside] <= cell[:, None].expand(-1, k)[inside]).all()


def test_doubles_become_one_and_others_stay():  # item 9
    rng = np.random.default_rng(0)
    joints = np.stack([rng.uniform(0, 100, (17, 2)), rng.uniform(300, 400, (17, 2))])
    three = torch.from_numpy(joints[[0, 1, 0]] + np.array([0, 0, 0.5])[:, None, None])
    sure = torch.tensor([0.6, 0.5, 0.9]).double()[:, None].expand(-1, 17)
    people = PosePrediction(three, sure, sure.mean(1))
    kept = {name: tiny(nms=name).together(people) for name in ("caffe", "alphapose", "mxnet", "fitted", "none")}
    assert [len(kept[name].scores) for name in kept] == [2, 2, 2, 2, 3]
    assert kept["caffe"].scores.tolist() == pytest.approx([0.9, 0.5])
    nobody = PosePrediction(torch.zeros(0, 17, 2), torch.zeros(0, 17), torch.zeros(0))
    assert len(tiny().together(nobody).scores) == 0


def test_any_estimator_of_heat_maps_takes_the_hourglass_place(batches):
    options = {"depth": 18, "width": 8, "deconv_filters": 8, "input_size": (64, 64), "pretrained": False}
    method = tiny(estimator="simplebaseline", options=options, phase_ends=ALWAYS)
    terms = method.loss(batches["truth"])
    assert set(terms) == {"main", "parallel"} and all(term.isfinite() for term in terms.values())
    assert len(method.eval().predict(batches["truth"])) == len(batches["truth"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"estimator": "openpose"}, "expected a method of one person's heat-maps: hourglass, hrnet, simplebaseline"),
        ({"options": {"stakcs": 2}}, "estimator_options of hourglass: .*stakcs"),
        ({"padding": 0.5}, "padding 0.5"),
        ({"tau": 0.0}, "tau 0.0"),
        ({"phase_ends": (0.8, 0.4)}, "phase_ends"),
        ({"parallel_stacks": 0}, "parallel_stacks 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(options, told):
    with pytest.raises(DataError, match=told):
        tiny(**options)


def small_data(method, boxes="truth", **options):
    return PoseDataModule(
        method.view, "synthetic-multi", boxes=BoxSource.parse(boxes), train_view=method.train_view,
        train_limit=12, test_limit=2, batch_size=8, **options,
    )  # fmt: skip


def test_proposals_are_fitted_to_the_boxes_of_the_training(tmp_path):
    method = tiny(proposals="fitted", atoms=2)
    with pytest.raises(DataError, match=r"--method\.detections FILE of the training images"):
        method.before_fit(small_data(method))
    method.before_fit(small_data(method, "jitter:0.1"))
    assert method.proposals.std.mean() == pytest.approx(0.1, abs=0.05)
    nobody = tmp_path / "nobody.json"
    nobody.write_text('[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}]')
    lost = tiny(detections=nobody, atoms=2)
    with pytest.raises(DataError, match=r"no box of nobody.json .*another split"):
        lost.before_fit(small_data(lost))


def test_the_pose_nms_is_fitted_to_training_images():
    method = tiny(nms="fitted", fit_images=4)
    before = method.nms_numbers.clone()
    data = small_data(method)
    images = {sample.image_id for sample in data.inputs("train").samples}
    asked = []
    method.predict = lambda batch: asked.extend(batch.image_ids) or perfect(batch)
    method.after_fit(data)
    assert len(set(asked)) == 4 and set(asked) <= images
    doubles = [asked.count(image) for image in set(asked)]
    assert all(count % 3 == 0 for count in doubles), "everybody in three boxes"
    assert (method.nms_numbers > 0).all() and before.shape == method.nms_numbers.shape


def perfect(batch):
    """Answer with the truth."""
    return [
        PosePrediction(torch.from_numpy(p[0].joints)[None], torch.ones(1, 17).double(), torch.ones(1).double())
        for p in batch.people
    ]


def test_strange_boxes_give_finite_people_and_an_image_without_boxes_nobody():
    """Boxes larger than the image, of one pixel and outside of it; the second image has none."""
    method = bent(tiny()).eval()
    probe = PoseDataModule(method.view, "synthetic-multi", test_limit=2)
    image, other = (sample.image_id for sample in probe.samples("test"))
    strange = [[-900.0, -900, 9000, 9000, 0.9], [10, 10, 11, 11, 0.8], [10, 10, 10, 10, 0.7], [-50, -50, -10, -10, 0.6]]
    boxes = BoxSource(found=Detections("strange", {image: np.array(strange)}))
    data = PoseDataModule(method.view, "synthetic-multi", boxes=boxes, test_limit=2, test_batch_size=3)
    evaluate = evaluation.Evaluate(data.entry.protocols, data.entry.skeleton)
    evaluation.test(method, data, evaluate, accelerator="cpu")
    assert set(evaluate.people_ids) == {image} and evaluate.results["ap"].n == len(
        [p for sample in data.inputs("test").samples for p in sample.people if (p.visible > 0).any()]
    )
    assert all(one.joints.isfinite().all() for one in evaluate.people) and other not in evaluate.image_ids
    assert len(evaluate.predictions) == 2, "boxes without a size in the image are left out"


def test_a_localiser_that_has_collapsed_gives_finite_people(batches):
    method = tiny().eval()
    torch.nn.init.zeros_(method.localiser.theta.bias)
    with torch.inference_mode():
        found = method.predict(batches["truth"])
    assert all(one.joints.isfinite().all() and one.scores.isfinite().all() for one in found)
    terms = method.train().loss(batches["truth"])
    sum(terms.values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())


def test_the_small_preset_is_the_paper_in_small():
    method = resolve("alphapose", "small", "synthetic-multi").build_method()
    assert method.localiser is not None and method.frozen is not None and method.how == "released"
    assert isinstance(method.estimator, Hourglass)
