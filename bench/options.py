"""The commands and their options, as argparse has them. The dotted options are `bench.config`'s."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NoReturn, Protocol

from bench.errors import UserError

DESCRIPTION = "Benchmark methods of human pose estimation: train, test, record, compare."
DOTTED = """\
Options of the method, the data and the trainer follow by dotted names, for example
  --method.depth 18   --data.batch_size 64   --data.augment.rotation 40   --trainer.max_epochs 5
`run --method M --help` lists all of them with types and defaults."""

BOXES = """\
truth (default), jitter:0.1 (simulated detector noise), or, of data sets with several people an image, jitter:0.1:2 (two
further boxes of each person) or a file for the test: a COCO detections list, or a record, whose predictions give the
boxes"""


class Add(Protocol):
    """Adds a command."""

    def __call__(self, name: str, text: str, **extra: Any) -> argparse.ArgumentParser:
        """Return the command's parser."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage.

        Raises:
            UserError: always.
        """
        raise UserError(f"{message} (see python -m {self.prog} --help)")


def build_parser() -> Parser:
    """Describe the commands."""
    parser = Parser(prog="bench", description=DESCRIPTION, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, text: str, **extra: Any) -> Parser:
        made = commands.add_parser(name, help=text, description=text, allow_abbrev=False, **extra)
        made.add_argument("--json", action="store_true", help="one JSON document on stdout, everything else on stderr")
        return made

    add("list", "methods, data sets and protocols")
    cost = add("cost", "parameters and multiply-adds of a method's network")
    run = add(
        "run",
        "fit, test and record one cell",
        add_help=False,
        epilog=DOTTED,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for command in (cost, run):
        command.add_argument("--method", required=command is cost, metavar="M", help="a name that `list` shows")
        command.add_argument(
            "--preset", default="paper" if command is cost else "small", metavar="P", help="%(default)s"
        )
        command.add_argument("--dataset", default="synthetic", metavar="D", help="%(default)s")
    _add_run_options(run)
    for command in (cost, run):
        command.set_defaults(known=[word for action in command._actions for word in action.option_strings])
    _add_evaluation(add)
    _add_track(add)
    _add_tools(add)
    _add_studies(add)
    return parser


def _add_run_options(run: Parser) -> None:
    run.set_defaults(print_help=run.print_help)
    run.add_argument("-h", "--help", action="store_true", help="show this; with --method M all of its options too")
    run.add_argument("--seed", type=int, default=0, help="%(default)s")
    run.add_argument("--budget", metavar="TIME", help="train this long (90s, 5m, 1h) instead of the preset's epochs")
    run.add_argument("--boxes", default="truth", help=BOXES)
    run.add_argument("--convention", help="pc or oc: whose left and right; by default the data set's own")
    run.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="%(default)s")
    run.add_argument("--wandb", default="auto", choices=("auto", "online", "offline", "disabled"), help="%(default)s")
    run.add_argument("--group", help="group of the W&B run; DATASET/PRESET by default")
    run.add_argument("--tags", nargs="+", default=[], help="tags of the W&B run")
    run.add_argument("--force", action="store_true", help="run again although the record exists")
    run.add_argument("--print_config", action="store_true", help="print the resolved configuration and stop")


def _add_evaluation(add: Add) -> None:
    """What works on predictions and records that are already there."""
    score = add("score", "score anybody's predictions with the same metrics")
    score.add_argument("--dataset", required=True, metavar="D")
    score.add_argument("--split", default="test", help="%(default)s")
    score.add_argument(
        "--predictions", required=True, type=Path, metavar="FILE", help=".npz, .mat or COCO results, see README"
    )
    score.add_argument("--convention", default="pc", help="pc (default) or oc: whose left and right")
    score.add_argument(
        "--truth", type=Path, metavar="FILE", help="annotation file to use instead, for data in COCO's format"
    )
    test = add(
        "test",
        "test what a run has trained on another data set, with other boxes or other options: a record of its own",
        epilog="Options of the method that only the test uses follow by dotted names: --method.solver greedy",
    )
    test.add_argument("record", type=Path, metavar="RECORD.json", help="of the run, its checkpoint beside it")
    test.add_argument("--dataset", metavar="D", help="of the same joints; that of the run by default")
    test.add_argument("--split", default="test", help="%(default)s; train for boxes that another method learns from")
    test.add_argument("--boxes", default="truth", help=BOXES)
    test.add_argument("--limit", type=int, metavar="N", help="the first so many samples only")
    test.add_argument("--batch-size", type=int, default=16, metavar="N", help="%(default)s")
    compare = add("compare", "paired comparison of two records on the same people")
    compare.add_argument("records", type=Path, nargs=2, metavar="RECORD.json", help="differences are second - first")
    show = add("show", "whom records found in the same images, side by side with the truth")
    show.add_argument("records", type=Path, nargs="+", metavar="RECORD.json", help="of one data set and split")
    show.add_argument("--out", type=Path, required=True, metavar="FILE", help="the picture, .png or .jpg")
    show.add_argument("--images", type=int, default=6, help="rows, evenly spaced over the split; %(default)s")
    show.add_argument("--image", type=int, metavar="N", help="only this one, counted from 0, in rows of --columns")
    show.add_argument("--columns", type=int, default=5, help="with --image; %(default)s")
    explain = add("explain", "which protocol gives the number somebody printed")
    explain.add_argument("--value", required=True, type=float, help="the number, as printed")
    explain.add_argument("--predictions", required=True, type=Path, metavar="FILE")
    explain.add_argument("--dataset", required=True, metavar="D")
    explain.add_argument("--split", default="test", help="%(default)s; stands for val where there is no test")
    explain.add_argument("--most", type=int, default=20, help="how many ways to list; %(default)s")


def _add_track(add: Add) -> None:
    """What `bench.track.Settings` holds."""
    track = add("track", "follow drawn people through sequences with a trained top-down method: MOTA")
    track.add_argument("run", type=Path, metavar="RUN", help="record or folder of a run, or its last.ckpt")
    track.add_argument("--sequences", type=int, default=20, help="%(default)s")
    track.add_argument("--frames", type=int, default=16, help="of each; %(default)s")
    track.add_argument("--seed", type=int, default=0, help="%(default)s")
    track.add_argument("--boxes", default="jitter:0.05", help="stand-in for a detector: truth or %(default)s (default)")
    track.add_argument("--miss", type=float, default=0.2, help="share of the people it does not see; %(default)s")
    track.add_argument(
        "--similarity", default="multi-flow", choices=("bbox", "pose", "flow", "multi-flow"), help="%(default)s"
    )
    track.add_argument(
        "--propagate", action=argparse.BooleanOptionalAction, default=True, help="look where the flow carries people"
    )
    track.add_argument("--box-score", type=float, default=0.5, help="boxes below are dropped; %(default)s")
    track.add_argument("--joint-score", type=float, default=0.4, help="joints below are dropped; %(default)s")
    track.add_argument("--overlap", type=float, default=0.5, help="IoU from which two boxes are one; %(default)s")
    track.add_argument("--least", type=float, default=0.2, help="similarity that two people need; %(default)s")
    track.add_argument("--queue", type=int, default=10, help="frames that multi-flow remembers; %(default)s")
    track.add_argument("--out", type=Path, metavar="DIR", help="also draw each sequence there")


def _add_tools(add: Add) -> None:
    """What works on pictures, data sets and this machine."""
    predict = add("predict", "run a trained method on your own pictures")
    predict.add_argument("--checkpoint", required=True, type=Path, metavar="FILE", help="last.ckpt of a run")
    predict.add_argument("--images", required=True, type=Path, nargs="+", metavar="PATH", help="pictures or folders")
    predict.add_argument("--out", required=True, type=Path, metavar="DIR", help="drawn pictures and results.json")
    data = add("data", "check a data set, or look at it")
    data.add_argument("dataset", metavar="D", help="a name that `list` shows")
    data.add_argument("--root", type=Path, metavar="DIR", help="folder of all data sets; $POSE_DATA by default")
    data.add_argument("--from", dest="source", type=Path, metavar="PATH", help="a folder or archive to bring it from")
    data.add_argument("--preview", type=Path, metavar="FILE", help="write a contact sheet (.png or .jpg) instead")
    data.add_argument(
        "--duplicates",
        action="store_true",
        help="list training images that look like test images; with --preview, draw",
    )
    data.add_argument("--bits", type=int, metavar="N", help="of 256 in which duplicates may differ; 60 by default")
    data.add_argument("--split", default="train", help="what the sheet shows; %(default)s")
    data.add_argument("--no-joints", action="store_true", help="leave the joints out of the sheet")
    speed = add("speed", "images/s of loading, training and testing, beside a bare PyTorch loop")
    speed.add_argument("--dataset", default="synthetic", metavar="D", help="%(default)s")
    speed.add_argument("--methods", nargs="+", default=(), metavar="M", help="all (default)")
    speed.add_argument(
        "--compile", action="store_true", help="time torch.compile too: a minute or more a large network"
    )
    speed.add_argument("--preset", default="small", metavar="P", help="%(default)s")
    speed.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="%(default)s")


def _add_studies(add: Add) -> None:
    """What works on many cells or records."""
    sweep = add("sweep", "run every cell of a grid that has no record yet; the same command again finishes the rest")
    sweep.add_argument("file", type=Path, metavar="FILE.yaml", help="the grid; bench/sweeps holds some")
    sweep.add_argument("--workers", type=int, metavar="N", help="cells at a time; one for each GPU, or 1, by default")
    sweep.add_argument("--ray", metavar="ADDRESS", help="run on this Ray cluster (needs the extra: ray)")
    sweep.add_argument("--dry-run", action="store_true", help="print the missing commands, one a line, and stop")
    sweep.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="%(default)s")
    sweep.add_argument("--wandb", default="auto", choices=("auto", "online", "offline", "disabled"), help="%(default)s")
    report = add("report", "tables and a page over all records of a folder")
    report.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="searched; %(default)s")
    report.add_argument("--out", type=Path, metavar="DIR", help="where the files go; the folder searched by default")
    report.add_argument(
        "--wandb",
        nargs="?",
        const="auto",
        choices=("auto", "online", "offline"),
        help="rebuild the W&B mirror from the records; online, write a comparison report (needs the extra: report)",
    )
    quote = add("quote", "write the tables of records into documents, between their marks")
    quote.add_argument("documents", type=Path, nargs="+", metavar="FILE.md", help="each with a mark or more")
    verify = add("verify", "score a record's stored predictions again, and test its checkpoint where it is there")
    verify.add_argument("record", type=Path, metavar="RECORD.json", help="or a folder: every record in it")
    verify.add_argument("--no-checkpoint", action="store_true", help="only the predictions")
    noise = add("noise", "how trained methods bear boxes that err, from tests with --boxes jitter:SIGMA[:DOUBLES]")
    how = "a run, its tests beside it; with ,option=value those that had another option"
    noise.add_argument("runs", nargs="+", metavar="NAME=RECORD.json", help=how)
    noise.add_argument("--metric", default="ap", metavar="ID", help="%(default)s")
    noise.add_argument("--out", type=Path, metavar="FILE", help="also draw a figure, .svg or .png")
    rerun = add("rerun", "run a record's configuration again, and say what differs in numbers and environment")
    rerun.add_argument("record", type=Path, metavar="RECORD.json")
    rerun.add_argument("--out", type=Path, default=Path("results/reruns"), metavar="DIR", help="%(default)s")
    rerun.add_argument("--wandb", default="auto", choices=("auto", "online", "offline", "disabled"), help="%(default)s")
