"""Instances of DeepCut's program with known optima, and the optimum of any small one by trying everything.

Nothing here is of the program under test: costs are written out again, from the specification.
"""

import math
from itertools import combinations, product

import numpy as np

EPSILON = 1 / 255
CEILING = 1 - 1e-7


def _pairwise(count, classes, table, rest=0.0):
    pairwise = np.full((count, count, classes, classes), rest)
    for (d, e), rows in table.items():
        pairwise[d, e] = rows
    return pairwise


def instance_a():
    unary = np.array([[0.90, 0.10], [0.15, 0.85], [0.80, 0.20], [0.25, 0.70]])
    table = {
        (0, 1): [[0.10, 0.90], [0.30, 0.05]],
        (0, 2): [[0.20, 0.10], [0.10, 0.05]],
        (0, 3): [[0.05, 0.15], [0.10, 0.10]],
        (1, 2): [[0.05, 0.10], [0.20, 0.10]],
        (1, 3): [[0.05, 0.10], [0.10, 0.15]],
        (2, 3): [[0.10, 0.85], [0.25, 0.05]],
    }
    return unary, _pairwise(4, 2, table)


def instance_b():
    unary = np.array([[0.90, 0.05, 0.05], [0.05, 0.85, 0.05], [0.05, 0.05, 0.80]])
    pairwise = np.full((3, 3, 3, 3), 0.10)
    pairwise[0, 1, 0, 1], pairwise[1, 2, 1, 2], pairwise[0, 2, 0, 2] = 0.95, 0.85, 0.03
    return unary, pairwise


def instance_c(last=0.55):
    """Six candidates for head, hip and foot; ``last`` is the probability that the last is a head."""
    positions = np.array([(100, 50), (104, 52), (100, 150), (260, 55), (262, 150), (180, 60)], float)
    unary = np.array(
        [
            [0.95, 0.04, 0.02],
            [0.80, 0.05, 0.03],
            [0.03, 0.90, 0.10],
            [0.92, 0.04, 0.02],
            [0.05, 0.88, 0.10],
            [last, 0.30, 0.05],
        ]
    )
    length = np.array([[0, 100, 180], [100, 0, 90], [180, 90, 0]])
    pairwise = np.zeros((6, 6, 3, 3))
    for d, e in combinations(range(6), 2):
        dist = math.dist(positions[d], positions[e])
        for c, k in product(range(3), repeat=2):
            exponent = 0.2 * dist - 7.5 if c == k else abs(dist - length[c, k]) / 10 - 2.5
            pairwise[d, e, c, k] = 1 / (1 + math.exp(exponent))
    return unary, pairwise


# unary and pairwise, mode, optimum, labels, persons
WORKED = {
    "A-multi": (instance_a(), "multi", -10.097243487, [0, 1, 0, 1], [0, 0, 1, 1]),
    "A-single": (instance_a(), "single", -6.129050210, [0, 1, -1, -1], [0, 0, -1, -1]),
    "B-multi": (instance_b(), "multi", -8.262558973, [0, 1, 2], [0, 0, 1]),
    "B-single": (instance_b(), "single", -6.876264612, [0, 1, -1], [0, 0, -1]),
    "C-multi": (instance_c(), "multi", -24.579243520, [0, 0, 1, 0, 1, 0], [0, 0, 0, 1, 1, 2]),
    "C-multi-suppressed": (instance_c(0.45), "multi", -24.378572825, [0, 0, 1, 0, 1, -1], [0, 0, 0, 1, 1, -1]),
    "C-single": (instance_c(), "single", -17.941690595, [0, 0, 1, -1, -1, -1], [0, 0, 0, -1, -1, -1]),
}


def random_instance(seed, most=6):
    """Draw 2 to ``most`` candidates of 2 or 3 classes; by turns with ties, forbidden pairs, and zeros and ones."""
    rng = np.random.default_rng(seed)
    count, classes = int(rng.integers(2, most + 1)), int(rng.integers(2, 4))
    unary = rng.random((count, classes))
    pairwise = rng.random((count, count, classes, classes))
    kind = seed % 4
    if kind == 1:
        unary, pairwise = np.round(unary * 4) / 4, np.round(pairwise * 4) / 4
        unary, pairwise = np.clip(unary, 0.25, 0.75), np.clip(pairwise, 0.25, 0.75)
    elif kind == 2:
        pairwise[rng.random(pairwise.shape) < 0.3] = EPSILON
        unary[rng.random(unary.shape) < 0.2] = 1 / 300
    elif kind == 3:
        for values in (unary, pairwise):
            drawn = rng.random(values.shape)
            values[drawn < 0.2], values[drawn > 0.8] = 0.0, 1.0
    return unary, pairwise


def _cost(probability):
    """Return the log-odds, infinite where impossible."""
    p = np.clip(probability, EPSILON, CEILING)
    return np.where(probability <= EPSILON, np.inf, np.log(1 - p) - np.log(p))


def _partitions(items):
    """Yield every way to divide a list into blocks."""
    if not items:
        yield []
        return
    head, *rest = items
    for blocks in _partitions(rest):
        yield [[head], *blocks]
        for k, block in enumerate(blocks):
            yield [*blocks[:k], [head, *block], *blocks[k + 1 :]]


def by_trying_everything(unary, pairwise, mode):
    """Return the least cost over all choices of candidates, their labels, and their division into people.

    Classes of different people do not depend on each other, so the best labels are found for each set once: all of
    them are in one array, with an axis a member.
    """
    count, classes = unary.shape
    person = {}
    for size in range(1, count + 1):
        for members in combinations(range(count), size):
            total = np.zeros((classes,) * size)
            for axis, d in enumerate(members):
                total += _cost(unary[d]).reshape([classes if a == axis else 1 for a in range(size)])
            for (one, d), (other, e) in combinations(enumerate(members), 2):
                total += _cost(pairwise[d, e]).reshape([classes if a in (one, other) else 1 for a in range(size)])
            person[members] = total.min()
    if mode == "single":
        return min(0.0, *person.values())
    best = 0.0
    for size in range(1, count + 1):
        for kept in combinations(range(count), size):
            for blocks in _partitions(list(kept)):
                best = min(best, sum(person[tuple(sorted(block))] for block in blocks))
    return best
