"""What attackers fit on: which images each kind holds, that none of them is scored, and what is refused."""

from pathlib import Path

import numpy
import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor

from harness.data import Data, Reading, load
from harness.data.attacker import NOISE_MEAN, NOISE_STD, Held, attacker_part, noise
from harness.data.parts import Labelled, digest
from harness.errors import UserError
from harness.study import Study, first_difference
from harness.study.check import check_ready, load_checked

CPU = torch.device("cpu")

SPACE = """
name: plain
model: {width: 0.25, sigma: {choices: [0.05, 0.1]}}
train: {recipe: fast, epochs: 3, batch_size: 64}
defense: {none: {}, laplace: {scale: {low: 0.01, high: 0.5, log: true}}}
attacks: {decoder: {budget: quick, seeds: 2}}
search: {trials: 6, anchors: [{defense/name: none, model/sigma: 0.05}]}
"""

DIGEST = "794b2f6c252a65881da857e8317e95f1f1f3ff212e6f41d9a8b49d235b34f7a0"
"""Of that study before attackers could hold anything but the attacker's part (commit 9521b3f)."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def digits() -> Data:
    return load(Reading(name="digits"), CPU)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plain.yaml"
    path.write_text(SPACE)
    return path


def held(own: Data, root: Path | None = None, /, **settings: object) -> Held:
    paths = {f"attacker/{name}": value for name, value in settings.items()}
    found = attacker_part(own, paths, None if root is None else str(root), CPU)  # type: ignore[arg-type]
    assert found is not None
    return found


def fingerprints(x: Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in x}


def write_folder(root: Path, count: int = 30, size: int = 20, seed: int = 0) -> Path:
    """Write noise as PNG, ``count`` images to each of two class folders."""
    for label in (0, 1):
        (root / f"{label}").mkdir(parents=True)
        for index in range(count):
            pixels = numpy.random.default_rng((seed, label, index)).integers(0, 256, (size, size, 3), numpy.uint8)
            Image.fromarray(pixels).save(root / f"{label}" / f"{index}.png")
    return root


# which images


def test_without_a_choice_the_attackers_part_is_taken_as_it_is(digits: Data) -> None:
    assert attacker_part(digits, {}, None, CPU) is None
    assert attacker_part(digits, {"attacker/data": "same"}, None, CPU) is None
    published = load(Reading(name="digits", protocol="cem"), CPU)
    assert attacker_part(published, {"protocol": "cem"}, None, CPU) is None


@pytest.mark.parametrize("kind", ["same", "noise", "members"])
def test_levels_are_nested_and_each_has_its_digest(kind: str, digits: Data) -> None:
    few, more, most = (held(digits, data=kind, images=count) for count in (40, 160, 320))
    assert [len(each.part.y) for each in (few, more, most)] == [40, 160, 320]
    assert few.part.x.equal(more.part.x[:40])
    assert more.part.x.equal(most.part.x[:160])
    assert len({each.part.digest for each in (few, more, most)}) == 3
    for each in (few, more, most):
        assert fingerprints(each.part.x).isdisjoint(fingerprints(each.stopping.x))


def test_a_level_is_what_few_is_and_the_largest_the_whole_part(digits: Data) -> None:
    few, level = held(digits, data="few", images=40), held(digits, data="same", images=40)
    assert (few.part.digest, few.stopping.digest) == (level.part.digest, level.stopping.digest)
    assert held(digits, data="same", images=320).part.digest == digits.parts["attacker"].digest
    labels = held(digits, data="same", images=100).part.y.bincount(minlength=10)
    assert labels.min() >= 8


def test_members_are_what_the_network_was_trained_on_and_nothing_that_is_scored(digits: Data) -> None:
    found = held(digits, data="members")
    assert (len(found.part.y), len(found.stopping.y)) == (820, 80)
    assert torch.cat([found.part.x, found.stopping.x]).equal(digits.parts["train"].x)
    assert found.labelled
    assert found.part.y.equal(digits.parts["train"].y[:820])
    for name in ("validation", "attacker", "attacker_validation", "test"):
        assert fingerprints(found.part.x).isdisjoint(fingerprints(digits.parts[name].x))


def test_a_single_member_is_refused() -> None:
    one = load(Reading(name="digits", train_images=1), CPU)
    with pytest.raises(UserError, match="attacker/data: members: a single training image is none to fit on and one to"):
        attacker_part(one, {"attacker/data": "members"}, None, CPU)
    with pytest.raises(UserError, match="attacker/images: 2: the training part has 1 images; ask for 1 to 1"):
        attacker_part(one, {"attacker/data": "members", "attacker/images": 2}, None, CPU)


@pytest.mark.parametrize("images", [1, 100, 320])
def test_few_are_the_first_images_of_the_attackers_part_with_their_labels(images: int, digits: Data) -> None:
    few, own = held(digits, data="few", images=images), digits.parts["attacker"]
    assert few.labelled
    assert few.part.x.equal(own.x[:images])
    assert few.part.y.equal(own.y[:images])
    stopping = digits.parts["attacker_validation"].x[: max(1, images // 4)]
    assert few.stopping.x.equal(stopping)


def test_few_hold_each_class_in_its_due_share(digits: Data) -> None:
    assert held(digits, data="few", images=100).part.y.bincount().sub(10).abs().max() <= 2


def test_noise_is_gaussian_clipped_to_the_unit_interval() -> None:
    x = noise(100, (3, 32, 32)).double().flatten() / 255
    # clipped two deviations from its mean, a unit Gaussian's variance is P(|z| < 2) - 4 phi(2) + 4 P(|z| > 2)
    deviation = NOISE_STD * (0.954499736 - 4 * 0.0539909665 + 4 * 0.0455002639) ** 0.5
    error = deviation / len(x) ** 0.5
    assert abs(float(x.mean()) - NOISE_MEAN) < 4 * error
    assert abs(float(x.std()) - deviation) < 4 * error
    # what lies below half a level is rounded to black
    for end in (0, 1):
        assert float((x == end).double().mean()) == pytest.approx(0.02317, abs=0.001)


def test_no_pixel_of_noise_tells_of_another() -> None:
    x = noise(200, (3, 16, 16)).double().flatten(1)
    x = (x - x.mean()) / x.std()
    bound = 4 / (200 * 767) ** 0.5
    for apart in (1, 2, 3, 4, 16, 256):
        assert abs(float((x[:, apart:] * x[:, :-apart]).mean())) < bound * 1.3
    assert len(fingerprints(x)) == 200


def test_noise_is_the_same_on_every_machine_and_more_of_it_begins_with_less() -> None:
    x = noise(3, (3, 11, 11))
    assert x.equal(noise(5, (3, 11, 11))[:3])
    assert digest(Labelled(x, torch.zeros(3, dtype=torch.int64))).startswith("5a75d495d4dddf2a")


@pytest.mark.parametrize(("images", "count"), [(None, 320), (50, 50), (700, 700)])
def test_noise_has_as_many_images_as_asked_for_else_as_the_attackers_part(
    images: int | None, count: int, digits: Data
) -> None:
    part, stopping, labelled = held(digits, data="noise", images=images)
    assert part.x.shape == (count, 3, 32, 32)
    assert len(stopping.y) == min(80, count // 4)
    assert torch.cat([part.x, stopping.x]).equal(noise(count + len(stopping.y), (3, 32, 32)))
    assert not labelled


@pytest.mark.parametrize(("images", "count", "stops"), [(None, 45, 15), (25, 25, 6), (60, 45, 15)])
def test_shifted_are_images_of_the_other_data_set_at_the_studys_size(
    images: int | None, count: int, stops: int, digits: Data, tmp_path: Path
) -> None:
    part, stopping, labelled = held(
        digits, write_folder(tmp_path / "other"), data="shifted", name="folder", images=images
    )
    assert part.x.shape == (count, 3, 32, 32)
    assert part.y.tolist() == [0] * count
    assert not labelled
    assert len(fingerprints(part.x)) == count
    assert len(fingerprints(stopping.x) - fingerprints(part.x)) == stops == len(stopping.y)


def test_shifted_are_at_most_as_many_as_the_attackers_part_unless_more_are_asked_for(tmp_path: Path) -> None:
    data = load(Reading(name="folder", root=str(write_folder(tmp_path / "own")), size=16), CPU)
    assert len(held(data, data="shifted", name="digits").part.y) == len(data.parts["attacker"].y) == 9
    assert len(held(data, data="shifted", name="digits", images=40).part.y) == 40


def test_resizing_keeps_what_an_image_shows(tmp_path: Path) -> None:
    data = load(Reading(name="folder", root=str(write_folder(tmp_path / "own")), size=16), CPU)
    small = held(data, data="shifted", name="digits", images=200).part.x.double() / 255
    large = held(load(Reading(name="digits"), CPU), data="few", images=200).part.x.double() / 255
    assert small.shape[2:] == (16, 16)
    # digits are 8x8 images enlarged: halving their size again loses little, and no brightness
    assert abs(float(small.mean() - large.mean())) < 0.01
    assert 0.2 < float(small.std()) < float(large.std())


def test_the_same_images_are_held_whenever_they_are_asked_for(digits: Data, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "other")
    first = [held(digits, data="noise"), held(digits, root, data="shifted", name="folder")]
    torch.manual_seed(99)
    second = [held(digits, root, data="shifted", name="folder"), held(digits, data="noise")][::-1]
    for one, other in zip(first, second, strict=True):
        assert one.part.digest == other.part.digest
        assert one.part.x.equal(other.part.x)


def test_no_kind_moves_the_global_generator(digits: Data) -> None:
    before = torch.get_rng_state()
    held(digits, data="noise")
    held(digits, data="few", images=10)
    assert torch.get_rng_state().equal(before)


KINDS = [
    {"data": "few", "images": 100},
    {"data": "few", "images": 101},
    {"data": "noise"},
    {"data": "noise", "images": 100},
    {"data": "shifted", "name": "folder"},
    {"data": "shifted", "name": "folder", "images": 30},
]


def test_every_kind_has_a_digest_of_its_own_and_an_image_that_is_no_other_parts(digits: Data, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "other")
    parts = [held(digits, root, **kind).part for kind in KINDS]
    stopping = [held(digits, root, **kind).stopping for kind in KINDS]
    assert len({part.digest for part in (*parts, *digits.parts.values())}) == len(KINDS) + len(digits.parts)
    others = [digits.parts[name].x for name in ("train", "validation", "attacker_validation", "test")]
    for part in parts:
        assert part.x.dtype == torch.uint8
        assert part.y.dtype == torch.int64
        assert part.x.device == part.y.device == digits.scored.x.device
        assert part.digest == digest(Labelled(part.x, part.y))
        for other in others:
            assert not fingerprints(part.x) & fingerprints(other)
    for part, stop, kind in zip(parts, stopping, KINDS, strict=True):
        assert not fingerprints(part.x) & fingerprints(stop.x)
        own = fingerprints(digits.parts["attacker_validation"].x)
        assert bool(fingerprints(stop.x) & own) == (kind["data"] == "few")


def test_images_of_another_folder_that_are_copies_of_scored_ones_are_left_out(tmp_path: Path) -> None:
    own, copy = write_folder(tmp_path / "own"), write_folder(tmp_path / "copy")
    data = load(Reading(name="folder", root=str(own), size=20), CPU)
    part, stopping, _ = held(data, copy, data="shifted", name="folder", images=60)
    x = torch.cat([part.x, stopping.x])
    for name in ("validation", "attacker_validation", "test"):
        assert not fingerprints(x) & fingerprints(data.parts[name].x)
    assert len(x) == 60 - sum(len(data.parts[name].y) for name in ("validation", "attacker_validation", "test"))


# what is refused where the images are read


@pytest.mark.parametrize("images", [321, 5000])
def test_more_images_than_the_part_has_are_refused_with_both_numbers(images: int, digits: Data) -> None:
    with pytest.raises(UserError, match=f"attacker/images: {images}: the attacker's part has 320 images; ask for 1 to"):
        held(digits, data="few", images=images)


def test_more_images_than_the_other_data_set_has_are_refused(digits: Data, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "other")
    with pytest.raises(UserError, match="attacker/images: 61: the training part of folder has 60 images"):
        held(digits, root, data="shifted", name="folder", images=61)


def test_an_image_that_cannot_be_read_is_told_by_the_attackers_key(digits: Data, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "torn")
    (root / "0" / "3.png").write_bytes(b"not an image")
    with pytest.raises(UserError, match=r"^attacker/root: .*3\.png cannot be read as an image"):
        held(digits, root, data="shifted", name="folder")


# the study


def refusal(file: Path, *overrides: str) -> str:
    """Return the one line in which a study is refused, as it is read or before its first worker starts."""
    with pytest.raises(UserError) as refused:
        check_ready(load_checked(file, overrides))
    message = str(refused.value)
    assert "\n" not in message
    return message


def shared(study: Study) -> dict[str, object]:
    return {path: value for path, value in study.space().shared.items() if path.startswith("attacker")}


def test_a_study_without_a_choice_is_what_it_was_before_there_was_one(file: Path) -> None:
    file.write_text(f"{SPACE}version: '0.1'\nledger: 4f2e9a04-41c7-4200-969a-cdbb2bc7584a\n")
    study = load_checked(file)
    assert study.digest() == DIGEST
    assert load_checked(file, ["attacker={data: same}"]).digest() == DIGEST
    assert shared(study) == {}
    assert "attacker" not in study.dump()
    assert "tune" not in study.dump()


@pytest.mark.parametrize(
    ("overrides", "settings"),
    [
        (["attacker/data=few", "attacker/images=100"], {"data": "few", "images": 100, "name": None}),
        (["attacker={data: few, images: 100}"], {"data": "few", "images": 100, "name": None}),
        (["attacker={data: noise}"], {"data": "noise", "images": None, "name": None}),
        (
            ["attacker={data: shifted, name: cifar100, root: images}"],
            {"data": "shifted", "images": None, "name": "cifar100"},
        ),
    ],
)
def test_a_choice_is_a_setting_of_every_trial_and_makes_another_study(
    overrides: list[str], settings: dict[str, object], file: Path, tmp_path: Path
) -> None:
    study = load_checked(file, overrides)
    assert shared(study) == {f"attacker/{name}": value for name, value in settings.items()}
    assert str(first_difference(load_checked(file), study)) == f'attacker/data is absent, not "{settings["data"]}"'
    (tmp_path / "study.yaml").write_text(study.dump())
    again = load_checked(tmp_path / "study.yaml")
    assert again == study
    assert again.digest() == study.digest()


def test_the_other_folder_is_stored_absolute_and_is_no_part_of_what_a_study_is(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = load_checked(file, ["attacker={data: shifted, name: folder, root: images}"])
    assert study.attacker.root == str(tmp_path / "images")
    assert first_difference(study, load_checked(file, ["attacker={data: shifted, name: folder, root: /else}"])) is None
    assert yaml.safe_load(study.dump())["attacker"]["root"] == str(tmp_path / "images")


WRONG = [
    (["attacker=few"], "attacker: takes a mapping, key: value, not 'few'"),
    (["attacker/data=more"], "attacker/data: takes 'same', 'few', 'shifted', 'noise' or 'members', not 'more'"),
    (["attacker/data={choices: [same, noise]}"], "attacker/data: {'choices': ['same', 'noise']}: only settings under"),
    (
        ["attacker/image=3"],
        "attacker/image: unknown key; did you mean images?; attacker takes data, images, levels, name, root",
    ),
    (["attacker={data: few, images: 0}"], "attacker/images: should be greater than or equal to 1, not 0"),
    (
        ["attacker={data: few, images: {low: 1, high: 9}}"],
        "attacker/images: {'low': 1, 'high': 9}: only settings under",
    ),
    (["attacker/data=few"], "attacker: images is missing: data few needs a number of them; add images: 100"),
    (["attacker/images=9"], "attacker: images 9: data same is the whole attacker's part; take data: few"),
    (["attacker/data=shifted"], "attacker: name is missing: data shifted needs another data set; add name: cifar100"),
    (["attacker={data: noise, name: cifar10}"], "attacker: name cifar10: data noise has no other data set; leave it"),
    (["attacker={data: noise, root: /x}"], "attacker: root /x: data noise has no other data set; leave it out"),
    (["attacker={data: shifted, name: cifar}"], "attacker/name: 'cifar' is unknown; did you mean cifar10?; take one"),
    (["attacker={data: shifted, name: digits}"], "attacker/name: 'digits' is the study's own data set; name another"),
    (
        ["attacker={data: few, images: 321}"],
        "attacker/images: 321: the attacker's part has 320 images; ask for 1 to 320",
    ),
    (
        ["attacker={data: shifted, name: cifar100}"],
        "attacker/root: cifar100 needs a folder: torchvision's cifar-100-python",
    ),
    (["attacker={data: shifted, name: folder, root: /gone}"], "attacker/root: there is no folder /gone"),
    (
        ["protocol=cem", "attacker={data: noise}"],
        "attacker/data: 'noise': the published protocol fixes the images; take",
    ),
]


@pytest.mark.parametrize(("overrides", "message"), WRONG, ids=[" ".join(overrides) for overrides, _ in WRONG])
def test_what_an_attacker_cannot_hold_is_refused_before_anything_starts(
    overrides: list[str], message: str, file: Path
) -> None:
    assert message in refusal(file, *overrides)


def test_what_an_attacker_can_hold_is_ready(file: Path, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "other", count=2)
    for chosen in ("{data: few, images: 320}", "{data: noise, images: 9999}"):
        check_ready(load_checked(file, [f"attacker={chosen}"]))
    check_ready(load_checked(file, [f"attacker={{data: shifted, name: folder, root: {root}}}"]))


def test_the_studys_own_folder_is_no_other_data_set(file: Path, tmp_path: Path) -> None:
    own, other = write_folder(tmp_path / "own", count=2), write_folder(tmp_path / "other", count=2)
    (tmp_path / "link").symlink_to(own)
    data = f"data={{name: folder, root: {own}}}"
    for root in (own, tmp_path / "link", tmp_path):
        refused = refusal(file, data, f"attacker={{data: shifted, name: folder, root: {root}}}")
        assert f"attacker/root: {root}: holds the study's own images ({own}); give a folder of others" in refused
    check_ready(load_checked(file, [data, f"attacker={{data: shifted, name: folder, root: {other}}}"]))


def test_more_images_than_the_other_data_set_publishes_are_refused_before_anything_starts(
    file: Path, tmp_path: Path
) -> None:
    data = f"data={{name: folder, root: {write_folder(tmp_path / 'own', count=2)}}}"
    refused = refusal(file, data, "attacker={data: shifted, name: digits, images: 1798}")
    assert "attacker/images: 1798: the training part of digits has 1797 images; ask for 1 to 1797" in refused
