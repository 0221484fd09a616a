"""The study file: what it resolves to, what makes two studies the same one, and how it refuses what makes no sense."""

import json
import re
import sys
from pathlib import Path

import optuna
import pytest
import yaml

import search_spaces
from harness.errors import UserError
from harness.records import CURRENT, former
from harness.search.drawing import draw
from harness.study import Choices, Range, elsewhere, first_difference, load_study
from harness.study.check import check_ready, load_checked
from harness.study.identity import digest, identity
from harness.study.jobs import attack_jobs
from harness.study.load import fill

SPACE = """
name: mine
model: {width: 0.25, sigma: {choices: [0.05, 1e-1]}}
train: {epochs: 3}
defense:
  none: {}
  laplace: default
  cem_paper: {lam: {low: 0.003, high: 1, log: true}, clusters: {low: 1, high: 4}}
attacks: {decoder: quick}
search: {trials: 6, anchors: [{defense/name: none, model/sigma: 0.05}]}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(SPACE)
    return path


def refusal(space: Path | str, *overrides: str) -> str:
    with pytest.raises(UserError) as refused:
        load_checked(space, overrides)
    message = str(refused.value)
    assert "\n" not in message
    return message


def edited(file: Path, old: str, new: str) -> Path:
    assert old in SPACE
    file.write_text(SPACE.replace(old, new))
    return file


@pytest.mark.parametrize("name", ["quickstart", "quickstart.yaml", "search_spaces/cifar10-small.yaml"])
def test_a_bundled_study_loads_by_name_from_anywhere(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = load_checked(name)
    assert {"none", "laplace", "cem_paper", "cem_code"} <= study.defense.keys()
    assert study.search.trials >= 12
    assert study.search.anchors[0]["defense/name"] == "none"


@pytest.mark.parametrize(
    "name",
    ["all-attacks", "all-defenses", "attack-suite", "cifar10-matched", "cifar10-small", "network-rows", "quickstart"],
)
def test_every_bundled_study_has_the_floor_of_any_decoder_in_its_file(name):
    written = (Path(search_spaces.__file__).parent / f"{name}.yaml").read_text()
    assert re.search(r"^attacks:\s*({linear: quick|\n  linear: )", written, re.MULTILINE)
    assert next(iter(load_checked(name).attacks)) == "linear"


LEDGER = "5d8b3f52-6c1f-4b61-9a55-0a3f0c1d2e4b"


def test_a_study_with_only_a_name_runs_on_embedded_data(tmp_path):
    (tmp_path / "least.yaml").write_text("name: least")
    study = load_checked(tmp_path / "least.yaml")
    check_ready(study)
    assert study.data.name == "digits"
    assert attack_jobs(study)[0].name == "decoder-quick-0"


def test_an_override_of_a_default_is_no_part_of_the_next_study(tmp_path):
    (tmp_path / "least.yaml").write_text("name: least")
    before = load_checked(tmp_path / "least.yaml")
    assert load_checked(tmp_path / "least.yaml", ["attacks/decoder/seeds=2"]).attacks["decoder"].seeds == 2
    assert load_checked(tmp_path / "least.yaml") == before


@pytest.mark.parametrize("space", ["quickstart", "cifar10-small", "all-defenses"])
def test_a_dumped_study_loads_as_the_same_one(space, tmp_path):
    study = load_checked(space, ["term={none: {}, cem_paper: default}", "resources/timeout=90s", "train/images=1000"])
    (tmp_path / "study.yaml").write_text(study.dump())
    again = load_checked(tmp_path / "study.yaml")
    assert again == study
    assert again.digest() == study.digest()
    assert again.dump() == study.dump()


def test_text_that_looks_like_a_number_survives_a_dump():
    value = {"a": "1e-3", "b": 1e-3, "c": "no", "d": 1e-9, "e": None}
    assert search_spaces.parse(search_spaces.dump(value)) == value


def test_recipes_bring_their_own_epochs(file):
    edited(file, "{epochs: 3}", "{}")
    assert load_checked(file, ["train/recipe=published"]).train.epochs == 240
    assert load_checked(file).train.epochs < 240
    assert load_checked(file, ["train/recipe=published", "train/epochs=2"]).train.epochs == 2


def test_default_stands_for_the_bundled_ranges(file):
    ranges = search_spaces.defense("laplace")
    assert load_checked(file).defense["laplace"]["scale"].plain() == ranges["scale"]
    assert load_checked(file, ["defense/cem_code=default"]).space().defense["cem_code"].keys() == {
        f"defense/cem_code/{setting}" for setting in search_spaces.defense("cem_code")
    }


def test_a_number_with_an_exponent_is_a_number(file):
    assert load_checked(file).model.sigma == Choices((0.05, 0.1))
    assert load_checked(file, ["model/sigma=1e-3"]).model.sigma == 1e-3
    assert load_checked(file, ["model/sigma={low: 1e-3, high: 1E+1}"]).model.sigma == Range(low=1e-3, high=10.0)


def test_bounds_written_as_whole_numbers_draw_whole_numbers(file):
    clusters = load_checked(file).defense["cem_paper"]["clusters"]
    assert clusters == Range(low=1, high=4)
    assert clusters.size() == 4
    assert clusters.contains(3)
    assert not clusters.contains(2.5)
    assert Range(low=0.1, high=0.5, step=0.1).size() == 5
    assert Range(low=0.1, high=0.5).size() is None


def test_every_trial_gets_all_settings_by_path(file):
    study = load_checked(file, ["term={none: {}, cem_paper: {lam: 0.1}}"])
    space = study.space()
    rows = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        settings = draw(rows.ask(), space)
        branches = {**space.defense[settings["defense/name"]], **space.term[settings["term/name"]]}
        assert settings.keys() == {*space.shared, *branches, "defense/name", "term/name"}
    expected = {"data/name", "protocol", "model/name", "model/cut", "model/sigma", "train/recipe", "train/epochs"}
    assert expected <= space.shared.keys()


def test_attacks_are_repeated_by_seed_and_by_part(file):
    jobs = attack_jobs(load_checked(file, ["attacks/decoder/seeds=2", "protocol=cem"]))
    assert [job.name for job in jobs] == [
        "decoder-quick-0-train",
        "decoder-quick-1-train",
        "decoder-quick-0-infer",
        "decoder-quick-1-infer",
    ]


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("defense/cem_paper/lam=0.1", ("defense", "cem_paper", "lam"), 0.1),
        ("defense={none: {}}", ("defense",), {"none": {}}),
        ("defense/name=none", ("defense",), {"none": {}}),
        ("defense/none=", ("defense", "none"), {}),
        ("model/cut=3", ("model", "cut"), 3),
        ("attacks/decoder=standard", ("attacks", "decoder", "budget"), "standard"),
        ("resources/timeout=2h", ("resources", "timeout"), 7200.0),
        ("resources/train/gpu=0.5", ("resources", "train", "gpu"), 0.5),
        ("search/floor/accuracy=0.3", ("search", "floor", "accuracy"), 0.3),
        ("name=other", ("name",), "other"),
    ],
)
def test_set_pins_or_replaces_anything(override, path, value, file):
    resolved = yaml.safe_load(load_checked(file, [override]).dump())
    for step in path:
        resolved = resolved[step]
    assert resolved == value


def test_branches_can_be_chosen_by_name(file):
    study = load_checked(file, ["defense/name={choices: [none, cem_paper]}"])
    assert list(study.defense) == ["none", "cem_paper"]


def test_later_overrides_win_and_trials_has_the_last_word(file):
    study = load_checked(file, ["search/trials=3", "search/trials=4"])
    assert study.search.trials == 4
    assert load_checked(file, ["search/trials=3"], trials=9).search.trials == 9


def test_anchors_give_way_to_what_is_set_from_outside(file):
    assert load_checked(file, ["model/sigma={choices: [0.1]}"]).search.anchors == ({"defense/name": "none"},)
    assert load_checked(file, ["defense/name=laplace"]).search.anchors == ()
    assert load_checked(file, ["train/epochs=1"]).search.anchors == load_checked(file).search.anchors


@pytest.mark.parametrize(
    "override",
    [
        "search/trials=99",
        "resources/concurrent=7",
        "resources={}",
        "keep/servers=all",
        "data/root=/elsewhere",
        "data/download=true",
        "storage=postgresql://host/base",
        "tracking=http://host",
        "ledger=01234567-89ab-cdef-0123-456789abcdef",
    ],
)
def test_circumstances_are_no_part_of_the_identity(override, file):
    study, other = load_checked(file), load_checked(file, [override])
    assert study.digest() == other.digest()
    assert first_difference(study, other) is None


@pytest.mark.parametrize(
    ("override", "difference"),
    [
        ("train/epochs=4", "train/epochs is 3, not 4"),
        ("search/seed=1", "search/seed is 0, not 1"),
        ("search/floor/accuracy=0.5", "search/floor/accuracy is null, not 0.5"),
        ("defense/laplace/scale=0.5", "defense/laplace/scale/low is 0.01, not"),
        ("model/sigma={low: 1, high: 4}", "model/sigma/choices is [0.05, 0.1], not absent"),
        ("attacks/decoder=standard", 'attacks/decoder/budget is "quick", not "standard"'),
    ],
)
def test_what_a_study_is_makes_its_identity(override, difference, file):
    study, other = load_checked(file), load_checked(file, [override])
    assert study.digest() != other.digest()
    assert str(first_difference(study, other)).startswith(difference)


def test_comments_and_the_order_of_settings_are_no_part_of_the_identity_but_turns_are(file):
    study = load_checked(file)
    edited(file, "{width: 0.25, sigma: {choices: [0.05, 1e-1]}}", "{sigma: {choices: [5e-2, .1]}, width: .25} # same")
    assert load_checked(file).digest() == study.digest()
    edited(file, "  none: {}\n  laplace: default\n", "  laplace: default\n  none: {}\n")
    assert str(first_difference(study, load_checked(file))).startswith("order/defense is ")


def test_a_study_under_other_circumstances_is_the_same_to_the_letter(file):
    there = load_checked(file, ["defense/laplace/scale=1.0", f"ledger={LEDGER}"])
    given = load_checked(file, ["defense/laplace/scale=1", "search/trials=9", "data/root=/new", "tracking=http://host"])
    moved = elsewhere(there, given)
    assert (moved.digest(), moved.ledger) == (there.digest(), LEDGER)
    assert (moved.search.trials, moved.data.root, moved.tracking) == (9, "/new", "http://host")


def test_a_relative_folder_is_stored_absolute(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_checked(file, ["data/root=images"]).data.root == str(tmp_path / "images")


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("postgresql://me:s3cret@host:5432/base?password=s3cret", "postgresql://host:5432/base"),
        ("postgresql+psycopg://me:s3@cr/et@host/base", "postgresql+psycopg://host/base"),
        ("sqlite:////folder/study.db", "sqlite:////folder/study.db"),
    ],
)
def test_no_password_is_written_down(url, kept, file):
    study = load_checked(file, [f"storage={url}", f"tracking={url}"])
    resolved = yaml.safe_load(study.dump())
    assert resolved["storage"] == resolved["tracking"] == kept
    assert "me:s3" not in repr(study)


WRONG = [
    ("modle/sigma=1", "modle: unknown key; did you mean model?; a study takes name, data, model"),
    ("train/epoch=3", "train/epoch: unknown key; did you mean epochs?; train takes recipe, epochs, batch_size, images"),
    ("train/epochs=3.5", "train/epochs: takes a whole number >= 1, not 3.5"),
    ("train/epochs=true", "train/epochs: takes a whole number >= 1, not True"),
    ("train/recipe=quick", "train/recipe: takes 'published' or 'fast', not 'quick'"),
    ("model=3", "model: takes a mapping, key: value, not 3"),
    ("model/sca=1", "model/sca: takes true or false, not 1"),
    ("model/width=0", "model/width: takes a number > 0 and <= 16, not 0"),
    ("model/width=1e300", "model/width: takes a number > 0 and <= 16, not 1e+300"),
    ("model/bottleneck=noRELU_C99999999999999999999S1", "model: "),
    ("model/sigma=abc", "model/sigma: takes a number >= 0, not 'abc'"),
    ("model/sigma=.nan", "model/sigma: nan is no setting; take a finite number"),
    ("model/sigma=[0.1, 0.2]", "model/sigma: takes a value, {low, high} or {choices: [...]}, not [0.1, 0.2]"),
    ("model/sigma={low: 1, high: 0}", "model/sigma: low 1 is above high 0; swap them"),
    ("model/sigma={low: 0, high: 1, log: true}", "model/sigma: log needs low > 0, not 0"),
    ("model/sigma={low: 0.1, high: .inf}", "model/sigma: high takes a finite number, not inf"),
    ("model/sigma={low: 0.1, high: 1.1, step: -1}", "model/sigma: step -1.0: takes a number > 0"),
    ("model/sigma={low: 0.1, high: 0.5, step: 0.1, log: true}", "model/sigma: step 0.1 and log cannot stand together"),
    ("model/sigma={low: 0.1, high: 0.5, step: 0.3}", "take high: 0.4"),
    ("model/sigma={low: 0.1, high: 1.0e+308, step: 1.0e-300}", "is too small between"),
    ("model/sigma={low: 0.1}", "model/sigma: a distribution needs both low and high"),
    ("model/sigma={low: 0.1, hihg: 1}", "model/sigma: a distribution has hihg"),
    ("model/sigma={choices: []}", "model/sigma: choices takes a list of at least one value, not []"),
    ("model/sigma={choices: [0.1, 0.1]}", "model/sigma: choices has 0.1 twice"),
    ("model/sigma={choices: [0.1], log: true}", "model/sigma: choices stand alone, not beside log"),
    ("model/cut=99", "model/cut: vgg11_bn_sgm takes"),
    ("model/cut={choices: [4, 99]}", "model/cut: vgg11_bn_sgm takes"),
    ("model/bottleneck=narrow", "model/bottleneck: takes 'None', or"),
    ("model/name=vgg", "model/name: 'vgg' is unknown; take one of vgg11_bn_sgm"),
    ("data/name=cifar", "data/name: 'cifar' is unknown; did you mean cifar10?; take one of digits"),
    ("data/name={choices: [digits, cifar10]}", "data/name: {'choices': ['digits', 'cifar10']}: only settings under"),
    ("data/size=8", "data/size: 8: SSIM needs at least 11 pixels"),
    ("train/recipe={choices: [fast]}", "train/recipe: {'choices': ['fast']}: only settings under"),
    ("search/trials={low: 1, high: 2}", "search/trials: {'low': 1, 'high': 2}: only settings under"),
    ("search/trials=0", "search/trials: should be greater than or equal to 1, not 0"),
    ("search/sampler=grid", "{'low': 0.01, 'high': 0.5, 'log': True} has no end, and search/sampler grid"),
    ("search/floor/accuracy=40", "search/floor/accuracy: should be less than or equal to 1, not 40"),
    ("protocol=loose", "protocol: takes 'strict' or 'cem', not 'loose'"),
    ("name=a/b", "name: 'a/b': a name is up to 100 of a-z, 0-9"),
    ("name=..", "name: '..': a name is"),
    ("name/x=1", "name: is 'mine', which has no keys; set name as a whole"),
    ("resources/timeout=soon", "resources/timeout: takes a duration > 0 such as 90s, 5m, 2h"),
    ("resources/timeout=1e300", "at most 3650d, not 1e+300"),
    ("resources/timeout=99999999999999999999d", "at most 3650d, not '99999999999999999999d'"),
    ("attacks/decoder/seeds=1000000000", "attacks/decoder/seeds: should be less than or equal to 1000, not 1000000000"),
    ("search/trials=10000000000", "search/trials: should be less than or equal to 1000000, not 10000000000"),
    ("model/cut=010", "'010': line 1, column 1: 010 is 10 to some readers of YAML and 8 to others; write 10"),
    ("resources/timeout=12:30:45", "12:30:45 is 45045 to some readers of YAML and text to others"),
    ("resources/train/gpu=2", "resources/train/gpu: 2: a job uses one GPU; take 1, or a share as 0.25"),
    ("resources/train={cpu: 0}", "resources/train: cpu 0 and gpu 0: a job needs some of either"),
    ("defense={}", "defense: {}: name at least one"),
    ("defense={1: {}}", "defense/1: key 1 is not text; put it in quotes"),
    ("defense/cem_paper/lamda=0.1", "defense/cem_paper/lamda: unknown key; did you mean lam?; defense/cem_paper takes"),
    ("defense/cem_paper/lam=-1", "defense/cem_paper/lam: lam takes a finite number >= 0, not -1"),
    ("defense/cem_paper/lam={low: -1, high: 1}", "defense/cem_paper/lam: lam takes"),
    (
        "defense/cem_paper/clusters={choices: [1, 0]}",
        "defense/cem_paper/clusters: clusters takes a whole number >= 1, not 0",
    ),
    ("defense/cem_papr/lam=1", "defense/cem_papr: no such branch; did you mean cem_paper?; defense has none, laplace"),
    ("defense/name=nope", "defense/name: 'nope' is no branch"),
    ("defense/nope={}", "defense/nope: no defense 'nope'; known: none, laplace"),
    ("defense/nope=default", "defense/nope: 'nope' has no default ranges"),
    ("defense/no_such.module:Mine={}", "defense/no_such.module:Mine: defense no_such.module:Mine: No module named"),
    ("model/sigma={choices: [0, 0.1]}", "model/sigma: may be 0, where the penalty of defense/cem_paper is infinite"),
    ("term={laplace: default}", "term/laplace: changes the release, of which a term is no part; make it a defense"),
    ("attacks={}", "attacks: {}: name at least one"),
    ("attacks/decoder=huge", "attacks/decoder/budget: 'huge': "),
    ("attacks/decoder=3", "attacks/decoder: takes a budget such as quick, or {budget, seeds, tune}, not 3"),
    ("attacks/decoder/tune=-1", "attacks/decoder/tune: should be greater than or equal to 0, not -1"),
    ("attacks/guess=quick", "attacks/guess: no attack 'guess'; known: decoder"),
    ("attacks/decoder={choices: [quick, standard]}", "attacks are fixed parts of the benchmark"),
    ("attacks/decoder={lr: {low: 1e-4, high: 1e-2}}", "attacks are fixed parts of the benchmark"),
    (
        "attacks/decoder={budget: quick, lr: 1e-4}",
        "attacks/decoder/lr: unknown key; attacks/decoder takes budget, seeds, tune",
    ),
    ("search/anchors=[{defense/name: nope}]", "search/anchors/0/defense/name: 'nope' is no branch of the study"),
    ("search/anchors=[{model/sigm: 0.1}]", "search/anchors/0/model/sigm: unknown setting; did you mean model/sigma?"),
    ("search/anchors=[{model/sigma: 0.3}]", "search/anchors/0/model/sigma: 0.3 is outside the study, which has"),
    ("search/anchors=[{model/cut: 5}]", "search/anchors/0/model/cut: 5 is outside the study, which has 4"),
    ("search/anchors=[{defense/cem_paper/lam: 0.1}]", "the anchor must have defense/name: cem_paper"),
    ("model/sigma=[1", "'[1': not YAML: line 1, column 3: expected"),
    ("ledger=mine", "ledger: 'mine' is no UUID; leave ledger out"),
]


@pytest.mark.parametrize(("override", "message"), WRONG, ids=[override for override, _ in WRONG])
def test_a_bad_value_is_refused_with_its_path_and_the_way_out(override, message, file):
    refused = refusal(file, override)
    assert message in refused
    assert refused.startswith((f"--set {override}: ", f"{file}: "))


def test_a_grid_is_refused_by_the_count_of_its_settings_over_all_branches(file):
    finite = ["search/sampler=grid", "search/anchors=[]", "model/sigma=0.1", "defense/laplace/scale=0.1"]
    finite += ["defense/cem_paper={lam: 0.1, clusters: {low: 1, high: 9}}"]
    assert load_checked(file, [*finite, "train/epochs={low: 1, high: 9090}"])
    assert "search/sampler: grid of 100,001 settings" in refusal(file, *finite, "train/epochs={low: 1, high: 9091}")
    assert "search/sampler: grid of 11,000,000,000" in refusal(file, *finite, "train/epochs={low: 1, high: 1000000000}")


ATTACKS = """
from tests.plugins import Grey

