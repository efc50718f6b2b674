"""From words to a resolved configuration: preset, overrides, budget, and the hash that names a cell."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from jsonargparse import ArgumentError, ArgumentParser, Namespace

from bench.boxes import box_source
from bench.errors import UserError, unknown
from data import DATASETS
from data.boxes import BoxSource
from data.module import PoseDataModule
from methods import METHODS
from methods.base import PoseMethod

PRESETS = Path(__file__).parent.parent / "methods" / "presets"
# Arguments of the data module that have options of their own.
FIXED = {"view", "train_view", "dataset", "seed", "boxes", "convention", "root", "tested"}
# What cannot change a result, only how fast or where it is made, is no part of a cell's name.
UNNAMED = {"data": {"workers", "cache_gb", "test_batch_size"}, "trainer": {"accelerator", "compile"}}


Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


@dataclass(frozen=True)
class TrainerOptions:
    """The options of Lightning's Trainer that a run may set.

    Attributes:
        max_epochs: Passes over the training data.
        precision: As Lightning: 32-true, bf16-mixed, 16-mixed.
        accumulate_grad_batches: Batches a step.
        gradient_clip_val: Largest gradient norm; None does not clip.
        check_val_every_n_epoch: Epochs between two points of the validation curve.
        accelerator: auto, cpu, gpu, mps; one device a cell.
        compile: Train and test what ``torch.compile`` makes of the method's ``forward``; ``bench speed --compile``
            tells what it gains.
    """

    max_epochs: int = 100
    precision: Precision = "32-true"
    accumulate_grad_batches: int = 1
    gradient_clip_val: float | None = None
    check_val_every_n_epoch: int = 1
    accelerator: str = "auto"
    compile: bool = False


@dataclass(frozen=True)
class Options:
    """The dotted options of one preset, resolved."""

    groups: Namespace  # method, data, trainer
    epochs_given: bool  # by the user, so that a budget leaves them alone


@dataclass(frozen=True)
class Cell:
    """One cell of the benchmark, resolved."""

    method: str
    preset: str
    dataset: str
    seed: int
    box_source: BoxSource
    convention: str
    budget: float | None  # seconds
    method_options: dict[str, Any]
    data_options: dict[str, Any]
    trainer: TrainerOptions

    @property
    def boxes(self) -> str:
        """Where the boxes come from, as a record says it."""
        return self.box_source.label

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration as JSON has it."""
        groups = {"method": self.method_options, "data": self.data_options, "trainer": self.trainer}
        resolved: dict[str, Any] = {name: plain(group) for name, group in groups.items()}
        return {**resolved, "convention": self.convention, "budget_seconds": self.budget}

    @property
    def digest(self) -> str:
        """The hash of what can change a result, whatever the seed."""
        named = {k: _without(v, UNNAMED.get(k, set())) for k, v in self.config.items()}
        text = json.dumps([named, self.boxes], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def id(self) -> str:
        """The name of the cell and of its files."""
        return cell_id(self.method, self.preset, self.dataset, self.seed, self.digest)

    def build_method(self) -> PoseMethod:
        """Build the network, untrained."""
        return METHODS[self.method](DATASETS[self.dataset].skeleton, **self.method_options)

    def build_data(self, method: PoseMethod) -> PoseDataModule:
        """Build the data module for the method's view; nothing is read yet."""
        return PoseDataModule(
            method.view,
            self.dataset,
            seed=self.seed,
            boxes=self.box_source,
            convention=self.convention,
            train_view=method.train_view,
            **self.data_options,
        )


def cell_id(method: str, preset: str, dataset: str, seed: int, digest: str) -> str:
    """Return the name of a cell and of its files."""
    return f"{method}-{preset}--{dataset}--s{seed}--{digest}"


def _group(options: Namespace, name: str) -> dict[str, Any]:
    """Return the options of one group; a method without arguments has none."""
    return dict(vars(options[name])) if name in options else {}


def plain(value: Any) -> Any:
    """Return an option's value as JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _without(value: Any, names: set[str]) -> Any:
    return {k: v for k, v in value.items() if k not in names} if isinstance(value, dict) else value


def resolve(
    method: str,
    preset: str,
    dataset: str,
    overrides: Sequence[str] = (),
    *,
    seed: int = 0,
    boxes: str = "truth",
    convention: str | None = None,
    budget: str | None = None,
    known: Sequence[str] = (),
) -> Cell:
    """Check every word and return the resolved cell.

    A budget takes the place of the preset's epochs: training lasts as long as the budget, and the learning-rate
    schedule is stretched over it. With ``--trainer.max_epochs`` given as well, whichever ends first ends it.
    Without ``convention`` labels are read as the data set's first says. ``known`` are options that are no overrides, to
    be named where one of them is misspelt.

    Raises:
        UserError: for a method, preset, data set, option or value that does not exist.
    """
    options = resolve_options(method, preset, overrides, known=known)
    return with_options(options, method, preset, dataset, seed=seed, boxes=boxes, convention=convention, budget=budget)


def resolve_options(method: str, preset: str, overrides: Sequence[str] = (), *, known: Sequence[str] = ()) -> Options:
    """Resolve what does not depend on data set, boxes and seed; errors as `resolve`. This is the slow part."""
    parser = option_parser(method)
    parser.set_defaults(_flat(read_preset(method, preset)))
    epochs = any(word.split("=")[0] == "--trainer.max_epochs" for word in overrides)
    return Options(parser.instantiate(_parse(parser, overrides, known)), epochs)


def with_options(
    resolved: Options,
    method: str,
    preset: str,
    dataset: str,
    *,
    seed: int = 0,
    boxes: str = "truth",
    convention: str | None = None,
    budget: str | None = None,
) -> Cell:
    """Return the cell that has options of `resolve_options`; arguments and errors as `resolve`."""
    if dataset not in DATASETS:
        raise unknown("data set", dataset, DATASETS)
    convention = convention or DATASETS[dataset].conventions[0]
    if convention not in DATASETS[dataset].conventions:
        raise unknown(f"convention for {dataset}", convention, DATASETS[dataset].conventions)
    data = _group(resolved.groups, "data")
    data["extra"] = data["extra"] and DATASETS[dataset].has_extra  # what is absent is no part of what was trained on
    trainer = TrainerOptions(**resolved.groups.trainer.as_dict())
    seconds = parse_budget(budget) if budget else None
    if seconds and not resolved.epochs_given:
        trainer = TrainerOptions(**{**asdict(trainer), "max_epochs": -1})
    return Cell(
        method,
        preset,
        dataset,
        seed,
        box_source(boxes, dataset),
        convention,
        seconds,
        _of_data_set(_group(resolved.groups, "method"), DATASETS[dataset].people),
        data,
        trainer,
    )


def option_parser(method: str) -> ArgumentParser:
    """Return the parser of the dotted options: their names, types and defaults are the signatures'."""
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    parser = ArgumentParser(exit_on_error=False, add_help=False)
    parser.add_class_arguments(METHODS[method], "method", skip={"skeleton"}, instantiate=False)
    parser.add_class_arguments(PoseDataModule, "data", skip=FIXED, instantiate=False)
    parser.add_class_arguments(TrainerOptions, "trainer", instantiate=False)
    return parser


def _of_data_set(method: dict[str, Any], people: str) -> dict[str, Any]:
    """Return a method's options with the mode that nobody chose: whether it looks for one person or for everybody."""
    return method | {"mode": people} if "mode" in method and method["mode"] is None else method


def option_names(parser: ArgumentParser) -> list[str]:
    """List every dotted option, as typed."""
    return [name for action in parser._actions for name in action.option_strings if "." in name]


def _parse(parser: ArgumentParser, overrides: Sequence[str], known: Sequence[str]) -> Namespace:
    valid = option_names(parser)
    for word in overrides:
        name = word.split("=")[0]
        if word.startswith("--") and name not in valid:
            raise unknown("option", name, [*valid, *known])
    try:
        return parser.parse_args(list(overrides))
    except ArgumentError as error:
        raise UserError(_shorten(str(error))) from error


def _shorten(message: str) -> str:
    """Bring jsonargparse's explanation into one line."""
    key = re.search(r'key "([\w.]+)"', message)
    lines = [line.strip(" -") for line in message.splitlines() if line.strip(" -")]
    return f"--{key.group(1)}: {' '.join(lines[1:]) or lines[0]}" if key else " ".join(lines)


def read_preset(method: str, preset: str) -> dict[str, Any]:
    """Read one preset of a method.

    Raises:
        UserError: if there is none of that name.
    """
    presets = yaml.safe_load((PRESETS / f"{method}.yaml").read_text())
    if preset not in presets:
        raise unknown(f"preset of {method}", preset, presets)
    return dict(presets[preset])


def preset_names(method: str) -> list[str]:
    """List the presets of a method."""
    return list(yaml.safe_load((PRESETS / f"{method}.yaml").read_text()))


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        nested = isinstance(value, dict) and prefix != "method."  # a method's option may be a mapping itself
        leaves |= _flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return leaves


def parse_budget(text: str) -> float:
    """Read ``90s``, ``5m``, ``1.5h`` or plain seconds.

    Raises:
        UserError: for anything else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    seconds = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]] if match else 0.0
    if seconds <= 0:
        raise UserError(f"--budget {text}: expected a time above 0 such as 90s, 5m or 1.5h")
    return seconds
