import json

import pytest
from pydantic import ValidationError

from bench.errors import UserError
from bench.record import RunRecord, artefact, atomically


def test_what_is_written_is_read_back(record, tmp_path):
    path = record.write(tmp_path)
    assert path.name == f"{record.id}.json"
    assert RunRecord.read(path) == record


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("seed"), "seed: Field required"),
        (lambda d: d.update(colour="red"), "colour: Extra inputs are not permitted"),
        (lambda d: d["cost"].update(colour="red"), r"cost\.colour: Extra inputs"),
        (lambda d: d["metrics"]["pck@0.2"].update(value="high"), r"metrics\.pck@0\.2\.value: Input should be a valid"),
        (lambda d: d.update(schema_version=2), "schema_version: Input should be 1"),
    ],
)
def test_a_field_missing_unknown_or_wrong_is_an_error_that_names_it(record, tmp_path, change, words):
    document = json.loads(record.write(tmp_path).read_text())
    change(document)
    (tmp_path / "changed.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match=words) as error:
        RunRecord.read(tmp_path / "changed.json")
    assert "changed.json" in str(error.value) and "\n" not in str(error.value)


def test_half_a_file_and_no_file_are_refused(record, tmp_path):
    path = record.write(tmp_path)
    path.write_text(path.read_text()[:200])
    with pytest.raises(UserError, match="not a record"):
        RunRecord.read(path)
    with pytest.raises(UserError, match="cannot be read"):
        RunRecord.read(tmp_path / "nothing.json")


def test_nan_is_no_number_of_a_record(record):
    document = record.model_dump()
    document["metrics"]["pck@0.2"]["value"] = float("nan")
    with pytest.raises(ValidationError):
        RunRecord.model_validate(document)


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(OSError, match="full"), atomically(path) as temporary:
        temporary.write_text("ne")
        raise OSError("full")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_the_new_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "file"
    with atomically(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"


def test_artefact_holds_a_relative_path_and_the_known_hash(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "abc").write_bytes(b"abc")
    found = artefact(tmp_path / "runs" / "abc", tmp_path / "runs")
    assert found.path == "abc"  # the hash is FIPS 180's own example
    assert found.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
