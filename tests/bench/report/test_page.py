"""The page: whole by itself, safe with odd names, and working in a real browser where there is one."""

import html
import html.parser
import json
import re
import subprocess
from pathlib import Path

import pytest

from bench.config import resolve
from bench.plan import Planned
from bench.repeat import words
from bench.report import page_parts as parts
from bench.report.build import Report, gather
from bench.report.page import page
from bench.report.rows import make_tables
from tests.bench.report.browser import CHROMIUM

WATCH = "<script>window.faults = []; addEventListener('error', (e) => faults.push(e.message));</script>"
ACT = """<script>addEventListener('load', () => setTimeout(() => {
  const table = document.querySelector('#leaderboard table');
  const order = () => table.tBodies[0].innerText.match(/(cpm|hrnet|ief)/g);
  const told = { first: order(), faults };
  table.querySelectorAll('thead button')[2].click(); told.down = order();
  table.querySelectorAll('thead button')[2].click(); told.up = order();
  told.said = table.querySelectorAll('thead th')[2].getAttribute('aria-sort');
  table.querySelectorAll('thead button')[0].click(); told.names = order();
  const filter = document.getElementById('filter');
  filter.value = 'ief synth'; filter.dispatchEvent(new Event('input'));
  told.shown = document.getElementById('shown').textContent;
  told.visible = [...document.querySelectorAll('#leaderboard tbody tr')].filter((row) => !row.hidden).length;
  dispatchEvent(new Event('beforeprint'));
  told.charts = document.querySelectorAll('.chart.js-plotly-plot').length;
  const which = document.getElementById('which');
  which.value = '1'; which.dispatchEvent(new Event('change'));
  told.protocols = [...document.getElementById('protocol').options].map((o) => o.value);
  told.wide = document.documentElement.scrollWidth > innerWidth;
  const made = document.createElement('div'); made.id = 'told'; made.textContent = JSON.stringify(told);
  document.body.append(made);
}, 50));</script>"""


@pytest.fixture
def report(entry):
    entries = [entry(m, metrics={"pck@0.2": (v, 1.0)}) for m, v in (("hrnet", 9.5), ("cpm", 60.0), ("ief", 12.0))]
    entries += [entry(dataset="lsp", metrics={"pcp@0.5/strict": (40.0, 1.0)})]
    tables = make_tables(entries)
    return Report(tuple(entries), tuple(tables), tuple({} for _ in tables), (), {"CPM": "x < y"}, 3, ("a fault",))


class Loads(html.parser.HTMLParser):
    """Collects whatever a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "srcset") or (name == "href" and tag in ("link", "a", "base")):
                self.found.append(value)


def test_the_page_loads_nothing_from_anywhere(report):
    text = page(report)
    parser = Loads()
    parser.feed(text)
    assert parser.found and all(value.startswith(("#", "data:")) for value in parser.found)
    assert "@import" not in text[:20000] and "a fault" in text


def test_names_that_look_like_html_stay_text(entry):
    odd = entry("a</script><b>", metrics={"pck@0.2": (1.0, 0.5)}, config={"method": {"name": "<i>"}})
    tables = make_tables([odd])
    text = page(Report((odd,), tuple(tables), ({},), (), {}, 0, ()))
    assert "</script><b>" not in text and "<i>" not in re.sub(r"<script>.*?</script>", "", text, flags=re.S)
    data = re.search(r"<script type='application/json' id='data'>(.*?)</script>", text, re.S)[1]
    assert json.loads(data)["tables"][0]["rows"][0]["method"] == "a</script><b>"


def test_the_tables_do_not_wait_for_the_charts(report):
    """The library is text, behind the page's own script, which runs it when a chart comes into view."""
    text = page(report)
    assert text.index("function library()") < text.index("<script type='text/plain' id='plotly'>")
    assert len(re.findall(r"<script>", text)) == 1


def test_why_there_is_no_picture_is_said_once(report):
    assert page(report).count("No picture of any table: no predictions lie beside these records.") == 1
    two = parts.gallery_section([("A", ("QUJD", "four people")), ("B", (None, "none")), ("C", (None, "none"))])
    assert "<h3>A</h3>" in two and "No picture of B; C: none." in two


def test_every_run_says_its_configuration_its_departures_and_how_to_repeat_it(report):
    text = page(report)
    for one in report.entries:
        assert f"id='run-{one.record.id}'" in text
    assert "python -m bench run --method cpm" in text and "Departures from the paper: x &lt; y." in text


@pytest.mark.parametrize("method", ["simplebaseline", "mean_pose", "cpm"])
def test_the_command_that_repeats_a_record_names_the_same_cell(method, record):
    cell = resolve(method, "small", "synthetic", ["--data.batch_size", "7"], seed=3, boxes="jitter:0.1", budget="90s")
    changes = {"method": method, "seed": 3, "boxes": "jitter:0.1", "config": {**cell.config, "protocols": {}}}
    made = words(record.model_copy(update=changes))
    names = {made[i][2:]: made[i + 1] for i in range(1, len(made), 2) if "." not in made[i]}
    dotted = [word for i in range(1, len(made), 2) if "." in made[i] for word in made[i : i + 2]]
    assert (names.pop("method"), names.pop("preset"), names.pop("dataset")) == (method, "small", "synthetic")
    assert resolve(method, "small", "synthetic", dotted, **{**names, "seed": int(names["seed"])}).id == cell.id
    assert Planned(cell.id, tuple(made)).words[0] == "run"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_in_a_browser_tables_sort_and_filter_and_charts_are_drawn_without_an_error(report, tmp_path):
    text = page(report).replace("<head>", "<head>" + WATCH).replace("</body></html>", ACT + "</body></html>")
    (tmp_path / "page.html").write_text(text)
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=390,900", "--virtual-time-budget=5000"]
    command = [CHROMIUM, *options, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", str(tmp_path / "page.html")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = re.search(r'<div id="told">(.*?)</div>', done.stdout)
    assert found, done.stderr[-2000:]
    told = json.loads(html.unescape(found[1]))
    assert told["faults"] == []
    assert told["first"] == told["down"] == ["cpm", "ief", "hrnet"], "60, 12 and 9.5: numbers, not words"
    assert (told["up"], told["said"]) == (["hrnet", "ief", "cpm"], "ascending")
    assert told["names"] == ["cpm", "hrnet", "ief"] and told["protocols"] == ["pcp@0.5/strict"]
    assert told["charts"] >= 2 and not told["wide"], "on a phone only tables scroll sideways"
    assert told["visible"] == 1 and told["shown"] == "1 of 4 rows"


def test_the_page_of_the_reference_records_is_made():
    folder = Path("results/reference")
    text = page(gather(folder))
    assert text.count("<details id='run-") == len(list(folder.glob("*.json"))) > 20
    assert "Beside the published numbers" in text
