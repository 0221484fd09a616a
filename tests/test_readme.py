"""The READMEs say what the code says: tables, commands, examples, files, and links that lead somewhere."""

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
import typing
from itertools import groupby
from pathlib import Path

import pytest
import torch
import typer.main
import yaml

import attacks
import search_spaces
from attacks import ATTACKS
from attacks import contract as attack_contract
from defenses import DEFENSES
from defenses import contract as defense_contract
from harness.cli import app
from harness.data import DATASETS, Reading, load
from harness.data import contract as data_contract
from harness.models import contract as model_contract
from harness.study import Study
from harness.study.check import load_checked
from reports import columns, statistics
from reports.cards import CARDS
from reports.page import render
from tests.bench_train_step import COSTLY
from tests.synthetic_levels import add_levels
from tests.synthetic_suite import write_suite

ROOT = Path(__file__).parent.parent
FOLDERS = ("attacks", "defenses", "reports", "search_spaces")
HOUSE = ("harness", "harness/models", "harness/data", "harness/passports")
PAGES = ("README.md", *(f"{folder}/README.md" for folder in (*FOLDERS, *HOUSE)))
READMES = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES if (ROOT / page).exists()}
NOTHING = "\N{EN DASH}"
"""A cell that has nothing to say."""

Table = list[list[str]]
"""Cells by row, the header first."""


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for block in found]


def spans(text: str) -> list[str]:
    """What stands in backticks outside blocks, each on one line."""
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]


