"""``invfront report --watch``: written again when the study has moved on, never otherwise, and until it is over."""

import shutil

import pytest

from harness.cli import main
from harness.commands.watching import EVERY_SECONDS, Written, look, watch
from harness.ledger import Ledger
from tests.values import asked, attack, record

STUDY = "{{name: small, data: {{name: digits}}, defense: {{none: {{}}}}, search: {{trials: {count}}}}}"


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    """The ledger of a study with one complete trial of two."""
    root = tmp_path / "small"
    root.mkdir()
    (root / "study.yaml").write_text(STUDY.format(count=2))
    found = Ledger(root)
    publish(found, 0)
    return found


def publish(ledger: Ledger, number: int) -> None:
    ledger.publish_asked(asked(number))
    ledger.publish_attack(attack(number))
    ledger.publish_record(record(number))


class Study:
    """A study that moves on by one step each time that somebody waits for it."""

    def __init__(self, ledger, *steps):
        self.ledger, self.steps, self.pages, self.waited = ledger, [*steps], [], []

    def write(self) -> Written:
        root = self.ledger.root
        self.pages.append(len([*root.glob("trials/*/record.json")]))
        return Written(root / "page", root / "data", 2 - len([*root.glob("trials/*")]))

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.steps.pop(0)()


def test_it_is_written_again_for_what_is_new_alone_and_ends_with_the_study(ledger):
    study = Study(
        ledger,
        lambda: None,
        lambda: ledger.publish_asked(asked(1)),
        lambda: ledger.publish_attack(attack(1)),
        lambda: ledger.publish_record(record(1)),
    )
    watch(ledger.root, study.write, study.wait)
    assert study.pages == [1, 1, 1, 2]
    assert study.waited == [EVERY_SECONDS] * 4
    assert study.steps == []


def test_what_comes_while_a_page_is_written_is_on_the_next_one(ledger):
    study = Study(ledger)

    def write() -> Written:
        written = study.write()
        if len(study.pages) == 1:
            publish(ledger, 1)  # after this page was told what there is
        return written

    watch(ledger.root, write, study.wait)
    assert study.pages == [1, 2]


def test_a_training_that_confirms_is_waited_for(ledger):
    publish(ledger, 1)
    folder = ledger.root / "confirm" / "00000" / "0"
    folder.mkdir(parents=True)
    (folder / "asked.json").write_text("{}")
    assert look(ledger.root).running == 1
    study = Study(ledger, lambda: (folder / "record.json").write_text("{}"))
    watch(ledger.root, study.write, study.wait)
    assert len(study.pages) == 2


def test_a_page_that_is_watched_knows_its_version_and_a_later_plain_one_is_offered(ledger, capsys):
    (ledger.root / "study.yaml").write_text(STUDY.format(count=1))
    nothing = {"accuracy": None, "objectives": None, "feasible": None, "floors": {}}  # nor anything to draw
    measured = record(0).measured.model_copy(update=nothing)
    shutil.rmtree(ledger.trial(0))
    ledger.publish_asked(asked(0))
    ledger.publish_record(record(0, state="failed", measured=measured))
    page, newest = (ledger.root / "report" / name for name in ("index.html", "version.js"))
    assert main(["report", str(ledger.root)]) == 0
    assert "version.js" not in page.read_text()
    assert not newest.exists()
    assert main(["report", str(ledger.root), "--watch"]) == 0
    assert f'const version = "{newest.read_text()[7:-4]}";' in page.read_text()
    before = newest.read_text()
    ledger.publish_attack(attack(0, attack(0).job.model_copy(update={"seed": 1})))
    assert main(["report", str(ledger.root)]) == 0
    assert newest.read_text() != before
    assert "version.js" not in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--watch", "--json"], "leave out --watch"), (["--watch", "TWICE"], "--watch: is for one study")],
)
def test_what_cannot_be_watched_is_refused_before_anything_is_written(ledger, arguments, said, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    (other / "study.yaml").write_text(STUDY.format(count=2))
    told = [str(other) if word == "TWICE" else word for word in arguments]
    assert main(["report", str(ledger.root), *told]) == 2
    streams = capsys.readouterr()
    assert said in streams.out + streams.err
    assert not (ledger.root / "report").exists()
