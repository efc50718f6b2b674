from bench.speed_grouping import grouping_ms, pose_nms_ms


def test_a_time_is_measured():
    assert grouping_ms(2) > 0
    assert pose_nms_ms(7) > 0
