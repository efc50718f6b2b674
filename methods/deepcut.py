"""DeepCut and DeeperCut: part candidates, labelled and divided into people by an integer program.

DeepCut (Pishchulin et al., CVPR 2016, arXiv:1511.06645): a dense VGG; MPII multi-person, 288 images: AP 54.1.
DeeperCut (Insafutdinov et al., ECCV 2016, arXiv:1605.03170): a ResNet-152 that also says where the other joints are:
AP 71.2; the full test set 59.5; LSP, trained with MPII: PCK@0.2 90.1. 65,964,922 parameters with 14 of MPII's joints.

The authors scale the radius of the parts with each image; here people of training inputs are of one height and it is
17 pixels of that. Pixels are normalised as torchvision's weights want, not by the mean alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from data.module import PoseDataModule
from data.types import FloatArray, PoseBatch, PosePrediction, Skeleton, apply_affine
from data.views import PersonCrop, SceneCrop, WholeImage
from methods import deepcut_targets as targets
from methods.base import PoseMethod
from methods.deepcut_candidates import (
    LEAST_SCORE,
    MOST,
    MOST_PER_CLASS,
    NMS,
    Candidates,
    complete,
    find_candidates,
    people_of,
)
from methods.deepcut_nets import Answers, Norm, Paper, PartResNet, StrideOn, begin_as, build_detector
from methods.deepcut_program import Decision, Programs, Solver
from methods.deepcut_refusals import refuse
from methods.images import normalise
from methods.inside import Panel
from methods.joints import kept, spread
from methods.pairwise_samples import Samples
from methods.pairwise_terms import LOGISTIC_C, Detections, PairTerms
from methods.simplebaseline import Depth, imagenet_weights
from methods.weights import read_state

LEFT_OUT = {"mpii16": ("pelvis", "thorax")}  # the authors' 14 joints
BORDER = (124, 116, 104)  # ImageNet's mean: what lies outside the image becomes 0
PERSON = 340  # pixels that a person is high; the authors' code
MOMENTUM = 0.9
STEPS = 1030  # thousand; the ends of the learning rates are at 10, 430 and 730


class DeepCut(PoseMethod):
    """Bottom-up: a detector's candidates, log-odds of classes and of pairs, and one program that decides everything."""

    title: ClassVar[str] = "DeepCut / DeeperCut"
    year: ClassVar[int] = 2016
    people: ClassVar[Literal["single", "multi"]] = "multi"

    def __init__(
        self,
        skeleton: Skeleton,
        mode: Literal["multi", "single"] | None = None,
        paper: Paper = "deepercut",
        depth: Depth = 152,
        width: int = 64,
        pools: int = 1,
        norm: Norm = "frozen",
        stride_on: StrideOn | None = None,
        input_size: tuple[int, int] = (512, 512),
        size: int = 512,
        person_height: float = PERSON / 512,
        radius: float = targets.RADIUS,
        nms: float = NMS,
        least_score: float = LEAST_SCORE,
        per_class: int = MOST_PER_CLASS,
        candidates: int = MOST,
        pairwise: Literal["regressed", "mean", "none"] | None = None,
        same_class: Literal["fixed", "learned"] = "fixed",
        fit_images: int = 4000,
        logistic_c: float = LOGISTIC_C,
        solver: Solver = "exact",
        incremental: bool = False,
        time_limit: float | None = None,
        optimizer: Literal["sgd", "adam"] = "sgd",
        rates: tuple[float, ...] = (0.005, 0.02, 0.002, 0.001),
        rate_ends: tuple[float, ...] = (10 / STEPS, 430 / STEPS, 730 / STEPS),
        weight_decay: float = 1e-4,
        pretrained: bool = True,
        backbone_weights: Path | None = None,
    ) -> None:
        """Build the network; weights are brought only before training.

        Args:
            skeleton: Whose joints to find; of MPII's the authors' 14.
            mode: Everybody in an image, or one person a crop, which the program then makes of one cluster. Where None,
                everybody; in a benchmark, what the data set has.
            paper: DeeperCut's ResNet, or DeepCut's dense VGG-16, which says nothing of other joints.
            depth: Layers of the ResNet.
            width: Channels of its stem; VGG's channels go with it in proportion, 64 being its own.
            pools: 0 leaves out the pooling of the ResNet's stem, so that a cell is 4 pixels and not 8.
            norm: ``frozen`` batch norms keep the statistics of the weights they came with.
            stride_on: Which convolution of a ResNet's bottleneck strides; where None, the second where torchvision's
                weights are brought and the authors' first where not.
            input_size: Height and width into which test images are fitted; of the crops in single mode.
            size: Height and width of the crops that several people are trained on.
            person_height: Of the person that a crop is centred on, in its height.
            radius: Of a part, in input pixels.
            nms: Cells between two candidates of a class.
            least_score: Of a class; lower ones are 0.
            per_class: Candidates, at most.
            candidates: Of an image, at most.
            pairwise: Different classes are judged by the ways that the network says, or by their mean over the training
                people, as DeepCut does; ``none`` joins nothing. Where None, what the paper has.
            same_class: The release's formula, its pixels scaled with the radius, or a logistic regression.
            fit_images: Training inputs that the logistic regressions are fitted on.
            logistic_c: Inverse strength of their penalty; it goes with the number of samples.
            solver: Of the program.
            incremental: Decide head and shoulders first, then arms, then all, as DeeperCut does for speed.
            time_limit: Seconds of one image's program, after which its best answer is taken.
            optimizer: The paper's is SGD with momentum.
            rates: Learning rates, one after the other.
            rate_ends: Shares of the training after which the next begins.
            weight_decay: Of SGD.
            pretrained: Start the ResNet from timm's copy of torchvision's ImageNet weights (brought from the hub).
            backbone_weights: Start from this state dict of a ResNet or VGG-16 (torchvision's or timm's) instead.

        Raises:
            DataError: for settings that cannot work together.
        """
        super().__init__(skeleton)
        self.hparams.update({"backbone_weights": backbone_weights and str(backbone_weights)})  # checkpoints: no paths
        self.mode, self.paper, self.depth, self.radius = mode or "multi", paper, depth, radius
        self.pretrained, self.backbone_weights = pretrained, backbone_weights
        self.stride = 8 if pools or paper == "deepcut" else 4
        self.find, self.fit_images, self.logistic_c = (nms, least_score, per_class, candidates), fit_images, logistic_c
        self.pairwise = pairwise or ("regressed" if paper == "deepercut" else "mean")
        self.optimizer, self.rates, self.rate_ends, self.weight_decay = optimizer, rates, rate_ends, weight_decay
        refuse(self.hparams, self.stride)
        self._look(input_size, size, person_height)
        self.chosen = list(kept(skeleton, LEFT_OUT))
        stride_on = stride_on or ("3x3" if pretrained or backbone_weights else "1x1")
        net = build_detector(paper, len(self.chosen), depth, width, norm, stride_on, pools)
        self.net = net.to(memory_format=torch.channels_last)
        self.terms = PairTerms(len(self.chosen), radius, same_class)
        names, chosen_solver = [skeleton.joints[i] for i in self.chosen], "none" if self.pairwise == "none" else solver
        self.programs = Programs(names, self.mode, chosen_solver, time_limit, incremental=incremental)

    def _look(self, input_size: tuple[int, int], size: int, person_height: float) -> None:
        """Look at whole images and train on crops of scenes, or at one person a crop."""
        h, w = input_size
        if self.mode == "multi":
            self.view = WholeImage((h, w), border=BORDER)
            self.train_view = SceneCrop((size, size), border=BORDER, height=person_height)
        else:
            self.view = PersonCrop((h, w), padding=1 / person_height, border=BORDER)

    def before_fit(self, data: PoseDataModule) -> None:
        """Take mean and deviation of the ways between joints, of people and their mirror images; bring weights."""
        inputs = data.inputs("train")
        everyone: list[tuple[FloatArray, FloatArray]] = []
        for position in np.linspace(0, len(inputs) - 1, min(len(inputs), self.fit_images)).round().astype(int).tolist():
            affine, _ = inputs.geometry(-1, position)
            everyone.append(inputs.truth(position, affine))
        joints, visible = (torch.from_numpy(np.concatenate(part)) for part in zip(*everyone, strict=True))
        joints, visible = targets.with_mirrored(joints, visible, self.skeleton.flip)
        mean, std = targets.pair_statistics(joints[:, self.chosen], visible[:, self.chosen])
        self.terms.mean.copy_(mean)
        self.terms.std.copy_(std)
        if self.backbone_weights:
            begin_as(self.net, read_state(self.backbone_weights), str(self.backbone_weights))
        elif self.pretrained:
            begin_as(self.net, imagenet_weights(self.depth), f"ResNet-{self.depth} of the hub")

    def after_fit(self, data: PoseDataModule) -> None:
        """Fit the pairwise terms on training inputs."""
        samples, was_training = Samples(self.terms), self.training
        self.eval()
        for batch in data.inputs("train").evenly(self.fit_images, data.batch_size):
            visible = batch.visible[:, :, self.chosen].double().numpy()
            truths = zip(batch.joints[:, :, self.chosen].double().numpy(), visible, strict=True)
            with torch.inference_mode():
                answers = self(batch.images.to(self.device))
            for b, (joints, seen) in enumerate(truths):
                samples.add(self._detections(answers, b), joints, seen)
        samples.fit(self.logistic_c)
        self.train(was_training)

    def forward(self, images: Tensor) -> Answers:
        """Turn uint8 images (B, 3, h, w) into what the detector says of every cell."""
        answers: Answers = self.net(normalise(images))
        return answers

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Cross-entropy of the parts, of the intermediate ones too, and Huber losses of the ways, weighted 0.05."""
        answers = self(batch.images)
        joints, visible = batch.joints[:, :, self.chosen], batch.visible[:, :, self.chosen]
        h, w = answers.parts.shape[-2:]
        truth = targets.draw_targets(joints, visible, (h, w), self.stride, self.radius)
        weight = targets.counted_cells(batch.counted, answers.parts)
        terms = {"parts": targets.part_loss(answers.parts, truth.parts, weight)}
        if answers.early is not None and self.paper == "deepercut":
            terms["early"] = targets.EARLY_WEIGHT * targets.part_loss(answers.early, truth.parts, weight)
        elif answers.early is not None:
            background = 1 - truth.parts.amax(1, keepdim=True)
            terms["parts"] = targets.part_loss(answers.early, torch.cat([truth.parts, background], 1), weight)
        terms["offsets"] = targets.OFFSET_WEIGHT * targets.offset_loss(answers.offsets, truth)
        if isinstance(self.net, PartResNet) and answers.features is not None:
            cells = targets.Cells.of(truth.parts)
            found, mean, std = self.net.pairs_at(answers.features, cells), self.terms.mean, self.terms.std
            loss = targets.pair_loss(found, cells, truth, joints, visible, self.stride, mean, std)
            terms["pairs"] = targets.PAIR_WEIGHT * loss
        return terms

    def _detections(self, answers: Answers, b: int) -> Detections:
        """Bring what is said of one image to input pixels."""
        return self.terms.detections(answers, b, self.stride, regressed=self.pairwise == "regressed")

    def _decided(self, batch: PoseBatch) -> tuple[Tensor, list[tuple[Candidates, Decision, Detections]]]:
        """Return the score maps (B, J, h, w), and each image's candidates with what was decided."""
        answers = self(batch.images)
        scores = answers.parts.float().sigmoid().cpu()
        found = []
        for b, image in enumerate(batch.image_ids):
            said = self._detections(answers, b)
            candidates = find_candidates(scores[b].numpy(), said.places, self.stride, *self.find)
            pairs = self.terms.probabilities(said, candidates.cell, candidates.unary)
            found.append((candidates, self.programs.decide(candidates.unary, pairs, image), said))
        return scores, found

    def predict(self, batch: PoseBatch) -> list[PosePrediction]:
        """Make people of the clusters; a person's score is the sum of the joints' scores over their number."""
        scores, found = self._decided(batch)
        people = []
        for b, (candidates, decision, said) in enumerate(found):
            joints, sure = self._people(candidates, decision, scores[b].numpy(), said)
            where = apply_affine(torch.from_numpy(joints), batch.to_image[b].double().cpu())
            parts = [self._everywhere(t) for t in (where, torch.from_numpy(sure))]
            people.append(PosePrediction(parts[0], parts[1].nan_to_num(0.0), torch.from_numpy(sure.mean(1))))
        return people

    def _everywhere(self, values: Tensor) -> Tensor:
        return spread(values, self.chosen, len(self.skeleton.joints))

    def _people(
        self, candidates: Candidates, decision: Decision, scores: FloatArray, said: Detections
    ) -> tuple[FloatArray, FloatArray]:
        """Return (N, J, 2) input pixels and (N, J) scores; of one person missing joints are the maps' highest cells."""
        joints, sure = people_of(candidates, decision.labels, decision.persons)
        return (joints, sure) if self.mode == "multi" else complete(joints, sure, scores, said.places)

    def inside(self, batch: PoseBatch) -> list[Panel]:
        """Show score maps, candidates by class, whom those that were kept belong to, what was left out, and people."""
        scores, found = self._decided(batch)
        best = [c.unary.argmax(1) if len(c) else np.empty(0, np.intp) for c, _, _ in found]
        points = [c.places[np.arange(len(c)), k] for (c, _, _), k in zip(found, best, strict=True)]
        labels = [torch.from_numpy(k) for k in best]
        owners = [torch.from_numpy(np.asarray(d.persons)) for _, d, _ in found]
        spots = [torch.from_numpy(p) for p in points]
        people = [
            self._everywhere(torch.from_numpy(self._people(c, d, s.numpy(), said)[0]))
            for (c, d, said), s in zip(found, scores, strict=True)
        ]
        return [
            Panel("part maps", maps=scores),
            Panel("candidates by class", points=spots, groups=labels),
            Panel("kept, by person; grey: suppressed", points=spots, groups=owners),
            Panel("people", people=people),
        ]

    def notes(self) -> dict[str, list[float]]:
        """Return objective, bound, gap, seconds and candidates of the test images' programs."""
        return self.programs.notes()

    def on_test_start(self) -> None:
        """Forget the programs of the validation."""
        self.programs.reset()

    def configure_optimizers(self) -> Any:
        """SGD with momentum, or Adam; the learning rates follow each other."""
        found: torch.optim.Optimizer
        if self.optimizer == "sgd":
            found = torch.optim.SGD(self.parameters(), self.rates[0], MOMENTUM, weight_decay=self.weight_decay)
        else:
            found = torch.optim.Adam(self.parameters(), self.rates[0], fused=True)
        schedule = LambdaLR(found, lambda _: self.rates[self.passed(self.rate_ends)] / self.rates[0])
        return {"optimizer": found, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
