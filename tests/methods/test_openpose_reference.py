"""The decoder on the output of a network that others trained on COCO: OKS-AP on real photographs."""

import os
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from bench.metrics.coco_truth import results_from_coco
from bench.score_ap import oks_values, read_official
from data import DATASETS, ReadOptions
from methods.paf import OPENPOSE_LIMBS
from methods.people import assemble, connect, find_peaks

REAL = Path(os.environ.get("POSE_DATA", "absent"))
MODEL = REAL / "reference_models" / "openpose_mobilenet_thin.onnx"
HEIGHT = 368
RUNTIME_PEAK = 0.05  # the authors' C++ runtime; 24.4 with the 0.1 of their evaluation on COCO
COCO_OF_OPENPOSE = [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10]  # OpenPose's part of each COCO joint


def people_of(network, picture):
    """Yield (17, 3) keypoints and a score of everyone found in an RGB picture."""
    h, w = picture.shape[:2]
    width = round(w * HEIGHT / h / 8) * 8
    resized = cv2.resize(picture[..., ::-1], (width, HEIGHT), interpolation=cv2.INTER_CUBIC)
    maps = network.run(None, {"image:0": resized[None].astype(np.float32)})[0][0].transpose(2, 0, 1)
    found = find_peaks(np.ascontiguousarray(maps[:18]), least=RUNTIME_PEAK)
    pairs = connect(found, np.ascontiguousarray(maps[19:]), OPENPOSE_LIMBS, reach=HEIGHT / 2 / 8)
    people = assemble(found, pairs, OPENPOSE_LIMBS, 18)
    for who, score in zip(people.candidates[:, COCO_OF_OPENPOSE], people.score, strict=True):
        pixels = (8 * found.cells[who] + 3.5 + 0.5) * (w / width, h / HEIGHT) - 0.5
        keypoints = np.where((who >= 0)[:, None], np.concatenate([pixels, np.ones((17, 1))], 1), 0.0)
        yield keypoints, score


@pytest.mark.slow
@pytest.mark.skipif(not MODEL.is_file(), reason="POSE_DATA names no folder with reference_models/ and coco_subset/")
def test_a_network_of_others_reaches_an_ap_of_25_on_real_photographs():
    network = onnxruntime.InferenceSession(str(MODEL), providers=["CPUExecutionProvider"])
    results = []
    for sample in DATASETS["coco"].read("val", REAL, ReadOptions()):
        for keypoints, score in people_of(network, sample.pixels.load()):
            one = {"image_id": sample.image_id, "category_id": 1, "score": float(score)}
            results.append({**one, "keypoints": keypoints.flatten().tolist()})
    truth = read_official("coco", "val", REAL)
    values = oks_values("coco", truth, results_from_coco(results, truth), lambda line: None)
    print({name: round(value.value, 1) for name, value in values.items()})
    assert values["ap"].value >= 25.0  # a literal decoder at this height gets 25.5, one that slips half a pixel 12.4
