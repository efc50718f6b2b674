"""LaTeX that prints what is meant: signs, cells, widths; and compiled where there is a pdflatex."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.report import latex as latex_file
from bench.report.build import gather
from bench.report.latex import MOST_LINES, escape, latex
from bench.report.published import reproduce
from bench.report.rows import make_tables
from tests.bench.report.test_tables import published

PDFLATEX = shutil.which("pdflatex")
DOCUMENT = r"""\documentclass{article}
\usepackage{PACKAGES}
BEFORE
\begin{document}
Words before. \input{table.tex} Words after.
\end{document}
"""
CELL = re.compile(r"(?<!\\)&")


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a_b", r"a\_b"),
        ("50 %", r"50 \%"),
        ("R&D #1 $5", r"R\&D \#1 \$5"),
        ("{x}", r"\{x\}"),
        ("C:\\x", r"C:\textbackslash{}x"),
        ("a~b^c", r"a\textasciitilde{}b\textasciicircum{}c"),
        ("a<b>c|d", r"a\textless{}b\textgreater{}c\textbar{}d"),
        ("1 ± 2", r"1 $\pm$ 2"),
        ("cpm--lsp---s0", "cpm-{}-lsp-{}-{}-s0"),
        ("1–2 é ≤ 姿", r"1\textendash{}2 é ? ?"),
    ],
)
def test_latex_prints_every_sign_as_it_is(text, printed):
    assert escape(text) == printed


@pytest.fixture
def odd(entry):
    """Tables that tempt a float: names to escape, ten protocols, more rows than a page has, seeds, devices."""
    ap = dict.fromkeys(["ap", "ap50", "ap75", "apm", "apl", "ar", "ar50", "ar75", "arm", "arl"], (60.0, 1))
    made = [
        entry("my_method", metrics=ap, dataset="coco", cost={"device": "A&B #1 100%"}),
        entry("hrnet", metrics={"pck@0.2": (40.0, 1), "mpjpe": (80.0, 2)}, dataset="lsp"),
    ]
    for step in range(60):
        method = {"stages": step, "a_b": "{x} $1 ~ ^", "named": "as long as it wants to be"}
        made += [entry(seed=seed, digest=f"{step:08d}", config={"method": method}) for seed in (0, 1)]
    return make_tables(made)


def written(tables):
    theirs = [published(backbone=f"{n} stages", extra_data="MPII" if n else "") for n in range(9)]
    return latex(tables, [{}] * len(tables), reproduce(tables, theirs))


def test_tables_are_balanced_and_every_row_has_all_columns(odd):
    text = written(odd)
    assert text.count(r"\begin{") == text.count(r"\end{") and text.count("{") == text.count("}") + text.count(
        r"\{"
    ) - text.count(r"\}")
    for block in text.split(r"\begin{tabular}")[1:]:
        width = len(re.match(r"\{@\{\}([lr]+)@\{\}\}", block)[1])
        rows = [line for line in block.split(r"\bottomrule")[0].splitlines() if line.endswith(r"\\")]
        assert rows and all(len(CELL.findall(row)) == width - 1 for row in rows)
    assert r"A\&B \#1 100\%" in text and r"my\_method\benchcite{my_method} small" in text


def test_ten_protocols_stand_in_two_panels_of_five(odd):
    text = next(part for part in written(odd).split(r"\begin{\benchfloat}") if "ap50" in part)
    heads = [line for line in text.splitlines() if line.startswith("method")]
    assert [len(CELL.findall(head)) for head in heads] == [5, 5] and r"In \%." in text


def test_a_long_table_goes_on_in_another_with_every_row_once(odd):
    parts = [
        part for part in written(odd).split(r"\begin{\benchfloat}") if "synthetic test, boxes: truth. Mean" in part
    ]
    rows = [re.findall(r"stages \d+", part) for part in parts]
    assert sum(map(len, rows)) == 60 == len({name for found in rows for name in found})
    assert all(0 < len(found) <= MOST_LINES for found in rows) and len(rows) > 1
    labels = re.findall(r"\\label\{(.*?)\}", written(odd))
    assert len(labels) == len(set(labels)) and "(Rows 1 to" in parts[0]


def test_each_number_stands_beside_the_published_one_that_was_made_most_like_it(entry):
    ours = make_tables([entry()])
    theirs = [
        published(extra_data="MPII", backbone="far"),
        published(backbone="near", origin="repository", checked="memory"),
    ]
    text = latex(ours, [{}], reproduce(ours, theirs))
    assert "near, synthetic test" in text and "far" not in text and "beside 1 of 2 published" in text
    assert r"60.5$^{\dagger\ddagger}$" in text and "(a) preset small" in text
    same = make_tables([entry(preset="paper")])
    text = latex(same, [{}], reproduce(same, [published(backbone=name) for name in ("one", "two")]))
    assert "one, synthetic" in text and "two, synthetic" in text and "Not comparable" not in text


def compiled(text, folder, packages, before=""):
    (folder / "table.tex").write_text(text)
    (folder / "paper.tex").write_text(DOCUMENT.replace("PACKAGES", packages).replace("BEFORE", before))
    command = [PDFLATEX, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-3000:]
    return (folder / "paper.log").read_text(errors="replace")


@pytest.mark.skipif(PDFLATEX is None, reason="no pdflatex here (Debian: texlive-latex-base, texlive-latex-recommended)")
@pytest.mark.parametrize("packages", ["booktabs", "booktabs,graphicx"])
def test_it_compiles_and_nothing_is_larger_than_the_page(odd, tmp_path, packages):
    cited = r"\newcommand{\benchcite}[1]{~\cite{#1}}"
    log = compiled(written(odd), tmp_path, packages, cited if "graphicx" in packages else "")
    assert "Float too large" not in log and ("Overfull" not in log or packages == "booktabs")
    assert (r"\citation{my_method}" in (tmp_path / "paper.aux").read_text()) == ("graphicx" in packages)


@pytest.mark.skipif(PDFLATEX is None, reason="no pdflatex here (Debian: texlive-latex-base, texlive-latex-recommended)")
def test_the_reference_records_fit_an_article_without_being_scaled(tmp_path):
    report = gather(Path("results/reference"))
    log = compiled(latex(report.tables, report.verdicts, report.lines), tmp_path, "booktabs")
    assert "Float too large" not in log and "Overfull" not in log


def test_a_name_takes_as_many_lines_as_its_words_need():
    assert latex_file._height("alphapose small (sstn True; parallel False; proposals none; and 5 more)", 26) == 4
    assert latex_file._height("cpm small", 26) == 1
    assert latex_file._height("adversarial_posenet small", 20) == 2
