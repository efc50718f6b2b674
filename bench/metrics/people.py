"""MPII multi-person AP as a torchmetrics class: right for every split into batches and processes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from bench.metrics.conventions import Convention, joint_rows
from bench.metrics.groups import Matched, average_precision, match
from bench.metrics.protocols import PERCENT, MetricValue, PeopleProtocol, lookup
from bench.metrics.values import DECIMALS, by_row
from bench.stats import bootstrap, interval
from data.types import FloatArray, Person, PosePrediction, Skeleton

HEADER = 3  # of a group in the state: found people, true people counted, true people left out; then K joints to find


class PeopleMetric(Metric):
    """Collect the matches of every group of people; the ranking over all of them is made once, at the end."""

    full_state_update = False
    stream: list[Tensor]

    def __init__(self, metric: str, skeleton: Skeleton) -> None:
        """Start from no group.

        Args:
            metric: id of the protocol: ``mpii-ap``.
            skeleton: names the joints.

        Raises:
            ValueError: if the id is unknown or of another family, or the skeleton has no neck and head top.
        """
        super().__init__()
        protocol = lookup(metric)
        if not (isinstance(protocol, PeopleProtocol) and protocol.family == "mpii-ap"):
            raise ValueError(f"{metric} is not computed by groups of people; use mpii-ap")
        self.protocol = protocol
        self.skeleton = skeleton
        self.rows = joint_rows(skeleton, Convention(head="official"))
        self.set_dtype(torch.float64)  # torchmetrics fills in for a process without data, in this type and flat
        self.add_state("stream", [], "cat")

    def update(self, predictions: Sequence[PosePrediction], people: Sequence[Sequence[Person]]) -> None:
        """Add groups.

        Args:
            predictions: whom was found in each group, with a score for each joint.
            people: the true people of each group. Those to ignore take their match, and neither counts; nor do those
                without a head size, who take none.
        """
        for found, truth in zip(predictions, people, strict=True):
            self.stream.append(torch.as_tensor(self._group(found, truth), dtype=torch.float64, device=self.device))

    def _group(self, found: PosePrediction, truth: Sequence[Person]) -> FloatArray:
        k = len(self.skeleton.joints)
        heads = np.array([person.head_size for person in truth], np.float64)
        visible = np.array([person.visible for person in truth], np.int64).reshape(-1, k)
        visible = np.where((heads > 0)[:, None], visible, 0)  # NaN is not > 0
        visible[:, list(self.skeleton.unscored)] = 0
        joints = np.array([person.joints for person in truth], np.float64).reshape(-1, k, 2)
        ignore = np.array([person.ignore for person in truth], bool)
        matched = match(found.joints, found.joint_scores, joints, visible, heads, ignore)
        counted, wanted = (visible > 0).any(1) & ~ignore, ~ignore
        header = [len(matched.scores), counted.sum(), (wanted & ~counted).sum()]
        return np.concatenate([header, matched.labelled, matched.scores.ravel(), matched.hits.ravel()])

    def compute(self) -> MetricValue:
        """Rank.

        Raises:
            ValueError: if no joint of anybody can be found.
        """
        stream = dim_zero_cat(self.stream) if len(self.stream) else torch.zeros(0)
        groups, people, left_out = _groups(stream.cpu().double().numpy(), len(self.skeleton.joints))
        if not people:
            needs = "a head size and a labelled joint; use a metric that this data allows"
            raise ValueError(f"{self.protocol.id}: 0 of {left_out} people have {needs}")
        joints = PERCENT * average_precision(groups, np.ones((1, len(groups))))[0]
        resampled = bootstrap(lambda drawn: _mean(average_precision(groups, drawn)), np.ones(len(groups), np.int64))
        low, high = interval(PERCENT * resampled, len(groups))
        value, rows = float(np.nanmean(joints)), by_row(joints, self.rows)
        return MetricValue(value, self.protocol.unit, people, (float(low), float(high)), rows, left_out)


def _mean(areas: FloatArray) -> FloatArray:
    """Average the joints that somebody has, (R, K) -> (R,); 0 for a resample in which nobody has any."""
    present = ~np.isnan(areas)
    return np.asarray(np.where(present, areas, 0.0).sum(1) / np.maximum(present.sum(1), 1))


def _groups(stream: FloatArray, k: int) -> tuple[list[Matched], int, int]:
    """Read the state: the groups in an order of their own, whichever process brought them, and the people."""
    groups, people, left_out, at = [], 0, 0, 0
    while at < len(stream):
        n = int(stream[at])
        end = at + HEADER + k + 2 * n * k
        people, left_out = people + int(stream[at + 1]), left_out + int(stream[at + 2])
        labelled, rest = stream[at + HEADER : at + HEADER + k], stream[at + HEADER + k : end]
        groups.append(Matched(rest[: n * k].reshape(n, k), rest[n * k :].reshape(n, k), labelled))
        at = end
    return sorted(groups, key=_content), people, left_out


def _content(group: Matched) -> tuple[float, ...]:
    scores = np.where(np.isfinite(group.scores), group.scores, 0.0)
    sums = np.nansum(group.hits), len(group.scores), group.labelled.sum(), scores.sum(), *group.labelled
    return tuple(float(part) for part in np.round(sums, DECIMALS))
