"""Five hundred records in a real browser: how soon the tables can be read and sorted, by the clock on the wall."""

import pytest

from bench.report.build import Report
from bench.report.page import page
from bench.report.rows import make_tables
from tests.bench.report.browser import CHROMIUM, Browser

RECORDS, MOST_SECONDS = 500, 2.0
TRIES = 5  # other work on the machine takes time away, never gives any: the fastest is the page's own
WATCH = """window.told = {};
document.addEventListener('DOMContentLoaded', () => {
  const table = document.querySelector('#leaderboard table'), button = table.querySelectorAll('thead button')[2];
  const values = () => [...table.tBodies[0].rows].map((row) => Number(row.children[2].dataset.value));
  button.click(); button.click();
  told.values = values();
  requestAnimationFrame(() => requestAnimationFrame(() => {  // the second comes after the first picture
    told.seconds = performance.now() / 1000;
    const filter = document.getElementById('filter');
    filter.value = 'hrnet coco'; filter.dispatchEvent(new Event('input'));
    told.shown = document.getElementById('shown').textContent;
    told.early = window.Plotly !== undefined;
  }));
});"""


@pytest.fixture
def file(entry, tmp_path):
    """A page of many rows: settings of four methods on four data sets, with curves of fifty epochs."""
    protocols = ["pck@0.2", "pck@0.1", "pckh@0.5", "pcp@0.5/strict", "pcp@0.5/loose"]
    entries = []
    for number in range(RECORDS):
        method = ("cpm", "hrnet", "ief", "tompson")[number % 4]
        dataset = ("synthetic", "lsp", "mpii", "coco")[number // 4 % 4]
        metrics = {name: (float(number * 7 % 101), 1.0) for name in protocols}
        config = {"method": {f"option_{i}": i for i in range(60)} | {"stages": number}}
        one = entry(method, dataset=dataset, metrics=metrics, digest=f"{number:08d}", config=config)
        one.folder.mkdir()
        head = ",".join(["epoch", "seconds", *(f"val/{name}" for name in protocols)])
        lines = [",".join(map(str, [epoch, epoch * 3.5, *[epoch / 2] * len(protocols)])) for epoch in range(50)]
        (one.folder / "curves.csv").write_text("\n".join([head, *lines]) + "\n")
        entries.append(one)
    tables = make_tables(entries)
    path = tmp_path / "report.html"
    path.write_text(page(Report(tuple(entries), tuple(tables), tuple({} for _ in tables), (), {}, 0, ())))
    return path


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_five_hundred_records_can_be_read_sorted_and_filtered_within_two_seconds(file, tmp_path):
    seconds = []
    for number in range(TRIES):
        browser = Browser(tmp_path / f"profile{number}")
        try:
            browser.open(file, WATCH)
            browser.wait("window.told?.early !== undefined")
            told = browser.value("told")
            browser.value("document.getElementById('charts').scrollIntoView()")
            browser.wait("document.querySelector('.chart.js-plotly-plot') !== null")
        finally:
            browser.close()
        assert told["values"] == sorted(told["values"]) and len(told["values"]) > RECORDS // 4
        assert told["shown"] == f"{RECORDS // 16} of {RECORDS} rows" and browser.console == []
        assert not told["early"], "the charts' library is not read before a chart is in view"
        seconds.append(told["seconds"])
    print("seconds until sorted and painted:", [round(s, 2) for s in sorted(seconds)])
    assert min(seconds) < MOST_SECONDS
