"""From part maps and fields to people: peaks, pairs, matching, assembly (Cao et al., CVPR 2017, arXiv:1611.08050).

After the authors' evaluation code, on the network's own grid. Arrays throughout: the loops run over limbs, never over
pairs of candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from data.types import FloatArray
from methods.paf import LEAST_AGREEING, LEAST_ALONG, Limbs, score_pairs

Indices = NDArray[np.intp]

LEAST_PEAK = 0.1  # of a map; the authors' evaluation on COCO
LEAST_PARTS, LEAST_MEAN = 3, 0.2  # of a person: parts, and score a part; the same
NONE = -1  # no candidate


@dataclass(frozen=True)
class Candidates:
    """Peaks of part maps, by part and within a part from top to bottom and left to right."""

    part: Indices  # (N,)
    cells: FloatArray  # (N, 2)
    score: FloatArray  # (N,)

    def of(self, part: int) -> Indices:
        """Return the indices of one part's candidates."""
        low, high = np.searchsorted(self.part, (part, part + 1))
        return np.arange(low, high)


@dataclass(frozen=True)
class People:
    """Who was found.

    Attributes:
        candidates: (N, K) index of each part's candidate, or NONE.
        score: (N,) sums of part scores and connection scores.
        count: (N,) parts as the authors count them.
    """

    candidates: Indices
    score: FloatArray
    count: Indices


def find_peaks(maps: FloatArray, least: float = LEAST_PEAK, apart: float = 0.0) -> Candidates:
    """Find cells above ``least`` that are higher than their four neighbours, and the peak between the cells.

    A parabola through the logarithms of three cells gives the peak along x and along y: exact for a Gaussian.

    Args:
        maps: (K, h, w), without the background.
        least: Lower values are no peaks.
        apart: Cells; of two peaks of a part within this distance the later one, from top to bottom, is dropped.
    """
    k, h, w = maps.shape
    padded = np.zeros((k, h + 2, w + 2), maps.dtype)
    np.copyto(padded[:, 1:-1, 1:-1], maps)
    padded[padded < least] = 0.0
    centre = padded[:, 1:-1, 1:-1]
    peak = (centre > least) & (centre > padded[:, :-2, 1:-1]) & (centre > padded[:, 2:, 1:-1])
    peak &= (centre > padded[:, 1:-1, :-2]) & (centre > padded[:, 1:-1, 2:])
    part, y, x = np.nonzero(peak)
    score = maps[part, y, x]
    shift = [_vertex(maps, part, y, x, *step) for step in ((0, 1), (1, 0))]
    cells = np.stack([x + shift[0], y + shift[1]], -1).astype(np.float64)
    kept = _apart(part, cells, apart) if apart > 0 else slice(None)
    return Candidates(part[kept], cells[kept], score[kept].astype(np.float64))


def _apart(part: Indices, cells: FloatArray, apart: float) -> NDArray[np.bool_]:
    """Say which peaks have none that is kept before them, of the same part and within ``apart``."""
    near = np.square(cells[:, None] - cells).sum(-1) <= apart**2
    near &= (part[:, None] == part) & np.tri(len(part), k=-1, dtype=bool)
    kept = np.ones(len(part), bool)
    for i in np.flatnonzero(near.any(1)):
        kept[i] = not near[i, kept].any()
    return kept


def _vertex(maps: FloatArray, part: Indices, y: Indices, x: Indices, dy: int, dx: int) -> FloatArray:
    """Return where the parabola along one axis is highest: cells from the peak, 0 at the border."""
    h, w = maps.shape[1:]
    inside = (y >= dy) & (y < h - dy) & (x >= dx) & (x < w - dx)
    dy, dx = dy * inside, dx * inside
    low, mid, high = (
        np.log(np.maximum(maps[part, y + s * dy, x + s * dx], 1e-3).astype(np.float64)) for s in (-1, 0, 1)
    )
    curve = low - 2 * mid + high
    return np.where(curve < 0, np.clip(0.5 * (low - high) / np.minimum(curve, -1e-9), -0.5, 0.5), 0.0)


