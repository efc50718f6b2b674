from bench.speed_grouping import grouping_ms


def test_a_time_is_measured():
    assert grouping_ms(2) > 0
