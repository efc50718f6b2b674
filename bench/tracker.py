"""The Weights & Biases mirror of a run: the record on disk is the truth, this copy may be late, offline or absent."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning.loggers import WandbLogger

from data.types import DataError

OPTIONS = ("auto", "online", "offline", "disabled")  # --wandb; below WANDB_MODE, but for W&B's experimental "shared"
MODES = {"online": "online", "run": "online", "offline": "offline", "dryrun": "offline", "disabled": "disabled"}
PROJECT = "vitruvian"  # unless WANDB_PROJECT is set
INIT_SECONDS = 10.0  # to register the run, 4 s on a busy machine; W&B's default of 90 s would hold up the training
FINISH_SECONDS = 15.0  # to upload what is left; W&B's default is to wait for ever
ID_DIGITS = 16  # 64 bits: no collision to be feared among the runs of a project


@dataclass(frozen=True)
class TrackerInfo:
    """Where the mirror of a run is; goes into its record."""

    mode: str  # online, offline or disabled: what the run got, which may be less than was asked for
    run_id: str | None  # W&B's
    path: str | None  # absolute folder of the run's files, what `wandb sync` takes


class _GuardedLogger(WandbLogger):
    """Lightning's logger, which would raise into the training loop, made unable to."""

    say: Callable[[str], None]
    _said = False

    def start(self, mode: Literal["online", "offline"]) -> None:
        """Start the run: silent, bounded in time, blind to the console, to git and to the code."""
        import wandb

        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it holds up the exit by 10 s when the server hangs
        settings = wandb.Settings(
            mode=mode, silent=True, console="off", disable_code=True, disable_git=True, save_code=False,
            label_disable=True, init_timeout=INIT_SECONDS, finish_timeout=FINISH_SECONDS, finish_timeout_raises=True,
        )  # fmt: skip
        wandb.setup(settings=settings)
        logging.getLogger("wandb").setLevel(logging.CRITICAL)  # its debug.log; a full disk would fill stderr instead
        if mode == "online" and not wandb.login(prompt=False, verify=False):  # W&B's own search; the run would ask
            raise ConnectionError("no API key, `wandb login` stores one")
        self._wandb_init.update(settings=settings)
        _ = self.experiment  # Lightning starts the run when it is first looked at

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Keep exceptions in: the first is said in one line, later ones pass in silence."""
        try:
            yield
        except Exception as error:
            if not self._said:
                self.say(f"W&B: {_one_line(error)}; the run goes on, its mirror may lack something")
            self._said = True

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """See WandbLogger."""
        with self.guard():
            super().log_metrics(metrics, step)

    def log_hyperparams(self, params: Any) -> None:
        """See WandbLogger."""
        with self.guard():
            super().log_hyperparams(params)

    def log_image(self, key: str, images: list[Any], step: int | None = None, **kwargs: Any) -> None:
        """See WandbLogger."""
        with self.guard():
            super().log_image(key, images, step, **kwargs)


@dataclass
class Tracker:
    """One cell's W&B run: made by ``open``, given to the Trainer as ``logger``, closed by ``finish``.

    No call raises because of W&B, asks a question, or waits for a server beyond the limits above.

    Each process writes the whole run: one that goes on from a checkpoint begins the W&B run again under the same id and
    gives `curve` the epochs before it. What a killed process left is not relied on: W&B sends and writes its lines
    every 15 s, so the last ones are nowhere, and `wandb sync` gives up all folders of a run when the first is empty.
    W&B's `resume` goes on behind the last line sent, so an epoch that is trained again would be there twice; a run
    that begins again is overwritten line by line, here with the same lines.
    """

    logger: _GuardedLogger | None  # a WandbLogger; None when disabled, and after finish
    info: TrackerInfo

    @classmethod
    def open(
        cls, mode: str, *, run_id: str, name: str, group: str, tags: Sequence[str], config: Mapping[str, object],
        folder: Path, say: Callable[[str], None],
    ) -> Tracker:  # fmt: skip
        """Start the W&B run, or do without.

        Args:
            mode: one of OPTIONS, else DataError. auto takes WANDB_MODE, else online if W&B finds a key (environment,
                settings, .netrc), else offline. Online becomes offline if the server does not take the run.
            run_id: the cell's id, any text; W&B's id is made from it by ``wandb_id``.
            name: of the run, for people.
            group: the runs to show together.
            tags: to filter runs by.
            config: the resolved configuration; what JSON lacks is written as its str().
            folder: where W&B may create its folder `wandb`.
            say: prints one line for people.
        """
        asked = _asked(mode, say)
        nowhere = cls(None, TrackerInfo("disabled", None, None))
        if asked == "disabled":
            return nowhere
        try:
            logger = _GuardedLogger(
                name=name, id=wandb_id(run_id), group=group, tags=tags, save_dir=_writable(folder),
                project=os.environ.get("WANDB_PROJECT") or PROJECT, reinit="create_new", resume=None,
                config=json.loads(json.dumps(dict(config), default=str)),
            )  # fmt: skip
            logger.say = say
            got = _start(asked, logger)
            return cls(logger, TrackerInfo(got, logger.version, str(logger.experiment.settings.sync_dir)))
        except Exception as error:
            say(f"W&B: {_one_line(error)}; the run goes on without its mirror")
            return nowhere

    def curve(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Log epochs that are over, a row each, in the lines in which Lightning would have logged them.

        Args:
            rows: as in `Curves`; `epoch` counts from 1, Lightning from 0. Without a `step` the epoch stands for it.
        """
        if self.logger is None:
            return
        for row in rows:
            numbers = {name: value for name, value in row.items() if name not in ("epoch", "step")}
            validation = {name: value for name, value in numbers.items() if name.startswith("val/")}
            training = {name: value for name, value in numbers.items() if name not in validation}
            for line in filter(None, (validation, training)):
                self.logger.log_metrics({**line, "epoch": row["epoch"] - 1}, int(row.get("step", row["epoch"])))

    def picture(self, name: str, path: Path) -> None:
        """Log an image file under a name."""
        if self.logger is not None:
            self.logger.log_image(name, [str(path)])

    def table(self, name: str, columns: list[str], rows: list[list[float | None]]) -> None:
        """Log a table under a name."""
        if self.logger is not None:
            with self.logger.guard():
                self.logger.log_table(name, columns=columns, data=rows)

    def finish(self, summary: Mapping[str, float | str | int]) -> None:
        """Mirror the record's numbers and close the run; say how to upload it where that is still to be done."""
        if self.logger is None:
            return
        logger, self.logger = self.logger, None
        with logger.guard():
            logger.experiment.summary.update(dict(summary))
        try:
            logger.experiment.finish()
            if self.info.mode == "online":
                return
        except Exception as error:
            logger.say(f"W&B: {_one_line(error)}")
            _shut_down()
        logger.say(f"W&B: to upload this run: {_sync(Path(str(self.info.path)))}")