class Mistaken(Grey):
    budgets = {"quick": {"steps": 3}}

class Member(Grey):
    kind = "probe"

class Keen(Grey):
    tunable = {"lr": (0.1, 1.0)}
"""

SUITE = "attacks={decoder: {budget: quick, seeds: 2}, 'adversaries:Member': quick}"


@pytest.fixture
def adversaries(tmp_path, monkeypatch):
    (tmp_path / "adversaries.py").write_text(ATTACKS)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("adversaries", None)


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        ("Mistaken", "/budget: 'quick': Mistaken() takes no arguments"),
        ("Absent", ": attack adversaries:Absent: module 'adversaries' has no attribute 'Absent'"),
    ],
)
def test_an_attack_that_could_not_score_a_trial_is_refused(attack, message, file, adversaries):
    assert f"attacks/adversaries:{attack}{message}" in refusal(file, f"attacks={{'adversaries:{attack}': quick}}")


def test_probes_alone_are_refused_since_they_give_no_objectives(file, adversaries):
    refused = refusal(file, "attacks={'adversaries:Member': quick}")
    assert "attacks: adversaries:Member: only probes, which give no objectives; add a reconstruction such" in refused


def test_a_probe_runs_beside_a_reconstruction_on_the_last_part_alone(file, adversaries):
    jobs = attack_jobs(load_checked(file, [SUITE, "protocol=cem"]))
    assert [(job.name, job.kind) for job in jobs] == [
        ("decoder-quick-0-train", "reconstruction"),
        ("decoder-quick-1-train", "reconstruction"),
        ("decoder-quick-0-infer", "reconstruction"),
        ("decoder-quick-1-infer", "reconstruction"),
        ("adversaries.Member-quick-0-infer", "probe"),
    ]


def test_only_an_attack_with_something_to_tune_is_tuned(file, adversaries):
    tuned = ["attacks={'adversaries:Keen': quick, 'adversaries:Member': quick}", "attacks/adversaries:Keen/tune=4"]
    study = load_checked(file, tuned)
    assert [job.tune for job in attack_jobs(study)] == [4, 0]
    assert (
        str(first_difference(load_checked(file, tuned[:1]), study)) == "attacks/adversaries:Keen/tune is absent, not 4"
    )
    refused = refusal(file, *tuned, "attacks/adversaries:Member/tune=2")
    assert "attacks/adversaries:Member/tune: 2: adversaries:Member has nothing to tune; leave it out" in refused


@pytest.mark.parametrize("text", ["nonsense", "=3", "model//sigma=1"])
def test_an_override_without_a_path_is_refused(text, file):
    assert refusal(file, text) == f"--set {text}: takes PATH=VALUE such as model/sigma=0.1"


def test_a_bad_value_of_the_file_is_refused_with_the_files_name(file):
    assert refusal(edited(file, "epochs: 3", "epochs: many")).startswith(f"{file}: train/epochs: takes a whole number")
    assert refusal(edited(file, "name: mine", "")) == f"{file}: name: is missing; write `name: ...`"
    assert refusal(edited(file, "{epochs: 3}", "{epochs: 3, epochs: 4}")).startswith(f"{file}: not YAML: line 4")
    assert "key 'epochs' stands twice" in refusal(file)
    file.write_text("- 1")
    assert refusal(file) == f"{file}: a study is a mapping such as `name: mine`, not list"


def test_a_file_that_is_not_there_is_refused_with_the_bundled_names(tmp_path):
    bundled = "all-attacks, all-defenses, attack-suite, cifar10-matched, cifar10-small, network-rows, quickstart"
    refused = refusal(tmp_path / "gone.yaml")
    assert refused.endswith(f"no such file and no bundled study; bundled are {bundled}")


def test_a_missing_folder_is_found_before_anything_starts_but_not_when_only_reading(tmp_path):
    study = load_checked("cifar10-small", [f"data/root={tmp_path / 'gone'}"])
    with pytest.raises(UserError, match=r"data/root: there is no folder .*gone"):
        check_ready(study)


def test_more_training_images_than_there_are_are_found_before_anything_starts(file):
    check_ready(load_checked(file, ["train/images={choices: [null, 900]}"]))
    with pytest.raises(UserError, match="train/images: 50000: protocol strict has 900 training images"):
        check_ready(load_checked(file, ["train/images={low: 100, high: 50000}"]))


def test_a_plugin_is_imported_only_where_it_may_be(tmp_path, monkeypatch):
    (tmp_path / "their_plugin.py").write_text("raise ImportError('it was imported')")
    (tmp_path / "theirs.yaml").write_text("name: theirs\ndefense: {'their_plugin:Mine': {alpha: 0.3}}")
    monkeypatch.syspath_prepend(tmp_path)
    assert list(load_study(tmp_path / "theirs.yaml").defense) == ["their_plugin:Mine"]
    assert "it was imported" in refusal(tmp_path / "theirs.yaml")


def test_every_resolved_study_is_plain_json(file):
    assert json.loads(json.dumps(yaml.safe_load(load_checked(file).dump())))


def test_a_directorys_own_file_without_a_version_is_of_0_1(tmp_path):
    own = tmp_path / "study.yaml"
    own.write_text(load_checked("quickstart").model_copy(update={"ledger": LEDGER}).dump().replace("version:", "#"))
    assert (load_study(own).version, load_study("quickstart").version) == ("0.1", CURRENT)
    assert load_study(own).digest() == load_study("quickstart").digest()
    own.write_text(load_study(own).dump())
    assert load_study(own).version == "0.1"


@pytest.mark.parametrize("ledger", ["", f"\nledger: {LEDGER}"])
def test_an_empty_version_is_refused_with_the_way_out(ledger, tmp_path):
    (tmp_path / "mine.yaml").write_text(f"name: mine\nversion:{ledger}\n")
    with pytest.raises(UserError, match=r"version: is empty; write `version: '0\.2'`"):
        load_study(tmp_path / "mine.yaml")


def test_a_file_of_another_version_is_refused(tmp_path):
    own = tmp_path / "study.yaml"
    own.write_text(load_checked("quickstart").dump().replace(f"version: '{CURRENT}'", "version: '9.9'"))
    with pytest.raises(UserError, match=r"version: '9\.9' is unknown, this invfront reads 0\.1, 0\.2; install"):
        load_study(own)


def test_a_digest_is_taken_over_the_keys_of_the_files_own_version():
    """A key that came later and means what its absence meant leaves an old study what it was."""
    study = load_checked("quickstart")
    assert digest(study) != digest(study, ["train/epochs"])
    assert "epochs" not in identity(study, ["train/epochs"])["train"]


def test_keys_that_came_later_mean_what_their_absence_meant():
    old = {"train": {"epochs": 3}, "data": "not a section"}
    fill(old, {"train/label_smoothing": 0.1, "train/epochs": 9, "data/root": None})
    assert old == {"train": {"epochs": 3, "label_smoothing": 0.1}, "data": "not a section"}


def test_a_version_is_not_set_from_outside():
    with pytest.raises(UserError, match=r"--set version=9: version: 9: is the package's that made the study; leave it"):
        load_study("quickstart", ["version=9"])


@pytest.mark.parametrize(("recipe", "smoothing"), [("fast", 0.1), ("published", 0.0)])
@pytest.mark.parametrize("version", ["version: '0.2'\n", ""])
def test_a_directory_begun_before_a_key_goes_on_as_it_was(recipe, smoothing, version, tmp_path):
    """Absent, a key means what it meant: no word of it in the identity, nor in what trials are asked."""
    (tmp_path / "study.yaml").write_text(
        f"{SPACE}{version}ledger: {LEDGER}\n".replace("{epochs", f"{{recipe: {recipe}, epochs")
    )
    old = load_checked(tmp_path / "study.yaml")
    assert (old.train.ramp, old.train.label_smoothing, old.train.target_accuracy) == (None, smoothing, None)
    assert identity(old)["train"].keys() == {"recipe", "epochs", "batch_size", "images"}
    assert not {path for path in old.space().shared if path in former(recipe)}
    (tmp_path / "study.yaml").write_text(old.dump())
    assert load_study(tmp_path / "study.yaml") == old


def test_a_study_of_today_starts_all_penalties_alike_and_smooths_no_label(file):
    study = load_checked(file)
    assert (study.train.ramp, study.train.label_smoothing) == (0.125, 0.0)
    asked = study.space().shared
    assert (asked["train/ramp"], asked["train/label_smoothing"]) == (0.125, 0.0)
    smoothed = load_checked(file, ["train/label_smoothing=0.1", "train/ramp={low: 0, high: 0.5}"])
    assert smoothed.digest() != study.digest()
    assert load_checked(file, ["train/recipe=published"]).train.ramp is None


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("train/ramp=null", "train/ramp: null: defenses' own starts are for recipe published, not fast; take 0.125"),
        ("train/ramp=1.5", "train/ramp: takes a number >= 0 and <= 1, not 1.5"),
        ("train/label_smoothing=1", "train/label_smoothing: takes a number >= 0 and < 1, not 1"),
        ("train/target_accuracy=1", "train/target_accuracy: takes a number > 0 and < 1, not 1"),
    ],
)  # fmt: skip
def test_a_training_that_makes_no_sense_is_refused(override, said, file):
    assert said in refusal(file, override)
