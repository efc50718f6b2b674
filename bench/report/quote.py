"""``bench quote``: tables of records inside a document, between two marks that say which records and which columns."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.boxes import finds_everybody
from bench.errors import UserError, unknown
from bench.record import atomically
from bench.report.records import SEED, Entry, read_records
from bench.report.rows import Row, Table, make_tables, sign
from bench.report.tables import COSTS, costs, pipe, value

START, END = "<!-- records:", "<!-- end of records -->"
MARK = re.compile(rf"({START} (?P<folder>[^;\n]+); columns: (?P<columns>[^\n]+) -->\n).*?{END}", re.DOTALL)
STAGES = "each stage's "  # before a protocol id: what the stages of a method reach, one after the other

Write = Callable[[Table, Row], str]  # a cell


def quote(paths: Sequence[Path]) -> list[Path]:
    """Write the tables of documents anew; return the documents that changed.

    Raises:
        UserError: if a document cannot be read, has no marks, or a mark names no records or an unknown column.
    """
    texts = {path: _read(path) for path in paths}
    fresh = {path: quoted(text, path) for path, text in texts.items()}
    changed = [path for path in paths if fresh[path] != texts[path]]
    for path in changed:
        with atomically(path) as temporary:
            temporary.write_text(fresh[path], encoding="utf-8")
    return changed


def quoted(text: str, path: Path) -> str:
    """Return a document's text with its tables as the records have them; folders are relative to ``path``'s.

    Raises:
        UserError: as `quote`.
    """
    begun, whole = text.count(START), len(MARK.findall(text))
    if begun == 0 or begun != whole:
        line = f"{START} FOLDER; columns: ID | ID -->"
        raise UserError(f"{path}: {begun} tables begun, {whole} of them whole; expected a line {line} and a line {END}")

    def fill(found: re.Match[str]) -> str:
        names = [name.strip() for name in found["columns"].split("|")]
        lines = block(path.parent / found["folder"].strip(), names)
        return "\n".join([found[1].rstrip("\n"), *lines, END])

    return MARK.sub(fill, text)


def block(folder: Path, names: Sequence[str]) -> list[str]:
    """Lay the records of a folder out as one table, and say under it how they were measured.

    Args:
        folder: Of records.
        names: Of columns: protocol ids, ``each stage's ID``, or costs of `bench.report.tables.COSTS`.

    Returns:
        Lines of Markdown: a row a setting; where data sets or boxes differ, they are columns too.

    Raises:
        UserError: if there are no records, a file is none, or a column is unknown.
    """
    entries, faults = read_records(folder)
    if faults:
        raise UserError(faults[0])
    tables = make_tables(entries)
    rows = _ordered(tables, next((name for name in names if any(name in table.protocols for table in tables)), ""))
    columns = {**_places(rows), "method": _label(rows), **{name: _column(name, tables) for name in names}}
    head = [f"{name} (%)" if _percent(name, tables) else name for name in columns]
    cells = [[write(table, row) for write in columns.values()] for table, row in rows]
    return [*pipe(head, cells), "", _measured(rows, names)]


def _ordered(tables: Sequence[Table], first: str) -> list[tuple[Table, Row]]:
    """Order rows: data sets that were trained on before others, then the best of the first protocol."""
    own = {entry.record.dataset for table in tables for row in table.rows for entry in row.entries if not entry.trained}

    def place(pair: tuple[Table, Row]) -> tuple[bool, str, float]:
        table, row = pair
        number = row.numbers.get(first)
        worth = -sign(number.unit) * number.mean if number else math.inf
        return table.dataset not in own, table.dataset, worth

    return sorted(((table, row) for table in tables for row in table.rows), key=place)


def _places(rows: Sequence[tuple[Table, Row]]) -> dict[str, Write]:
    """Return the columns that say what rows were tested on, where they differ in it."""
    places: dict[str, Write] = {
        "tested on": lambda table, row: table.dataset,
        "boxes": lambda table, row: "none" if finds_everybody(row.entries[0].record) else _boxes(table.boxes),
    }
    return {name: write for name, write in places.items() if len({write(*pair) for pair in rows}) > 1}


def _boxes(label: str) -> str:
    """Shorten what a record says of its boxes; of another record's predictions its method.

    >>> _boxes("jitter:0.1"), _boxes("maskrcnn-small--coco--s0--a96e7da5.json sha256:50"), _boxes("my.json sha256:50")
    ('jitter:0.1', "maskrcnn's", 'my.json')
    """
    name = label.split(" sha256:")[0]
    return f"{name.split('-')[0]}'s" if SEED.search(name) else name


def _label(rows: Sequence[tuple[Table, Row]]) -> Write:
    """Name a method; its preset only where there are several."""
    one = len({row.preset for _, row in rows}) == 1
    return lambda table, row: row.label.replace(f" {row.preset}", "", 1) if one else row.label


def _percent(name: str, tables: Sequence[Table]) -> bool:
    plain = name.removeprefix(STAGES)
    return any(plain in table.protocols and table.unit(plain) == "%" for table in tables)


def _column(name: str, tables: Sequence[Table]) -> Write:
    protocols = [protocol for table in tables for protocol in table.protocols]
    plain = name.removeprefix(STAGES)
    if plain in protocols:
        return lambda table, row: _stages(row, plain) if name != plain else value(row, plain)
    if name == "seeds":
        return lambda table, row: str(len(row.entries))
    if name in COSTS:
        return lambda table, row: costs(row)[COSTS.index(name)]
    raise unknown("column", name, ["seeds", *COSTS, *dict.fromkeys(protocols)])


def _stages(row: Row, protocol: str) -> str:
    """Write what each stage reached, the mean over seeds; nothing where a method has no stages.

    Of a method that chooses a stage to answer the chosen one is left out: it is one of the others.
    """
    found = [scores for entry in row.entries if (scores := _scores(entry))]
    if len(found) < len(row.entries):
        return ""
    names = [name for name in found[0] if not name.startswith("chosen") and all(name in scores for scores in found)]
    means = [sum(scores[name][protocol]["value"] for scores in found) / len(found) for name in names]
    return " ".join(f"{mean:.1f}" for mean in means)


def _scores(entry: Entry) -> dict[str, dict[str, dict[str, float]]]:
    """Read the metrics after each stage: beside a run, or in the folder of a committed collection."""
    places = (entry.folder / "stages.json", entry.path.parent / "stages" / entry.path.name)
    path = next((path for path in places if path.is_file()), None)
    return json.loads(path.read_bytes()) if path else {}


def _measured(rows: Sequence[tuple[Table, Row]], names: Sequence[str]) -> str:
    """Say how, where and when the rows of a table were measured; people are those of the named protocols."""
    records = [entry.record for _, row in rows for entry in row.entries]
    lengths = {row.budget for _, row in rows if row.cost("train_images_per_second")}
    shown = [(table, row, name) for table, row in rows for name in names if name in row.numbers]
    people = {f"{row.numbers[name].n:,} on `{table.dataset}`" for table, row, name in shown}
    over = "seeds and people" if any(len(row.entries) > 1 for _, row in rows) else "people, one seed each"
    images = "; of AP over images" if any(name.startswith("ap") for _, _, name in shown) else ""
    days = sorted(record.started[:10] for record in records)
    told = [
        f"{len(records)} records, preset {_listed({f'`{record.preset}`' for record in records})}",
        *([f", trained for {_listed(lengths, ' or ')}"] if lengths else []),
        f"; mean ± half the 95 % interval over {over} ({_listed(people)}{images}).",
        f" {_listed({record.cost.device for record in records}, '; ')};",
        f" PyTorch {_listed({record.environment.torch.split('+')[0] for record in records})};",
        f" {days[0] if days[0] == days[-1] else f'{days[0]} to {days[-1]}'}.",
    ]
    return "".join(told)


def _listed(words: set[str], between: str = ", ") -> str:
    return between.join(sorted(words))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); a Markdown document expected") from error
