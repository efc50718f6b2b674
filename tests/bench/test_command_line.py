"""The command line as a user meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.__main__ import main
from tests.bench.conftest import TINY

RUN = ["run", "--method", "simplebaseline", "--wandb", "disabled", *TINY]


def ask(*words):
    """Start the program in a process of its own, without a keyboard."""
    command = [sys.executable, "-m", "bench", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)


def test_a_reader_that_leaves_early_is_no_failure_to_explain(tmp_path):
    command = [sys.executable, "-m", "bench", "sweep", "bench/sweeps/smoke.yaml", "--dry-run", "--out", tmp_path]
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stdout:
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 1
    assert "Error" not in done.stderr and "Traceback" not in done.stderr


def test_help_imports_nothing_heavy():
    script = (
        "import sys; from bench.__main__ import main; main(['--help']); "
        "heavy = {'torch', 'numpy', 'cv2', 'wandb', 'rich', 'pytorch_lightning', 'jsonargparse'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for command in ("list", "cost", "run", "score", "predict", "data", "speed"):
        assert command in done.stdout


def test_a_run_ends_with_the_path_of_its_record(tmp_path):
    done = ask(*RUN, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("record: ")
    assert json.loads(Path(last.removeprefix("record: ")).read_text())["method"] == "simplebaseline"
    again = ask(*RUN, "--out", tmp_path, "--json")
    assert again.returncode == 0 and "exists" in again.stderr
    assert json.loads(again.stdout)["id"] in last, "with --json stdout is one document"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--method", "simplebasline"], "did you mean simplebaseline?"),
        (["run", "--method", "simplebaseline", "--preset", "smal"], "did you mean small?"),
        (["run", "--method", "simplebaseline", "--dataset", "lps"], "did you mean lsp"),
        (["run", "--method", "simplebaseline", "--method.dept", "18"], "did you mean --method.depth"),
        (["run", "--method", "simplebaseline", "--sead", "1"], "no option '--sead': did you mean --seed"),
        (["run", "--method", "simplebaseline", "--seed", "x"], "--seed"),
        (["run", "--method", "simplebaseline", "--budget", "soon"], "--budget soon: expected"),
        (["run", "--method", "simplebaseline", "--method.input_size", "[50,50]"], "multiples of 32"),
        (["run", "--method", "simplebaseline", "--data.batch_size", "0"], "batch_size"),
        (["run"], "--method M is missing"),
        (["rum"], "rum"),
        (["list", "--colour"], "no option --colour"),
        (["data", "lps"], "did you mean lsp"),
        (["score", "--dataset", "synthetic", "--predictions", "nothing.npz"], "nothing.npz: cannot be read"),
        (["predict", "--checkpoint", "no.ckpt", "--images", "x.jpg", "--out", "out"], "no.ckpt: not a checkpoint"),
    ],
)
def test_a_mistake_is_answered_in_one_line_with_exit_code_2(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    out = capsys.readouterr()
    assert out.out == "" and out.err.count("\n") == 1 and out.err.startswith("error: "), out.err
    assert message in out.err


def test_an_empty_or_missing_data_folder_is_a_mistake(capsys, monkeypatch, tmp_path):
    for folder in ("", str(tmp_path), str(tmp_path / "nowhere")):
        monkeypatch.setenv("POSE_DATA", folder)
        assert main(["run", "--method", "mean_pose", "--dataset", "lsp", "--out", str(tmp_path / "out")]) == 2, folder
        out = capsys.readouterr()
        assert out.err.splitlines()[-1].startswith("error: ") and "Traceback" not in out.err


def test_a_mistake_in_a_loader_process_is_still_one_line(capsys, tmp_path, monkeypatch):
    """A JPEG that is cut short is found by a worker while training; the user reads its name, not a traceback."""
    layout(tmp_path / "lsp")
    broken = tmp_path / "lsp" / "images" / "im0003.jpg"
    broken.write_bytes(broken.read_bytes()[:-60])
    monkeypatch.setenv("POSE_DATA", str(tmp_path))
    words = [*RUN, "--dataset", "lsp", "--out", str(tmp_path), "--data.workers", "1", "--data.train_limit", "20"]
    assert main(words) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ") and "im0003.jpg: the JPEG ends after" in last


def layout(folder):
    """LSP as published, of one small grey picture."""
    from scipy.io import savemat

    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    joints = np.concatenate([rng.uniform(5, 60, (2, 14, 2000)), np.zeros((1, 14, 2000))])
    savemat(folder / "joints.mat", {"joints": joints})
    cv2.imwrite(str(folder / "images" / "im0001.jpg"), rng.integers(0, 256, (70, 70, 3), np.uint8))
    raw = (folder / "images" / "im0001.jpg").read_bytes()
    for number in range(2, 2001):
        (folder / "images" / f"im{number:04d}.jpg").write_bytes(raw)


def test_cost_prints_the_published_counts_as_json(capsys):
    assert (
        main(["cost", "--method", "simplebaseline", "--preset", "paper", "--dataset", "synthetic-coco", "--json"]) == 0
    )
    document = json.loads(capsys.readouterr().out)
    assert document["parameters"] == 33_999_697 and document["input_size"] == [256, 192]
    assert document["gmacs"] == pytest.approx(5.426, abs=5e-4)


def test_list_names_everything_registered(capsys):
    assert main(["list", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"name", "title", "year", "people", "presets"} <= set(document["methods"][0])
    assert {"name", "skeleton", "splits", "present"} <= set(document["datasets"][0])
    assert {"id", "unit", "higher_is_better"} <= set(document["protocols"][0])
    assert main(["list"]) == 0 and "simplebaseline" in capsys.readouterr().out


def test_print_config_shows_what_will_run_and_runs_nothing(capsys, tmp_path):
    assert main([*RUN, "--print_config", "--out", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "width: 8" in text and "max_epochs: 3" in text and not (tmp_path / "out").exists()


def test_help_of_a_run_lists_the_options_of_the_method(capsys):
    assert main(["run", "--method", "simplebaseline", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--budget" in text and "--method.deconv_filters" in text and "--data.batch_size" in text


def test_score_reads_a_strangers_predictions(capsys, tmp_path):
    from data import DATASETS, ReadOptions

    samples = DATASETS["synthetic"].read("val", tmp_path, ReadOptions())
    truth = np.stack([sample.people[0].joints for sample in samples])
    np.savez(tmp_path / "perfect.npz", joints=truth)
    np.savez(tmp_path / "short.npz", joints=truth[:10])
    assert (
        main(
            [
                "score",
                "--dataset",
                "synthetic",
                "--split",
                "val",
                "--predictions",
                str(tmp_path / "perfect.npz"),
                "--json",
            ]
        )
        == 0
    )
    metrics = json.loads(capsys.readouterr().out)["metrics"]
    assert metrics["pck@0.2"]["value"] == 100 and metrics["pcp@0.5/strict"]["value"] == 100
    assert (
        main(["score", "--dataset", "synthetic", "--split", "val", "--predictions", str(tmp_path / "short.npz")]) == 2
    )
    assert "(10, 16, 2)" in capsys.readouterr().err


def test_preview_writes_a_sheet(capsys, tmp_path):
    path = tmp_path / "sheet.png"
    assert main(["data", "synthetic", "--split", "val", "--preview", str(path)]) == 0
    picture = cv2.imread(str(path))
    assert picture.shape[0] > 1000 and picture.std() > 20
    assert main(["data", "synthetic", "--preview", str(tmp_path / "nowhere" / "sheet.png")]) == 2
    assert main(["data", "synthetic", "--preview", str(tmp_path / "sheet.txt")]) == 2