@dataclass(frozen=True)
class Connections:
    """Accepted pairs: of which limb, between which candidates, how good."""

    limb: Indices  # (N,) ascending
    parent: Indices
    child: Indices
    score: FloatArray


def connect(
    found: Candidates,
    fields: FloatArray,
    limbs: Limbs,
    reach: float,
    matching: Literal["greedy", "optimal"] = "greedy",
    least: tuple[float, float] = (LEAST_ALONG, LEAST_AGREEING),
) -> Connections:
    """Score every pair of every limb at once and choose pairs that share no candidate within a limb.

    Args:
        found: The candidates.
        fields: (2 L, h, w).
        limbs: Which parts are connected.
        reach: Cells; see :func:`methods.paf.score_pairs`.
        matching: ``greedy``, as the authors' code, or ``optimal``, the paper's assignment of the highest sum.
        least: See :func:`methods.paf.score_pairs`.
    """
    sides = [(found.of(parent), found.of(child)) for parent, child in limbs.pairs]
    limb = np.repeat(np.arange(len(sides)), [len(a) * len(b) for a, b in sides])
    parent = np.concatenate([np.repeat(a, len(b)) for a, b in sides])
    child = np.concatenate([np.tile(b, len(a)) for a, b in sides])
    channels = np.array(limbs.channels)[limb]
    score, accepted = score_pairs(fields, found.cells[parent], found.cells[child], channels, reach, least)
    pairs = Connections(limb[accepted], parent[accepted], child[accepted], score[accepted])
    chosen = _greedy(pairs, len(found.part)) if matching == "greedy" else _optimal(pairs, len(limbs.pairs))
    return Connections(pairs.limb[chosen], pairs.parent[chosen], pairs.child[chosen], pairs.score[chosen])


def _greedy(pairs: Connections, candidates: int) -> Indices:
    """Take pairs by falling score while both ends are free, in all limbs at once.

    A pair that is the best one left at both of its ends can be taken now. Of equal scores the earlier pair is better.
    """
    order = np.lexsort((np.arange(len(pairs.score)), -pairs.score))
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order))
    a, b = pairs.limb * candidates + pairs.parent, pairs.limb * candidates + pairs.child
    left, taken = np.arange(len(rank)), []
    slots = (int(pairs.limb.max()) + 1) * candidates if len(rank) else 0
    while len(left):
        first = np.full((2, slots), len(rank))
        np.minimum.at(first[0], a[left], rank[left])
        np.minimum.at(first[1], b[left], rank[left])
        best = left[(first[0][a[left]] == rank[left]) & (first[1][b[left]] == rank[left])]
        taken.append(best)
        used = np.zeros((2, slots), bool)
        used[0, a[best]] = used[1, b[best]] = True
        left = left[~used[0, a[left]] & ~used[1, b[left]]]
    chosen = np.concatenate([np.empty(0, np.intp), *taken])
    return chosen[np.lexsort((rank[chosen], pairs.limb[chosen]))]


def _optimal(pairs: Connections, limbs: int) -> Indices:
    """Choose for each limb the pairs whose scores sum highest."""
    chosen = []
    for limb in range(limbs):
        these = np.flatnonzero(pairs.limb == limb)
        parents, row = np.unique(pairs.parent[these], return_inverse=True)
        children, column = np.unique(pairs.child[these], return_inverse=True)
        gain, which = np.zeros((len(parents), len(children))), np.full((len(parents), len(children)), NONE)
        gain[row, column], which[row, column] = pairs.score[these], these
        picked = which[linear_sum_assignment(gain, maximize=True)]
        picked = picked[picked != NONE]
        chosen.append(picked[np.argsort(-pairs.score[picked], kind="stable")])
    return np.concatenate(chosen) if chosen else np.empty(0, np.intp)


