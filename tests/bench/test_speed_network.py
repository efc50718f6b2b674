"""Timing of networks: every variant is of the same network, in order, and each rate is images by seconds."""

import io
import time
from contextlib import nullcontext

import pytest
import torch
from rich.console import Console

from bench.errors import UserError
from bench.speed import measure
from bench.speed_network import NetworkSpeed, _rate, measure_networks, network_table

CPU = torch.device("cpu")


def test_a_rate_is_images_by_the_time_of_a_pass():
    calls = []

    def network(images):
        calls.append(len(images))
        time.sleep(0.02 if len(calls) > 1 else 0.2)  # the first pass, which warms up, is not counted

    rate = _rate(network, torch.zeros(4, 3, 8, 8), nullcontext())
    assert 4 / 0.1 < rate <= 4 / 0.02
    assert 2 <= len(calls) <= 10 and set(calls) == {4}


def test_a_slow_network_is_timed_by_one_pass_and_compiling_is_no_part_of_it(monkeypatch):
    monkeypatch.setattr("bench.speed_network.SLOW", 0.01)
    calls = []

    def network(images):
        calls.append(len(images))
        time.sleep(0.5 if len(calls) == 1 else 0.02)

    rate = _rate(network, torch.zeros(4, 3, 8, 8), nullcontext(), compiles=True)
    assert len(calls) == 2 and 4 / 0.1 < rate <= 4 / 0.02


def test_a_variant_that_does_not_run_has_no_rate():
    def network(images):
        raise RuntimeError("not implemented for this type")

    assert _rate(network, torch.zeros(1, 3, 8, 8), nullcontext()) is None


def test_networks_are_timed_one_and_32_at_a_time_and_those_without_weights_are_not(monkeypatch):
    monkeypatch.setattr("bench.speed_network.PASSES", (2, 2))
    found = measure_networks(["mean_pose", "simplebaseline"], ["small"], "synthetic", CPU, compile=False, say=[].append)
    assert [(speed.method, speed.batch_size) for speed in found] == [("simplebaseline", 1), ("simplebaseline", 32)]
    for speed in found:
        assert min(speed.contiguous, speed.channels_last) > 0 and speed.compiled is None
        assert speed.gflops == 2 * speed.gmacs * speed.channels_last


def test_only_channels_last_is_timed_of_a_slow_network(monkeypatch):
    monkeypatch.setattr("bench.speed_network.SLOW", 1e-6)
    found = measure_networks(["cpm"], ["small"], "synthetic", CPU, compile=True, say=[].append)
    assert all(speed.channels_last > 0 for speed in found)
    assert {(speed.contiguous, speed.bf16, speed.compiled) for speed in found} == {(None, None, None)}


def test_the_table_tells_the_gain_of_each_variant():
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(network_table([NetworkSpeed("m", "small", 32, (96, 96), 0.05, 80.0, 100.0, 150.0, None)]))
    assert "80.0 (-20 %)" in (text := console.export_text()) and "150.0 (+50 %)" in text


def test_an_unknown_method_is_named(tmp_path):
    with pytest.raises(UserError, match="hrnett"):
        measure("synthetic", "small", ["hrnett"], tmp_path, compile=False, say=print)
