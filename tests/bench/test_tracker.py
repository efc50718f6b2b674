import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench import tracker
from bench.tracker import Tracker, wandb_id
from data.types import DataError

KEY = "5ec2e7" * 7  # 42 characters: W&B asks for 40 at least
CLOSED = "http://127.0.0.1:9"  # the discard port: nobody listens, so nothing ever leaves the machine
ROOT = Path(__file__).parents[2]

CELL = """
import json, sys
from pathlib import Path
import cv2, numpy as np, pytorch_lightning as pl
from pytorch_lightning.demos.boring_classes import BoringModel
from bench.tracker import Tracker

class Model(BoringModel):
    def training_step(self, batch, index):
        self.log("train/loss_of_two_steps", 0.125)
        return super().training_step(batch, index)

def cell(mode):
    return Tracker.open(mode, run_id="lsp/cpm/seed 0", name="a name", group="a group", tags=["a tag"],
        config={"stages": 6, "weights": Path("some/where")}, folder=Path("out"),
        say=lambda line: print(line, file=sys.stderr))

off = cell("disabled")
off.picture("none", Path("none.png"))
off.finish({"pckh": 1.0})
imported = "wandb" in sys.modules
on = cell("auto")
stdout = sys.stdout.write
pl.Trainer(logger=on.logger, max_steps=2, log_every_n_steps=1, limit_val_batches=0, accelerator="cpu",
    enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False).fit(Model())
cv2.imwrite("pose.png", np.zeros((4, 6, 3), np.uint8))
on.picture("examples", Path("pose.png"))
on.finish({"pckh": 77.625, "method": "cpm"})
print(json.dumps({"off": off.info.mode, "imported": imported, "mode": on.info.mode, "id": on.info.run_id,
    "path": on.info.path, "patched": sys.stdout.write != stdout}))
"""


class Server(BaseHTTPRequestHandler):
    """W&B's server as far as a run needs it: it knows one run, or refuses every key."""

    refuses = False
    bodies: list[str]

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode(errors="replace")
        self.bodies.append(body)
        self.send_response(401 if self.refuses else 200)
        refusal = {"errors": [{"message": "user is not logged in"}]}
        answer = json.dumps(refusal if self.refuses else {"data": self.answer(body)}).encode()
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def answer(self, body):
        asked = json.loads(body) if self.path == "/graphql" else {}
        if asked.get("operationName") == "CreateRunFiles":
            files = [
                {"name": name, "uploadUrl": f"http://127.0.0.1:{self.server.server_port}/"}
                for name in asked["variables"]["files"]
            ]
            return {"createRunFiles": {"runID": "id", "uploadHeaders": [], "files": files}}
        project = {"id": "1", "name": "project", "entity": {"id": "1", "name": "entity"}}
        bucket = {"id": "1", "name": "id", "displayName": "", "config": "{}", "historyLineCount": 0, "project": project}
        return {"upsertBucket": {"bucket": bucket, "inserted": True}, "model": None}

    do_PUT = do_POST

    def log_message(self, *_):
        pass


