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

    def bounds(self, parts: int) -> list[int]:
        """Return where the candidates of each of ``parts`` begin, and last where they end."""
        found: list[int] = np.searchsorted(self.part, np.arange(parts + 1)).tolist()
        return found


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
    padded[:, 1:-1, 1:-1] = maps
    flat = padded.reshape(-1)
    high = np.flatnonzero(flat > least)
    value = flat[high]
    for step in (-w - 2, w + 2, -1, 1):
        higher = value > flat[high + step]
        high, value = high[higher], value[higher]
    part, y, x = np.unravel_index(high, padded.shape)
    y, x, score = y - 1, x - 1, value
    shift = [_vertex(maps, part, y, x, *step) for step in ((0, 1), (1, 0))]
    cells = np.stack([x + shift[0], y + shift[1]], -1).astype(np.float64)
    kept = _apart(part, cells, apart) if apart > 0 else slice(None)
    return Candidates(part[kept], cells[kept], score[kept].astype(np.float64))


def _apart(part: Indices, cells: FloatArray, apart: float) -> NDArray[np.bool_]:
    """Say which peaks have none that is kept before them, of the same part and within ``apart``."""
    near: list[tuple[int, int]] = []
    for lag in range(1, int(np.bincount(part).max(initial=1))):
        way = cells[lag:] - cells[:-lag]
        later = np.flatnonzero((part[lag:] == part[:-lag]) & ((way * way).sum(-1) <= apart**2)) + lag
        near += [(i, i - lag) for i in later.tolist()]
    kept = np.ones(len(part), bool)
    for i, earlier in sorted(near):
        kept[i] &= not kept[earlier]
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
    at = found.bounds(1 + max(map(max, limbs.pairs)))
    sides = [(np.arange(at[a], at[a + 1]), np.arange(at[b], at[b + 1])) for a, b in limbs.pairs]
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
    at, bounds = found.bounds(parts), np.searchsorted(pairs.limb, np.arange(len(limbs.pairs) + 1)).tolist()
    for limb, (a, b) in enumerate(limbs.pairs):
        redundant = limb >= len(limbs.pairs) - limbs.redundant
        if not redundant and (at[a] == at[a + 1] or at[b] == at[b + 1]):
            part = a if at[a] < at[a + 1] else b
            people = _alone(found, part, slice(at[part], at[part + 1]), owner, who, score, count, people)
        if bounds[limb] == bounds[limb + 1]:
            continue
        here = slice(bounds[limb], bounds[limb + 1])
        parent, child, gain = pairs.parent[here], pairs.child[here], pairs.score[here]
        own = owner[parent]
        if redundant:
            fill = (own != NONE) & (who[own, b] == NONE)
            who[own[fill], b] = child[fill]
            fill = (owner[child] != NONE) & (who[owner[child], a] == NONE)
            who[owner[child][fill], a] = parent[fill]
            continue
        new = own == NONE
        if new.any():  # they own their parent already
            own[new] = fresh = people + np.arange(int(new.sum()))
            who[fresh, a], owner[parent[new]] = parent[new], fresh
            score[fresh], count[fresh] = found.score[parent[new]], 1
            people += len(fresh)
        who[own, b], owner[child] = child, own
        score[own] += found.score[child] + gain
        count[own] += 1
    kept = (count[:people] >= least[0]) & (score[:people] / np.maximum(count[:people], 1) >= least[1])
    return People(who[:people][kept], score[:people][kept], count[:people][kept])


def _alone(
    found: Candidates,
    part: int,
    side: slice,
    owner: Indices,
    who: Indices,
    score: FloatArray,
    count: Indices,
    people: int,
) -> int:
    """Begin a person with each free candidate of one end of a limb where the other end has none; return how many."""
    free = side.start + np.flatnonzero(owner[side] == NONE)
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
