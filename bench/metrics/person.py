"""Any metric over people as a torchmetrics class: right for every split into batches and processes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from bench.metrics.protocols import Hits, MetricValue, PersonProtocol, person_protocol, summarise
from data.types import FloatArray, Person, PosePrediction, Skeleton

IN_SPACE = "pck3d@150mm"  # default: says who is who in space, also for metrics that measure distances


class PersonMetric(Metric):
    """Collect the hits of every true person; the value is pooled once, at the end."""

    full_state_update = False
    hits: list[Tensor]
    counted: list[Tensor]

    def __init__(self, metric: str, skeleton: Skeleton) -> None:
        """Start from nobody.

        Args:
            metric: id of the protocol.
            skeleton: names the joints.

        Raises:
            ValueError: if there is no such id, it ranks everybody in an image, or the skeleton lacks what it measures.
        """
        super().__init__()
        self.protocol = person_protocol(metric)
        self.skeleton = skeleton
        nobody = self.protocol.score(np.zeros((0, len(skeleton.joints), self.protocol.dims)), (), skeleton)
        self.items, self.rows = nobody.hits.shape[1], nobody.rows
        self.set_dtype(torch.float64)  # torchmetrics fills in for a process without data, in this type and flat
        self.add_state("hits", [], "cat")
        self.add_state("counted", [], "cat")

    def update(self, predictions: list[PosePrediction], people: tuple[tuple[Person, ...], ...]) -> None:
        """Add the people of a batch.

        Args:
            predictions: what was found in each input.
            people: whom each input was asked to find.
        """
        pairs = zip(predictions, people, strict=True)
        found = [assign(prediction, truth, self.protocol, self.skeleton) for prediction, truth in pairs]
        everyone = [person for truth in people for person in truth]
        if not everyone:
            return
        result = self.protocol.score(np.concatenate(found), everyone, self.skeleton)
        keep = np.array([not person.ignore for person in everyone])
        for state, values in ((self.hits, result.hits), (self.counted, result.counted)):
            state.append(torch.as_tensor(values[keep], dtype=torch.float64, device=self.device).flatten())

    def compute(self) -> MetricValue:
        """Pool.

        Raises:
            ValueError: if nobody can be counted.
        """
        states = [dim_zero_cat(s) if len(s) else torch.zeros(0) for s in (self.hits, self.counted)]
        hits, counted = (s.cpu().double().numpy().reshape(-1, self.items) for s in states)
        return summarise(self.protocol, Hits(hits, counted > 0, self.rows))


def assign(
    prediction: PosePrediction, truth: Sequence[Person], protocol: PersonProtocol, skeleton: Skeleton
) -> FloatArray:
    """Give each true person at most one found person.

    One true person gets the best-scoring one. Of several, each found person, best score first, takes the person still
    free on whom it has most hits; without a hit on anyone it takes nobody. In space a hit is one of `pck3d@150mm`.

    Args:
        prediction: N found people, pixels of the original image, or mm.
        truth: P true people of the same image.
        protocol: says what a hit is.
        skeleton: names the K joints.

    Returns:
        (P, K, 2) pixels or (P, K, 3) mm; NaN for a person who got none.
    """
    joints = prediction.joints.detach().cpu().double().numpy()
    order = prediction.scores.detach().cpu().argsort(descending=True, stable=True).tolist()
    assigned = np.full((len(truth), len(skeleton.joints), protocol.dims), np.nan)
    if not order or not truth:
        return assigned
    if len(truth) == 1:
        assigned[0] = joints[order[0]]
        return assigned
    judge = person_protocol(IN_SPACE) if protocol.kind == "body3d" else protocol
    repeated = np.repeat(joints, len(truth), 0)
    counts = judge.score(repeated, list(truth) * len(joints), skeleton).hits.sum(1).reshape(-1, len(truth))
    for n in order:
        best = int(counts[n].argmax())
        if counts[n, best] > 0:
            assigned[best] = joints[n]
            counts[:, best] = 0
    return assigned