def table(readme: str, *header: str) -> Table:
    """The table of a README whose header begins so, without the line below the header."""
    lines = groupby(READMES[readme].splitlines(), lambda line: line.lstrip().startswith("|"))
    found = [[_cells(line) for line in group] for of_table, group in lines if of_table]
    (one,) = (rows for rows in found if tuple(rows[0][: len(header)]) == header)
    return [one[0], *one[2:]]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def named(cell: str) -> list[str]:
    """What stands in backticks in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def commands() -> list[tuple[str, list[str]]]:
    """Every ``invfront`` command of the READMEs, as words, with its README."""
    found = []
    for readme, text in READMES.items():
        shell = "\n".join(blocks(text, "bash")).replace("\\\n", " ").splitlines()
        lines = [part for line in shell for part in line.split(";")]
        for line in [*lines, *spans(text)]:
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words[:1] == ["invfront"] and words[1:] and words[1] != "COMMAND" and words[1][0] != "-":
                found.append((readme, words[1:]))
    return found


COMMANDS = commands()


# ---- the front page


def test_the_front_page_is_read_in_ten_minutes():
    lines = READMES["README.md"].splitlines()
    assert len(lines) < 150
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folders_page_begins_with_what_lives_there_and_what_to_do_first(folder):
    title, blank, *rest = READMES[f"{folder}/README.md"].splitlines()
    assert (title, blank) == (f"# {folder}", "")
    assert rest.index("") == 3
    assert "First," in " ".join(rest[:3])


def test_the_versions_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    told = [span for span in spans(READMES["README.md"]) if re.search(r"[a-z\]]>=|^>=", span)]
    assert f"Python `{project['requires-python']}`" in READMES["README.md"]
    assert len(told) >= 5
    assert set(told) <= {project["requires-python"], *project["dependencies"]}


def test_every_command_is_told_and_no_other():
    told = [name.split()[0] for row in table("README.md", "command")[1:] for name in named(row[0])]
    assert sorted(told) == sorted(typer.main.get_command(app).commands)


def test_the_exit_codes_are_those_of_the_help():
    told = re.search(r"Exit codes: .*?\.\n", READMES["README.md"], re.DOTALL)[0]
    assert " ".join(told.split()) in " ".join((app.registered_callback.callback.__doc__ or "").split())


# ---- commands, studies, files and links


def test_the_readmes_name_many_commands():
    assert {words[0] for _, words in COMMANDS} == set(typer.main.get_command(app).commands)
    assert len(COMMANDS) > 20


@pytest.mark.parametrize(("readme", "words"), COMMANDS, ids=[f"{name}: {' '.join(words)}" for name, words in COMMANDS])
def test_a_command_is_one(readme, words, mine):
    """Its options are known and take what they are given; a study that it runs loads, an attack that it names is."""
    name, *arguments = words
    command = typer.main.get_command(app).commands[name]
    if not arguments:  # named in passing
        return
    asked = command.make_context(name, list(arguments)).params
    if name == "run" and asked["space"] != "NAME":
        space = mine if asked["space"] == "mine.yaml" else asked["space"]
        load_checked(space, asked["set_"], asked["trials"])
    for attack in asked.get("attack", ()):
        if not attack.startswith(("NAME", "mypackage")):
            attacks.budget(attacks.resolve(attack.partition(":")[0]), attack.partition(":")[2] or "standard")


@pytest.fixture(scope="module")
def mine(tmp_path_factory) -> Path:
    """The study file of the front page."""
    path = tmp_path_factory.mktemp("mine") / "mine.yaml"
    path.write_text(blocks(READMES["README.md"], "yaml")[0])
    return path


def test_the_study_of_the_front_page_loads(mine):
    study = load_checked(mine)
    assert (study.name, study.search.trials, list(study.defense)) == ("mine", 24, ["none", "nopeek", "cem_paper"])


def test_make_has_the_targets_that_are_named():
    named_targets = {target for text in READMES.values() for target in re.findall(r"\bmake ([a-z-]+)", text)}
    assert named_targets >= {"quickstart", "test", "bench"}
    assert named_targets <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


LINKS = [(name, link) for name, text in READMES.items() for link in re.findall(r"\]\(([^)]+)\)", text)]


@pytest.mark.parametrize(("readme", "link"), LINKS)
def test_a_link_leads_somewhere(readme, link):
    file, _, heading = link.partition("#")
    target = (ROOT / readme).parent / file if file else ROOT / readme
    assert target.exists(), link
    if heading:
        headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert heading in [re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings]


def test_files_that_are_named_are_there():
    packages = ("attacks", "defenses", "harness", "reports", "search_spaces", "tests")
    pattern = re.compile(rf"(?:{'|'.join(packages)})/[\w./-]*")
    found = {span for text in READMES.values() for span in spans(text) if pattern.fullmatch(span)}
    assert len(found) > 5
    assert [name for name in sorted(found) if not (ROOT / name).exists()] == []


# ---- defenses and attacks


def sources(cell: str) -> set[tuple[str, str]]:
    """Surname and year of the sources that a cell names: ``Kolchinsky & Tracey 2017`` has two surnames."""
    found = re.findall(r"((?:[A-Z]\w+ & )?[A-Z]\w+) (\d{4})", cell)
    return {(surname, year) for surnames, year in found for surname in surnames.split(" & ")}


def check_reference(cell: str, kind: type) -> None:
    """A README's short reference names the years of the class's own, and nobody whom the class's file does not."""
    assert set(re.findall(r"\b\d{4}\b", kind.reference)) <= set(re.findall(r"\b\d{4}\b", cell)), (cell, kind)
    known = " ".join(f"{kind.reference} {sys.modules[kind.__module__].__doc__}".split())
    for surname, year in sources(cell):
        assert re.search(rf"\b{surname}\b.{{0,250}}?\b{year}\b", known), (surname, year, known)
    assert (cell == NOTHING) == (kind.reference == "none") == (not sources(cell))


def test_the_table_of_defenses_says_what_the_classes_say():
    header, *rows = table("defenses/README.md", "name", "reference", "faithful", "bound", "strength", "term")
    told = [[named(row[0])[0], row[2], row[3], *(named(row[4]) or [None])] for row in rows]
    assert told == [[name, kind.faithful, kind.bound, kind.strength] for name, kind in DEFENSES.items()]
    for row in rows:
        check_reference(row[1], DEFENSES[named(row[0])[0]])
        assert len(row) == len(header)
        assert row[6]


@pytest.mark.parametrize("row", table("defenses/README.md", "name", "reference")[1:], ids=lambda row: named(row[0])[0])
def test_a_term_of_the_table_is_accepted_and_no_other(row):
    name, refusal = named(row[0])[0], ""
    try:
        load_checked("quickstart", [f"term={{{name}: default}}"])
    except Exception as error:
        refusal = str(error)
    assert refusal == "" or f"term/{name}: " in refusal
    assert row[5] == (NOTHING if refusal or name == "none" else "yes")


