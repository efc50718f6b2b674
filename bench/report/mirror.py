"""The W&B mirror, rebuilt from the records alone, and a comparison report over it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UserError, one_line
from bench.outcome import summary
from bench.parts import Say
from bench.report import tables as laid_out
from bench.report.records import Entry
from bench.tracker import PROJECT, Tracker

if TYPE_CHECKING:
    from bench.report.build import Report

EXTRA = "wandb-workspaces is not installed; pip install -e '.[report]' brings it"


def mirror(entries: Sequence[Entry], folder: Path, *, mode: str, say: Say) -> Counter[str]:
    """Write each record's W&B run once more, under the id that the run had.

    Args:
        entries: the records.
        folder: where W&B keeps the files of runs that are not online.
        mode: auto, online, offline or disabled, as for `run`.
        say: takes lines for people.

    Returns:
        How many runs got which mode.
    """
    modes: Counter[str] = Counter()
    for entry in entries:
        record = entry.record
        names = {name: getattr(record, name) for name in ("method", "preset", "dataset", "seed", "boxes")}
        tracker = Tracker.open(
            mode,
            run_id=record.id,
            name=record.id,
            group=f"{record.dataset}/{record.preset}",
            tags=(record.method, record.preset, record.dataset, "mirrored"),
            config={"cell": names, **record.config},
            folder=folder,
            say=say,
        )
        modes[tracker.info.mode] += 1
        if tracker.info.mode == "offline":
            mode = "offline"  # a server that did not take this run would hold up each of the others
        tracker.curve(entry.curve())
        for picture in ("people", "inside", "curves"):
            for path in sorted(entry.folder.glob(f"{picture}.*g")):  # .jpg, .png
                tracker.picture(picture, path)
        tracker.finish(summary(record))
    return modes


def outline(report: Report) -> list[str]:
    """Say what the comparison report would hold."""
    parts = [f"{len(report.entries)} runs of {len({e.record.method for e in report.entries})} methods"]
    for table in report.tables:
        names = ", ".join(table.protocols)
        parts.append(f"{table.title}: the table, a bar chart of each of {names}; learning curves; speed and accuracy")
    return [*parts, "a comparison of the runs' configurations"]


def publish(report: Report, *, say: Say) -> str:
    """Write the comparison report; the runs must be online.

    Returns:
        Its address.

    Raises:
        UserError: if wandb-workspaces is missing, or the server refuses.
    """
    try:
        import wandb_workspaces.reports.v2 as wr
    except ImportError as error:
        raise UserError(EXTRA) from error
    project = os.environ.get("WANDB_PROJECT") or PROJECT
    say("writing the W&B report")
    try:
        blocks = [wr.TableOfContents()]
        for table, best in zip(report.tables, report.verdicts, strict=True):
            runs = wr.Runset(project=project, name=table.title, filters=f"Config('cell.dataset') = '{table.dataset}'")
            first = table.protocols[0]
            panels = [wr.BarPlot(title=name, metrics=[f"test/{name}"]) for name in table.protocols]
            panels += [
                wr.LinePlot(title="learning curves", x="epoch", y=[f"val/{first}"]),
                wr.ScatterPlot(
                    title="speed and accuracy",
                    x=wr.SummaryMetric("cost/test_images_per_second"),
                    y=wr.SummaryMetric(f"test/{first}"),
                    log_x=True,
                ),
                wr.RunComparer(),
            ]
            text = laid_out.markdown([table], [best], [], {}, 0)
            blocks += [wr.H2(table.title), wr.MarkdownBlock(text=text), wr.PanelGrid(runsets=[runs], panels=panels)]
        made = wr.Report(project=project, title="Human pose estimation: results", blocks=blocks, width="fluid")
        return str(made.save().url)
    except Exception as error:  # the client's and the server's kinds are many; the records are safe whatever it says
        raise UserError(
            f"W&B report: {one_line(error)}; the records and report.html are complete without it"
        ) from error
