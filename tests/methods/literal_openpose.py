"""OpenPose's grouping, one candidate and one pair at a time: steps 4 to 8 of the authors' evaluation code."""

import math


def literal_peaks(maps, least=0.1):
    """List (part, x, y) of cells above their four neighbours, row by row."""
    peaks = []
    for part in range(maps.shape[0]):
        for y in range(maps.shape[1]):
            for x in range(maps.shape[2]):
                around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
                inside = [(v, u) for v, u in around if 0 <= v < maps.shape[1] and 0 <= u < maps.shape[2]]
                higher = all(maps[part, y, x] > max(maps[part, v, u], 0) for v, u in inside)
                if maps[part, y, x] > least and higher:
                    peaks.append((part, x, y))
    return peaks


def between_cells(field, x, y):
    """Read a field at a point by its four neighbours."""
    h, w = field.shape
    x, y = min(max(x, 0), w - 1), min(max(y, 0), h - 1)
    total = 0.0
    for v in (math.floor(y), math.floor(y) + 1):
        for u in (math.floor(x), math.floor(x) + 1):
            weight = max(0, 1 - abs(x - u)) * max(0, 1 - abs(y - v))
            if weight > 0:
                total += weight * field[v, u]
    return total


def pair_score(fields, channel, a, b, reach):
    """Return the line integral with its penalty, or None where the pair is rejected."""
    way = (b[0] - a[0], b[1] - a[1])
    length = math.hypot(*way)
    if length == 0:
        return None
    values = []
    for step in range(10):
        x, y = a[0] + way[0] * step / 9, a[1] + way[1] * step / 9
        fx, fy = (between_cells(fields[2 * channel + k], x, y) for k in (0, 1))
        value = (fx * way[0] + fy * way[1]) / length
        if value > 0.05:
            values.append(value)
    if not values:
        return None
    score = sum(values) / len(values) + min(reach / length - 1, 0)
    return score if score > 0 and len(values) / 10 > 0.8 else None


def literal_people(maps, found, fields, limbs, reach):
    """List (candidates of every part or -1, score, count) of the people, in the order in which they began."""
    parts = [(int(p), round(float(x)), round(float(y))) for p, (x, y) in zip(found.part, found.cells, strict=True)]
    assert sorted(p for p, _, _ in literal_peaks(maps)) == sorted(p for p, _, _ in parts)
    of = [[i for i, (part, _, _) in enumerate(parts) if part == p] for p in range(maps.shape[0])]
    people = []  # [row, score, count]
    for limb, ((a, b), channel) in enumerate(zip(limbs.pairs, limbs.channels, strict=True)):
        redundant = limb >= len(limbs.pairs) - limbs.redundant
        if not of[a] or not of[b]:
            for part in (a, b):
                for candidate in of[part]:
                    if not redundant and not any(person[0][part] == candidate for person in people):
                        row = [-1] * maps.shape[0]
                        row[part] = candidate
                        people.append([row, float(found.score[candidate]), 1])
            continue
        pairs = []
        for i in of[a]:
            for j in of[b]:
                score = pair_score(fields, channel, found.cells[i], found.cells[j], reach)
                if score is not None:
                    pairs.append((score, i, j))
        pairs.sort(key=lambda pair: -pair[0])
        taken = []
        for score, i, j in pairs:
            if all(i != k and j != m for _, k, m in taken):
                taken.append((score, i, j))
        for score, i, j in taken:
            if redundant:
                for person in people:
                    if person[0][a] == i and person[0][b] == -1:
                        person[0][b] = j
                    elif person[0][b] == j and person[0][a] == -1:
                        person[0][a] = i
                continue
            owners = [person for person in people if person[0][a] == i]
            for person in owners:
                person[0][b] = j
                person[1] += float(found.score[j]) + score
                person[2] += 1
            if not owners:
                row = [-1] * maps.shape[0]
                row[a], row[b] = i, j
                people.append([row, float(found.score[i]) + float(found.score[j]) + score, 2])
    return [(tuple(row), score, count) for row, score, count in people if count >= 3 and score / count >= 0.2]