def test_defenses_that_may_cost_more_are_those_of_the_bench():
    told = re.search(r"undefended one\.(.*?)may cost more than 1\.3", READMES["defenses/README.md"], re.DOTALL)
    assert named(told[1]) == list(COSTLY)


def test_the_table_of_attacks_says_what_the_classes_say():
    _, *rows = table("attacks/README.md", "name", "knows", "reference", "what it does")
    told = {named(row[0])[0]: (row[1], row[3].startswith("probe: ")) for row in rows}
    assert list(told) == list(ATTACKS)
    assert told == {
        name: (f"{kind.knowledge}, server" if kind.needs_server else kind.knowledge, kind.kind == "probe")
        for name, kind in ATTACKS.items()
    }
    for row in rows:
        check_reference(row[2], ATTACKS[named(row[0])[0]])


def test_the_table_of_budgets_says_how_many_images_an_attack_scores():
    header, *rows, others = table("attacks/README.md", "name", "quick", "standard", "strong")
    told = {name: row[1:] for row in rows for name in named(row[0])}
    assert others[1:] == ["all"] * 3
    for name, kind in ATTACKS.items():
        assert list(kind.budgets) == header[1:]
        scored = [str(budget.get("images", "all")) for budget in kind.budgets.values()]
        assert told.get(name, others[1:]) == scored, name


def test_the_measured_suite_is_the_standard_suite():
    _, *rows = table("attacks/README.md", "attack", "images")
    told = {named(row[0])[0]: row[1] for row in rows}
    study = load_checked("attack-suite")
    assert [*told, *(named(row[0])[0] for row in table("attacks/README.md", "probe")[1:])] == list(study.attacks)
    assert {choice.budget for choice in study.attacks.values()} == {"standard"}
    scored = {name: ATTACKS[name].budgets["standard"].get("images", 2000) for name in told}
    assert told == {name: f"{count:,}" for name, count in scored.items()}


def test_the_front_page_counts_right():
    assert f"the {len(DEFENSES)} defenses" in READMES["README.md"]
    assert f"the {len(ATTACKS)} attacks" in READMES["README.md"]
    assert (len(defense_contract.LAWS), len(attack_contract.LAWS)) == (25, 13)
    assert "the same twenty-five laws" in READMES["defenses/README.md"]
    assert "the same thirteen laws" in READMES["attacks/README.md"]