def assemble(
    found: Candidates,
    pairs: Connections,
    limbs: Limbs,
    parts: int,
    least: tuple[float, float] = (LEAST_PARTS, LEAST_MEAN),
) -> People:
    """Grow people limb by limb, and keep those with enough parts and a high enough score a part.

    A pair whose parent somebody owns adds its child to them; any other begins a person. Redundant limbs at the end only
    fill what is missing, for no score. Where one end of a limb has no candidate at all, those of the other that nobody
    owns are people of one part.

    Args:
        found: The candidates.
        pairs: The chosen connections.
        limbs: In the order in which people grow.
        parts: K.
        least: Parts, and score a part.
    """
    most = len(found.part) + 1
    who = np.full((most, parts), NONE)
    score, count, people = np.zeros(most), np.zeros(most, np.intp), 0
    owner = np.full(most, NONE)  # of each candidate, where it is a part of its own kind
    bounds = np.searchsorted(pairs.limb, np.arange(len(limbs.pairs) + 1))
    for limb, (a, b) in enumerate(limbs.pairs):
        here = slice(bounds[limb], bounds[limb + 1])
        parent, child, gain = pairs.parent[here], pairs.child[here], pairs.score[here]
        own = owner[parent]
        if limb >= len(limbs.pairs) - limbs.redundant:
            fill = (own != NONE) & (who[own, b] == NONE)
            who[own[fill], b] = child[fill]
            fill = (owner[child] != NONE) & (who[owner[child], a] == NONE)
            who[owner[child][fill], a] = parent[fill]
            continue
        has, new = own != NONE, own == NONE
        who[own[has], b] = child[has]
        owner[child[has]] = own[has]
        score[own[has]] += found.score[child[has]] + gain[has]
        count[own[has]] += 1
        fresh = people + np.arange(int(new.sum()))
        who[fresh, a], who[fresh, b] = parent[new], child[new]
        owner[parent[new]], owner[child[new]] = fresh, fresh
        score[fresh] = found.score[parent[new]] + found.score[child[new]] + gain[new]
        count[fresh] = 2
        people += len(fresh)
        people = _alone(found, (a, b), owner, who, score, count, people)
    kept = (count[:people] >= least[0]) & (score[:people] / np.maximum(count[:people], 1) >= least[1])
    return People(who[:people][kept], score[:people][kept], count[:people][kept])


def _alone(
    found: Candidates,
    ends: tuple[int, int],
    owner: Indices,
    who: Indices,
    score: FloatArray,
    count: Indices,
    people: int,
) -> int:
    """Begin a person with each free candidate of one end of a limb where the other end has none; return how many."""
    sides = found.of(ends[0]), found.of(ends[1])
    if len(sides[0]) and len(sides[1]):
        return people
    part, side = (ends[0], sides[0]) if len(sides[0]) else (ends[1], sides[1])
    free = side[owner[side] == NONE]
    fresh = people + np.arange(len(free))
    who[fresh, part], owner[free], score[fresh], count[fresh] = free, fresh, found.score[free], 1
    return people + len(fresh)


def joints_of(people: People, found: Candidates, places: Sequence[int | None]) -> tuple[FloatArray, FloatArray]:
    """Return the joints of people, each the candidate of the part that it is.

    Args:
        people: N people.
        found: The candidates.
        places: The part of each of K joints, or None.

    Returns:
        (N, K, 2) cells, NaN where none was found, and the candidates' scores (N, K), 0 there.
    """
    cells = np.concatenate([found.cells, np.full((1, 2), np.nan)])  # the last stands for NONE, which is -1
    score = np.append(found.score, 0.0)
    which = np.full((len(people.score), len(places)), NONE)
    for joint, part in enumerate(places):
        if part is not None:
            which[:, joint] = people.candidates[:, part]
    return cells[which], score[which]
