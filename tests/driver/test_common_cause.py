"""A study whose images fail in its workers stops at once, charges no trial, and goes on once they are mended."""

import re

import pytest

from harness.cli import main
from harness.ledger import Ledger
from tests.data.test_layouts import images
from tests.plugins import noted

SPACE = """
name: torn
data: {name: digits}
model: {width: 0.125, sigma: {choices: [0.05, 0.1]}}
train: {recipe: fast, epochs: 1, batch_size: 64, images: 64}
defense: {'tests.plugins:Torn': {folder: %s}}
attacks: {'tests.adversaries:Guess': quick}
search: {trials: 4, sampler: random, allocate: joint}
"""

WHY = {
    "torn": r"data/root: a/3\.png cannot be read as an image: .*; mend it",
    "short": r"MemoryError: no room; give trials more memory or run fewer at a time",
}


RAY = [[], ["--set", "resources/concurrent=2"]]
"""How a study is run, and how it is resumed."""


@pytest.mark.parametrize(
    ("cause", "how"),
    [
        pytest.param("torn", [["--address", "in-process", "--no-tracking"]] * 2, marks=pytest.mark.slow),
        pytest.param("torn", RAY, marks=[pytest.mark.slow, pytest.mark.ray]),
        pytest.param("short", RAY, marks=[pytest.mark.slow, pytest.mark.ray]),
    ],
)
def test_a_common_cause_stops_the_study_which_goes_on_once_it_is_mended(cause, how, tmp_path, capsys):
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / cause).write_text("")
    (tmp_path / "space.yaml").write_text(SPACE % notes)
    assert main(["run", str(tmp_path / "space.yaml"), "--out", str(tmp_path), *how[0]]) == 130
    ledger, said = Ledger(tmp_path / "torn"), capsys.readouterr().err
    assert said.count("\n") == 1
    why = (
        r"data/root: a/3\.png cannot be read.*mend it"
        if cause == "torn"
        else r"no room; give trials more memory or run fewer at a time"
    )
    assert re.search(rf"trials fail alike on \S+: .*{why}, then go on with `invfront resume", said)
    assert len(noted(str(notes), "train")) == 3
    assert not any(ledger.read(number).record for number in ledger.numbers())
    (notes / cause).unlink()
    assert main(["resume", str(ledger.root), *how[1]]) == 0
    assert [ledger.read(number).record.state for number in range(4)] == ["complete"] * 4


def test_a_bad_file_is_named_before_anything_starts_and_nothing_is_made(tmp_path, capsys):
    root = tmp_path / "data"
    for name in ("a", "b"):
        images(root / name, 20)
    (root / "a" / "3.png").write_bytes((root / "a" / "3.png").read_bytes()[:200])
    space = SPACE.replace("{name: digits}", f"{{name: folder, root: {root}, size: 32}}") % tmp_path
    (tmp_path / "space.yaml").write_text(space)
    before = sorted(tmp_path.iterdir())
    assert main(["run", str(tmp_path / "space.yaml"), "--out", str(tmp_path / "runs")]) == 2
    assert re.search(r"^invfront: data/root: .*a/3\.png cannot be read as an image: .*; mend", capsys.readouterr().err)
    assert sorted(tmp_path.iterdir()) == before
