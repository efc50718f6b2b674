from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench import draw
from bench.draw import TITLE_HEIGHT
from bench.inside import TILE, inside_sheet
from data.augment import Augment
from data.boxes import BoxSource
from data.inputs import Inputs
from data.skeletons import LSP14
from data.views import PersonCrop
from methods.inside import Panel

K, SIDE = len(LSP14.joints), 32
SCALE = TILE // SIDE


@pytest.fixture
def inputs(samples):
    view = PersonCrop((SIDE, SIDE))
    return Inputs(samples, LSP14, view, boxes=BoxSource(), augment=Augment(), seed=0, max_bytes=0)


def method(*panels):
    """Something that shows these panels."""
    device = torch.device("cpu")
    return SimpleNamespace(
        training=True, device=device, eval=lambda: None, train=lambda _: None, inside=lambda _: list(panels)
    )


def tile(sheet, row, column):
    side = TILE + draw.BORDER
    y, x = TITLE_HEIGHT + row * side, column * side
    return sheet[y : y + TILE, x : x + TILE].astype(int)


def test_a_method_that_shows_nothing_has_no_picture(inputs):
    assert inside_sheet(method(), inputs, [0, 1]) is None


def test_a_row_a_person_and_a_column_a_panel(inputs):
    nothing = torch.full((3, K, 2), torch.nan)
    sheet = inside_sheet(method(Panel("one", joints=nothing), Panel("two", joints=nothing)), inputs, [0, 5, 11])
    side = TILE + draw.BORDER
    assert sheet.shape == (TITLE_HEIGHT + 3 * side, 3 * side, 3)
    assert (tile(sheet, 0, 1) == tile(sheet, 0, 2)).all() and (tile(sheet, 0, 1) != tile(sheet, 1, 1)).any()


def test_a_map_glows_where_it_is_high(inputs):
    maps = torch.zeros(1, 2, 4, 4)
    maps[0, 1, 1, 3] = 1.0  # the second row, last column of a 4x4 map
    sheet = tile(inside_sheet(method(Panel("maps", maps=maps)), inputs, [0]), 0, 1).sum(-1)
    quarter = TILE // 4
    hot = sheet[quarter : 2 * quarter, 3 * quarter :].mean()
    assert hot > sheet[2 * quarter :].mean() + 100 and hot > sheet[:, : 3 * quarter].mean() + 100


def test_boxes_and_joints_lie_where_they_are_in_the_input(inputs):
    corners = torch.tensor([[8.0, 8], [24, 8], [24, 24], [8, 24]]).expand(1, 1, 4, 2)
    joints = torch.full((1, K, 2), torch.nan)
    joints[0, LSP14.joints.index("left_wrist")] = torch.tensor([16.0, 16.0])
    plain = tile(inside_sheet(method(Panel("none", joints=joints * torch.nan)), inputs, [0]), 0, 1)
    drawn = tile(inside_sheet(method(Panel("both", joints=joints, boxes=corners)), inputs, [0]), 0, 1)
    ys, xs = np.nonzero((drawn != plain).any(-1))
    assert (xs.min(), xs.max()) == pytest.approx((8 * SCALE, 24 * SCALE), abs=1.5)
    assert (ys.min(), ys.max()) == pytest.approx((8 * SCALE, 24 * SCALE), abs=1.5)
    assert tuple(drawn[16 * SCALE, 16 * SCALE]) == draw.LEFT


def test_a_field_is_drawn_as_arrows_where_it_is_and_people_points_and_segments_where_they_are(inputs):
    field = torch.zeros(1, 2, 8, 8)
    field[0, 0, 2, 5] = 1.0  # points to the right
    nobody = torch.full((1, K, 2), torch.nan)
    plain = tile(inside_sheet(method(Panel("none", people=[nobody])), inputs, [0]), 0, 1)

    def extent(**parts):
        drawn = tile(inside_sheet(method(Panel("some", **parts)), inputs, [0]), 0, 1)
        ys, xs = np.nonzero((drawn != plain).any(-1))
        return [int(v) // SCALE for v in (xs.min(), xs.max(), ys.min(), ys.max())]

    x0, x1, y0, y1 = extent(arrows=field)
    assert 20 <= x0 < x1 <= 24 and 8 <= y0 <= y1 <= 11  # cell (5, 2) of four pixels a side
    assert extent(segments=[torch.tensor([[[4.0, 20.0], [12.0, 20.0]]])])[:2] == [4, 12]
    x0, x1, y0, y1 = extent(points=[torch.tensor([[16.0, 8.0]])])
    assert (x0 + x1) // 2 == 15 and (y0 + y1) // 2 in (7, 8)
    someone = nobody.clone()
    someone[0, 0] = torch.tensor([8.0, 24.0])
    x0, x1, y0, y1 = extent(people=[someone])
    assert abs((x0 + x1) / 2 - 8) <= 1 and abs((y0 + y1) / 2 - 24) <= 1


def test_points_have_the_colour_of_their_group_and_grey_without_one(inputs):
    points = [torch.tensor([[8.0, 8.0], [24.0, 8.0], [8.0, 24.0]])]
    panel = Panel("points", points=points, groups=[torch.tensor([2, -1, 2])])
    picture = tile(inside_sheet(method(panel), inputs, [0]), 0, 1)
    one, grey, same = (picture[y * SCALE, x * SCALE] for x, y in ((8, 8), (24, 8), (8, 24)))
    assert one.tolist() == same.tolist() == list(draw.person_colour(2))
    assert len(set(grey.tolist())) == 1 and one.tolist() != grey.tolist()
