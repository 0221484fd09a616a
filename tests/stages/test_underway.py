"""A prior that is being trained is known to be, by others, until its process ends."""

from harness.records import AttackJob
from harness.stages.underway import is_underway, underway

JOB = AttackJob(attack="gan_prior", budget="quick", seed=0, part="validation")


def test_a_prior_is_underway_while_it_is_trained_and_at_no_other_time(tmp_path):
    folder = tmp_path / "priors"
    assert not is_underway(folder, JOB)
    with underway(folder, JOB):
        assert is_underway(folder, JOB)
        assert not is_underway(folder, JOB.model_copy(update={"seed": 1}))
    assert not is_underway(folder, JOB)
