"""Stacking: for each image the likeliest reconstruction, which no oracle loses to and a likelihood may mislead."""

import numpy
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness.judging import judged
from harness.judging.stacking import likeliest, stacked
from harness.ledger import TrialFiles
from tests.values import JOB, asked, attack, record

OTHER = JOB.model_copy(update={"attack": "other"})
LEVEL = JOB.model_copy(update={"attacker_images": 40})


def table(mse, surprise, first=None, **changes):
    ssim = 1 - 10 * numpy.asarray(mse)
    columns = {"mse": mse, "ssim": ssim, "surprise_mse": surprise, "surprise_ssim": surprise}
    columns |= {} if first is None else {"mse_first": first, "ssim_first": 1 - 10 * numpy.asarray(first)}
    return pandas.DataFrame(columns | changes)


def found(scores, jobs=(JOB, OTHER)):
    attacks = tuple(attack(job=job) for job in jobs)
    return stacked(judged(TrialFiles(0, None, asked(), record(), attacks)), scores)  # type: ignore[arg-type]


def test_each_image_is_taken_from_the_attack_that_explains_its_release_best():
    one, other = table([0.01, 0.05, 0.02], [1.0, 9.0, 1.0]), table([0.03, 0.01, 0.03], [2.0, 3.0, 2.0])
    told = found({JOB.name: one, OTHER.name: other})
    assert told.mse_stacked == pytest.approx((0.01 + 0.01 + 0.02) / 3) == told.mse_stacked_oracle
    assert told.mse_stacked_single == pytest.approx(0.07 / 3)
    assert told.ssim_stacked == pytest.approx(1 - 10 * told.mse_stacked)
    difference = numpy.array([0.01 - 0.03, 0.0, 0.02 - 0.03])
    assert told.mse_stacked_se == pytest.approx(difference.std(ddof=1) / 3**0.5)
    assert (told.stacked_images, told.stacked_of) == (3, "2 attacks")


def test_a_likelihood_misleads_where_an_attack_fits_the_noise():
    good, fits_noise = table([0.01, 0.01], [5.0, 5.0]), table([0.09, 0.09], [1.0, 1.0])
    told = found({JOB.name: good, OTHER.name: fits_noise})
    assert told.mse_stacked == pytest.approx(0.09)
    assert told.mse_stacked_single == pytest.approx(0.01)


def test_it_is_over_the_first_release_and_the_first_images_that_all_have():
    several = table([0.5, 0.5, 0.5], [1.0, 1.0, 1.0], first=[0.02, 0.04, 0.9])
    told = found({JOB.name: several, OTHER.name: table([0.5, 0.5], [2.0, 2.0])})
    assert told.mse_stacked == pytest.approx(0.03)
    assert told.stacked_images == 2


def test_without_two_that_tell_there_is_nothing_to_choose():
    silent = table([0.01], [1.0]).drop(columns=["surprise_mse", "surprise_ssim"])
    assert found({JOB.name: table([0.01], [1.0]), OTHER.name: silent}) is None
    assert found({JOB.name: table([0.01], [1.0])}) is None
    assert found({JOB.name: table([0.01], [1.0]), LEVEL.name: table([0.01], [1.0])}, (JOB, LEVEL)) is None


def test_what_is_no_number_explains_nothing():
    nan = float("nan")
    assert likeliest(numpy.array([[nan, 2.0, nan], [5.0, 2.0, nan]])).tolist() == [1, 0, 0]


@given(
    mse=arrays.arrays(float, (3, 6), elements=st.floats(0, 1)),
    surprise=arrays.arrays(float, (3, 6), elements=st.floats(-1e6, 1e6)),
)
def test_the_oracle_of_the_same_attacks_is_never_worse(mse, surprise):
    jobs = [JOB.model_copy(update={"seed": seed}) for seed in range(3)]
    told = found({job.name: table(*each) for job, *each in zip(jobs, mse, surprise, strict=True)}, jobs)
    assert told.mse_stacked_oracle <= told.mse_stacked + 1e-12
    assert told.mse_stacked_oracle <= told.mse_stacked_single + 1e-12
    assert told.ssim_stacked_oracle >= told.ssim_stacked - 1e-12