@pytest.fixture
def clean(monkeypatch, tmp_path):
    """No key, no mode, no server; W&B's process ended before and after."""
    import wandb

    for name in [n for n in os.environ if n.startswith("WANDB_") or n == "NETRC"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_BASE_URL", CLOSED)
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    wandb.teardown()
    yield monkeypatch
    wandb.teardown()


@pytest.fixture
def server(clean):
    bodies: list[str] = []
    handler = type("Handler", (Server,), {"bodies": bodies})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    clean.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    clean.setenv("WANDB_API_KEY", KEY)
    yield server
    server.shutdown()
    server.server_close()


def start(mode, folder, said):
    config = {"stages": 6}
    return Tracker.open(
        mode, run_id="c", name="n", group="g", tags=["t"], config=config, folder=folder, say=said.append
    )


def everything_below(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    """One cell run without a key, without a mode and without a standard input, as a user would."""
    folder = tmp_path_factory.mktemp("cell")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_") and name != "NETRC"}
    env = {**kept, "HOME": str(folder), "WANDB_BASE_URL": CLOSED, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", CELL]
    done = subprocess.run(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    said = [line.replace(str(ROOT), "") for line in done.stderr.splitlines()]  # a checkout may have any name
    lines = [line for line in said if "wandb" in line.lower() or "W&B" in line]
    return json.loads(done.stdout), lines, folder


def test_disabled_leaves_wandb_alone(cell):
    found, _, _ = cell
    assert (found["off"], found["imported"]) == ("disabled", False)


def test_without_key_and_mode_the_run_is_offline_and_says_so_once(cell):
    found, lines, folder = cell
    assert found["mode"] == "offline" and Path(found["path"]).is_relative_to(folder / "out" / "wandb")
    assert len(lines) == 2 and "no API key" in lines[0] and "offline" in lines[0]
    assert not found["patched"]


def test_the_last_line_uploads_the_run(cell):
    found, lines, _ = cell
    assert lines[-1].endswith(f"wandb sync {found['path']}") and Path(found["path"]).is_dir()


def test_the_offline_folder_holds_config_curves_pictures_and_summary(cell):
    found, _, _ = cell
    written = (Path(found["path"]) / f"run-{found['id']}.wandb").read_bytes()
    for expected in (
        b"vitruvian", b"a name", b"a group", b"a tag", b"stages", b"some/where", b"train/loss_of_two_steps", b"0.125",
        b"trainer/global_step", b"pckh", b"77.625",
    ):  # fmt: skip
        assert expected in written
    assert len(list(Path(found["path"]).rglob("examples*.png"))) == 1


def test_the_id_of_a_cell_never_changes():
    assert wandb_id("lsp/cpm/seed 0") == "7a21f653712df090"  # printf 'lsp/cpm/seed 0' | sha256sum
    assert wandb_id("lsp/cpm/seed 0") != wandb_id("lsp/cpm/seed 1")


def test_an_unknown_mode_is_refused():
    with pytest.raises(DataError, match="expected one of auto"):
        start("sometimes", Path(), [])


@pytest.mark.parametrize(("wish", "got"), [("disabled", "disabled"), ("dryrun", "offline"), ("shared", "offline")])
def test_wandb_mode_wins_over_a_key(clean, tmp_path, wish, got):
    said: list[str] = []
    clean.setenv("WANDB_API_KEY", KEY)
    clean.setenv("WANDB_MODE", wish)
    run = start("auto", tmp_path, said)
    assert run.info.mode == got
    assert len(said) == (wish == "shared")
    run.finish({})


def test_an_absent_server_leaves_the_run_offline(clean, tmp_path):
    said: list[str] = []
    clean.setattr(tracker, "INIT_SECONDS", 0.3)
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1:9 login user password {KEY}\n")
    run = start("auto", tmp_path / "out", said)
    assert run.info.mode == "offline" and len(said) == 1 and "API key" not in said[0]
    run.finish({})
    assert KEY.encode() not in everything_below(tmp_path / "out")


def test_a_refused_key_leaves_the_run_offline_and_no_trace(server, tmp_path):
    said: list[str] = []
    server.RequestHandlerClass.refuses = True
    run = start("online", tmp_path, said)
    assert run.info.mode == "offline" and len(said) == 1 and "user is not logged in" in said[0]
    run.finish({"pckh": 50.0})
    assert KEY not in " ".join(said) and KEY.encode() not in everything_below(tmp_path)


def test_an_online_run_sends_the_summary_and_says_nothing(server, tmp_path):
    said: list[str] = []
    run = start("online", tmp_path, said)
    run.finish({"pckh": 77.625})
    assert (run.info.mode, said) == ("online", [])
    assert any("77.625" in body for body in server.RequestHandlerClass.bodies)
    assert KEY.encode() not in everything_below(tmp_path)


def test_a_server_that_goes_away_does_not_hold_up_the_end(server, clean, tmp_path):
    said: list[str] = []
    clean.setattr(tracker, "FINISH_SECONDS", 0.3)
    run = start("online", tmp_path, said)
    server.shutdown()
    server.server_close()
    run.finish({"pckh": 77.625})
    assert len(said) == 2 and said[1].endswith(f"wandb sync --no-skip-online {run.info.path}")


def test_the_last_line_names_the_last_process_alone_since_it_wrote_the_whole_run(clean, tmp_path):
    """A killed process leaves a folder that may be empty, for which W&B would upload none of the run's folders."""
    killed = tmp_path / "wandb" / f"offline-run-20260101_000000-{wandb_id('c')}"
    (killed / "files").mkdir(parents=True)
    (killed / f"run-{wandb_id('c')}.wandb").write_bytes(b":W&B\0\0\0")
    said: list[str] = []
    run = start("offline", tmp_path, said)
    run.finish({})
    assert said == [f"W&B: to upload this run: wandb sync {run.info.path}"]


def test_epochs_before_a_checkpoint_are_logged_as_lightning_logged_them(clean, tmp_path):
    said: list[str] = []
    run = start("offline", tmp_path, said)
    lines: list[tuple[dict[str, float], int]] = []
    clean.setattr(run.logger, "log_metrics", lambda line, step: lines.append((line, step)))
    run.curve([{"epoch": 1, "step": 9, "train/loss": 0.5}, {"epoch": 2, "step": 19, "val/ap": 3.0, "train/loss": 0.25}])
    run.curve([{"epoch": 3, "val/ap": 4.0}])  # of a checkpoint that knows no steps
    assert lines == [
        ({"train/loss": 0.5, "epoch": 0}, 9),
        ({"val/ap": 3.0, "epoch": 1}, 19),
        ({"train/loss": 0.25, "epoch": 1}, 19),
        ({"val/ap": 4.0, "epoch": 2}, 3),
    ]
    run.finish({})


def test_a_run_that_begins_again_does_not_ask_where_it_was(server, tmp_path):
    """W&B's `resume` would ask for the last line, and go on behind it."""
    run = start("online", tmp_path, [])
    run.curve([{"epoch": 1, "step": 0, "train/loss": 0.5}])
    run.finish({})
    bodies = server.RequestHandlerClass.bodies
    assert not any("RunResumeStatus" in body for body in bodies)
    sent = [json.loads(body).get("files", {}) for body in bodies if body.startswith("{")]
    assert [files["wandb-history.jsonl"]["offset"] for files in sent if "wandb-history.jsonl" in files] == [0]


def test_a_failing_logger_is_reported_once_and_raises_nothing(clean, tmp_path):
    said: list[str] = []
    run = start("offline", tmp_path, said)

    def fail(*_, **__):
        raise OSError("disk full")

    clean.setattr(type(run.logger.experiment), "log", fail)
    clean.setattr(type(run.logger.experiment), "finish", fail)
    run.logger.log_metrics({"loss": 1.0}, 1)
    run.logger.log_hyperparams({"object": object()})
    run.picture("absent", tmp_path / "absent.png")
    assert len(said) == 1 and "disk full" in said[0]
    run.finish({})
    assert len(said) == 3


def test_an_unusable_folder_costs_only_the_mirror(clean, tmp_path):
    said: list[str] = []
    (tmp_path / "file").write_text("in the way")
    run = start("offline", tmp_path / "file", said)
    run.picture("p", tmp_path / "p.png")
    run.finish({})
    assert (run.info.mode, run.info.path, len(said)) == ("disabled", None, 1)