# ---- a defense and an attack of one's own, done as written


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The files that the steps name, outside the repository."""
    folder = tmp_path_factory.mktemp("site")
    for readme in ("defenses/README.md", "attacks/README.md", "harness/models/README.md", "harness/data/README.md"):
        names = re.findall(r"`([\w/]+\.py)`:\n", READMES[readme])
        for name, text in zip(names, blocks(READMES[readme], "python"), strict=True):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
    return folder


def run_there(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=380, env=environment, cwd=site)


LAWS = {
    "shrink": defense_contract.LAWS,
    "near": attack_contract.LAWS,
    "tiny": model_contract.LAWS,
    "strokes": data_contract.LAWS,
}


@pytest.mark.parametrize("name", LAWS)
def test_steps_one_and_two_each_class_keeps_its_contract(name, site, monkeypatch):
    """The test that is written there, for each law that it names."""
    monkeypatch.syspath_prepend(site)
    (test,) = (each for key, each in vars(importlib.import_module(f"test_{name}")).items() if key.startswith("test_"))
    (mark,) = test.pytestmark
    argument, laws = mark.args
    assert (mark.name, argument, mark.kwargs) == ("parametrize", "law", {"ids": LAWS[name]})
    assert [*laws] == [*LAWS[name].values()]
    for law in laws:
        test(law)


@pytest.mark.slow
def test_steps_one_and_two_pass_where_they_are_written(site):
    done = run_there(site, "pytest", "-v", "-p", "no:cacheprovider", *(f"test_{name}.py" for name in LAWS))
    for name, laws in LAWS.items():
        passed = re.findall(rf"^test_{name}\.py::.* PASSED", done.stdout, re.MULTILINE)
        assert len(passed) == len(laws), done.stdout
    assert f"= {sum(map(len, LAWS.values()))} passed" in done.stdout.splitlines()[-1]


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "address",
    [
        pytest.param(["--address", "in-process"], marks=pytest.mark.slow),
        pytest.param([], marks=[pytest.mark.slow, pytest.mark.ray]),
    ],
)
def test_step_three_a_study_that_names_the_classes_runs_them(address, site, tmp_path):
    defense = next(span for span in spans(READMES["defenses/README.md"]) if span.startswith("defense: {mypackage"))
    attack = next(
        span for span in spans(READMES["attacks/README.md"]) if span.startswith("attacks: {linear: quick, my")
    )
    model = next(span for span in spans(READMES["harness/models/README.md"]) if span.startswith("model: {cut: 2, my"))
    data = next(span for span in spans(READMES["harness/data/README.md"]) if span.startswith("data: {name: my"))
    space = tmp_path / "plugged.yaml"
    space.write_text(
        f"name: plugged\n{defense}\n{attack}\n{model}\n{data}\n"
        "train: {recipe: fast, epochs: 1, batch_size: 64, images: 128}\nsearch: {trials: 1}\n"
    )
    done = run_there(site, "harness.cli", "run", str(space), "--out", str(tmp_path), "--no-tracking", *address)
    assert done.returncode == 0, done.stderr
    trial = tmp_path / "plugged" / "trials" / "00000"
    settings = json.loads((trial / "asked.json").read_text())["settings"]
    assert settings["defense/name"] == "mypackage.shrink:Shrink"
    assert 0.01 <= settings["defense/mypackage.shrink:Shrink/lam"] <= 1
    assert settings["data/name"] == "mypackage.strokes:strokes"
    assert settings["model/name"] == "mypackage.tiny:Tiny"
    assert 8 <= settings["model/mypackage.tiny:Tiny/channels"] <= 32
    near = json.loads((trial / "attacks" / "mypackage.near.Nearest-quick-0.json").read_text())
    assert near["measured"]["scores"]["mse"] > 0


# ---- reports


@pytest.mark.slow
def test_the_files_of_a_report_are_told(tmp_path):
    render(add_levels(write_suite(tmp_path)), tmp_path)
    _, *rows = table("reports/README.md", "file", "what it is")
    told = {name.rstrip("/") for row in rows for name in named(row[0])}
    made = {path.name if path.name in told else path.stem for path in tmp_path.iterdir()}
    assert told == made
    figures = {name for row in rows if row[0] == "`figures/`" for name in named(row[1])} - {".png", ".pdf"}
    assert figures == {path.stem for path in (tmp_path / "figures").iterdir()}


def test_the_sections_of_the_page_are_told_in_order():
    assert [row[0] for row in table("reports/README.md", "section")[1:]] == [card.title for card in CARDS]


def test_the_statistics_that_are_told_are_there():
    _, *rows = table("reports/README.md", "function", "what it says")
    assert {name for row in rows for name in named(row[0])} <= {*statistics.__all__}


def test_the_columns_of_the_data_folder_are_told():
    _, *rows = table("reports/README.md", "file", "a row is", "columns")
    told = {named(row[0])[0]: [named(part) for part in re.split(r"[()]", row[2])[:2]] for row in rows}
    expected = {
        "trials": (columns.TRIALS, {"train_seconds": "", **columns.DECIDED}),
        "attacks": (columns.ATTACKS, columns.DETAILS),
        **{
            name.lower(): (getattr(columns, name), {})
            for name in ("LEVELS", "PROBES", "VARIANTS", "FLOORS", "CURVES", "CONFIRMED", "IMPORTANCES", "IMAGE_SCORES")
        },
    }
    assert list(told) == [f"{name}.parquet" for name in expected]
    for (required, *optional), (must, may) in zip(told.values(), expected.values(), strict=True):
        assert sorted(required) == sorted(must)
        assert sorted(optional[0] if optional else []) == sorted(may)


# ---- the study file


def test_the_bundled_studies_are_told_with_their_trials():
    _, *rows = table("search_spaces/README.md", "study", "trials")
    told = {named(row[0])[0]: int(row[1]) for row in rows}
    bundled = {path.stem for path in (ROOT / "search_spaces").glob("*.yaml")}
    assert told == {name: load_checked(name).search.trials for name in bundled}


def test_the_file_with_every_key_is_what_a_name_alone_means(tmp_path):
    text, *_ = blocks(READMES["search_spaces/README.md"], "yaml")
    (tmp_path / "full.yaml").write_text(text)
    (tmp_path / "bare.yaml").write_text("name: mine")
    full, bare = (load_checked(tmp_path / f"{name}.yaml") for name in ("full", "bare"))
    assert full == bare
    given = yaml.safe_load(text)
    assert given.keys() | {"ledger", "version", "extends"} == Study.model_fields.keys()
    for section in ("data", "model", "train", "attacker", "search", "resources"):
        named = {"from" if key == "origin" else key for key in type(getattr(full, section)).model_fields}
        assert given[section].keys() == named, section


def test_the_ranges_that_are_shown_are_those_of_the_file():
    text = blocks(READMES["search_spaces/README.md"], "yaml")[1]
    name = re.search(r"search_spaces/defenses/(\w+)\.yaml", text)[1]
    assert search_spaces.parse(text) == search_spaces.defense(name)


def test_the_data_sets_are_told_with_their_pixels_and_parts():
    _, *rows = table("search_spaces/README.md", "name", "images", "pixels")
    told = {name: (row[2], row[3]) for row in rows for name in named(row[0])}
    assert list(told) == list(DATASETS)
    assert {name: pixels for name, (pixels, _) in told.items()} == {
        name: str(source.size) for name, source in DATASETS.items()
    }
    digits = load(Reading(name="digits"), torch.device("cpu")).parts
    assert told["digits"][1] == ", ".join(
        f"{len(digits[part].y):,}" for part in ("train", "validation", "attacker", "attacker_validation", "test")
    )
    cifar = DATASETS["cifar10"]
    held = [round(share * cifar.published.train) for share in cifar.shares[:3]]
    counts = [cifar.published.train - sum(held), *held, cifar.published.test]
    assert told["cifar10"][1] == ", ".join(f"{count:,}" for count in counts)
    shares = DATASETS["folder"].shares
    assert told["tinyimagenet"][1].startswith(
        ", ".join(f"{round(100 * share)} %" for share in (1 - sum(shares[:3]), *shares[:3]))
    )
    assert f"{round(100 * shares.test)} % of all" in READMES["search_spaces/README.md"]


def test_the_samplers_are_told():
    _, *rows = table("search_spaces/README.md", "sampler")
    search = Study.model_fields["search"].annotation
    known = typing.get_args(search.model_fields["sampler"].annotation)
    assert [name for row in rows for name in named(row[0])] == list(known)


CHANGED = {
    "search/trials": "5",
    "resources": "{concurrent: 3}",
    "data/root": "elsewhere",
    "data/download": "true",
    "attacker/root": "elsewhere",
    "attacker/levels": "all",
    "storage": "sqlite:///elsewhere.db",
    "tracking": "sqlite:///elsewhere.db",
    "ledger": "01234567-89ab-cdef-0123-456789abcdef",
}
"""A value for each circumstance that no other study of the test has."""


def test_circumstances_are_no_part_of_a_study_and_everything_else_is():
    told = re.search(r"but its circumstances: (.*?) \(", READMES["search_spaces/README.md"], re.DOTALL)
    assert named(told[1]) == list(CHANGED)
    other = ["attacker={data: shifted, name: cifar10, root: here}"]
    same = load_checked("quickstart", other).digest()
    assert {load_checked("quickstart", [*other, f"{path}={value}"]).digest() for path, value in CHANGED.items()} == {
        same
    }
    for path, value in {"search/seed": "5", "data/name": "cifar100", "model/width": "0.5", "protocol": "cem"}.items():
        others = [] if path in ("data/name", "protocol") else other
        assert load_checked("quickstart", [*others, f"{path}={value}"]).digest() != same