def wandb_id(cell: str) -> str:
    """Return W&B's id of a cell: the first digits of its SHA-256, since W&B forbids some characters in ids."""
    return hashlib.sha256(cell.encode()).hexdigest()[:ID_DIGITS]


def _asked(option: str, say: Callable[[str], None]) -> str:
    if option not in OPTIONS:
        raise DataError(f"wandb mode {option!r}, expected one of {', '.join(OPTIONS)}")
    wish = os.environ.get("WANDB_MODE") or "online"
    if option == "auto" and wish not in MODES:
        say(f"W&B: WANDB_MODE is {wish!r}, expected one of {', '.join(MODES)}; this run is mirrored offline")
    return MODES.get(wish, "offline") if option == "auto" else option


def _writable(folder: Path) -> Path:
    """Return the absolute folder, created and tried; W&B would quietly take the temporary folder instead."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(b"0")
    return folder.resolve()


def _start(asked: str, logger: _GuardedLogger) -> Literal["online", "offline"]:
    """Start the run online if asked and possible, else offline; return which."""
    if asked == "online":
        try:
            logger.start("online")
            return "online"
        except Exception as error:
            logger.say(f"W&B: not online ({_one_line(error)}); this run is mirrored offline")
            _shut_down()  # frees the id, which the failed attempt still holds
    logger.start("offline")
    return "offline"


def _sync(folder: Path) -> str:
    """Return the command that uploads it; W&B passes over folders of online runs unless told otherwise."""
    online = not folder.name.startswith("offline-")
    return shlex.join(["wandb", "sync", *(["--no-skip-online"] if online else []), str(folder)])


def _shut_down() -> None:
    """End W&B's background process, whatever its state; else it complains when Python exits."""
    import wandb

    with contextlib.suppress(Exception, SystemExit):
        wandb.teardown()


def _one_line(error: Exception) -> str:
    kind = "" if isinstance(error, ConnectionError) else f"{type(error).__name__}: "  # ours, or says enough by itself
    return f"{kind}{' '.join(str(error).split())}"[:200]
