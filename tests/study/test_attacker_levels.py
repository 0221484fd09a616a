"""Levels of what the attacker holds: how they are written, which one is the study's own, and what they change of it."""

import pytest

from harness.errors import UserError
from harness.study import first_difference, load_study, load_text
from harness.study.attacker_levels import lower, own
from harness.study.check import check_ready, load_checked
from harness.study.identity import elsewhere
from harness.study.jobs import attack_jobs, level_jobs


def study(images: str, *further: str):
    return load_study("quickstart", [f"attacker/images={images}", *further])


@pytest.mark.parametrize(
    ("images", "held", "beside"),
    [
        ([40, 160, 320], 320, (40, 160)),
        ([320, "members", 40], 320, (40, "members")),
        ([40, "all"], None, (40,)),
        (["members"], None, ("members",)),
        ([100], 100, ()),
        (100, 100, ()),
        (None, None, ()),
    ],
)
def test_the_largest_number_or_all_is_the_studys_own(images, held, beside):
    assert (own(images), lower(images)) == (held, beside)


@pytest.mark.parametrize("images", ["[0]", "[-1]", '["a"]', "[320, 320]", "[]", "[[3]]", "[true]", "[1.5]", "[null]"])
def test_what_is_no_level_is_refused_in_one_line(images):
    with pytest.raises(UserError, match=r"^--set attacker/images=.*: attacker/images: [^\n]+$"):
        study(images)


@pytest.mark.parametrize("attacker", ["{images: [9, 1000000000]}", "{data: few, images: [321]}"])
def test_a_level_of_more_images_than_there_are_is_refused_before_anything_starts(attacker):
    with pytest.raises(UserError, match=r"attacker/images: \d+: the attacker's part has 320 images; ask for 1 to 320"):
        check_ready(load_checked("quickstart", [f"attacker={attacker}"]))


def test_of_the_training_images_the_attacker_holds_at_most_those_trained_on():
    attacker = "attacker={data: members, images: [9, 901]}"
    with pytest.raises(UserError, match="attacker/images: 901: the training part has 900 images; ask for 1 to 900"):
        check_ready(load_checked("quickstart", [attacker]))


def test_the_published_protocol_and_members_twice_are_refused():
    for images in ("[100, all]", "[members]"):
        with pytest.raises(UserError, match=r"attacker/images: .*: the published protocol fixes the images; leave it"):
            load_checked("quickstart", [f"attacker/images={images}", "protocol=cem", "data/name=cifar10"])
    with pytest.raises(UserError, match="images members: data members holds them already"):
        load_study("quickstart", ["attacker={data: members, images: [9, members]}"])


def test_levels_beside_the_studys_own_are_no_part_of_what_it_is():
    plain = load_study("quickstart")
    for images in ("[40, all]", "[members]", "[40, 160, all, members]"):
        assert study(images).digest() == plain.digest()
        assert study(images).space() == plain.space()
    few = load_study("quickstart", ["attacker={data: few, images: 100}"])
    assert load_study("quickstart", ["attacker={data: few, images: [9, 100]}", "attacker/levels=all"]).digest() == (
        few.digest()
    )


def test_the_studys_own_level_is():
    one, other = study("[40, 160]"), study("[40, 161]")
    assert str(first_difference(one, other)) == "attacker/images is 160, not 161"
    assert one.space().shared["attacker/images"] == 160


def test_a_study_that_goes_on_takes_the_levels_of_its_file():
    there, given = study("[40, all]"), study("[80, all]", "attacker/levels=all")
    assert elsewhere(there, given).attacker == given.attacker


def test_a_directorys_file_keeps_them():
    for given in (study("[40, 160, members]"), study("[members]", "attacker/levels=all")):
        again = load_text(given.dump(), "study.yaml")
        assert again.attacker == given.attacker
        assert again.digest() == given.digest()


def test_every_reconstruction_is_run_at_every_other_level_and_no_probe():
    attacks = ["attacks={linear: quick, decoder: {budget: quick, seeds: 2}, membership: quick}"]
    found = level_jobs(study("[40, 320, members]", *attacks))
    wanted = ["linear-quick-0", "decoder-quick-0", "decoder-quick-1"]
    assert [job.name for job in found] == [f"{name}-{level}" for level in ("n40", "members") for name in wanted]
    assert not any(job.counts for job in found)
    assert all(job.counts for job in attack_jobs(study("[40, 320, members]")))
