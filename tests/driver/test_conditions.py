"""What a study's trials are given beside their settings, and where they run."""

import pytest
import torch

from attacks.precision import bfloat16_is_faster
from harness.driver.conditions import place_of, precision_of, precision_of_confirms, shared_of, slowed
from harness.errors import UserError
from harness.ledger.files import Ledger
from harness.records import Failure
from harness.records.place import Place
from harness.search import Conditions
from harness.stages import FAST, Outcome, Stopwatch, Submit, call
from harness.stages.circumstances import software
from harness.study.check import load_checked
from tests.values import asked


def study(folder, share: str):
    path = folder / "space.yaml"
    path.write_text(
        f"{{name: small, data: {{name: digits}}, defense: {{none: {{}}}}, search: {{trials: 4}}, "
        f"resources: {{train: {share}, attack: {share}}}}}"
    )
    return load_checked(path)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("share", ["{cpu: 1, gpu: 0}", "{cpu: 1, gpu: 1}"])
def test_a_study_keeps_the_precision_of_its_first_trial(precision, share, tmp_path):
    """Else a resume on another machine, or on a busy one, would compare trials of two precisions."""
    ledger = Ledger(tmp_path / "small")
    ledger.publish_asked(asked(0, precision=precision))
    assert precision_of(study(tmp_path, share), ledger, call, print) == precision


@pytest.mark.parametrize(
    ("searched", "fast", "wanted"),
    [("bfloat16", True, "bfloat16"), ("bfloat16", False, "float32"), ("float32", True, "float32")],
)
def test_a_confirm_takes_the_searchs_precision_unless_that_is_slow_here_and_keeps_it(tmp_path, searched, fast, wanted):
    """Its candidates compare with each other: a search in bfloat16 took 100 times as long where no CPU has it."""
    own, ledger = study(tmp_path, "{cpu: 1, gpu: 1}"), Ledger(tmp_path / "small")
    ledger.publish_asked(asked(0, precision=searched))
    assert precision_of_confirms(own, ledger, answering(fast), print) == wanted
    ledger.of_seed(1).publish_asked(asked(0, precision=wanted, confirm=1))
    assert precision_of_confirms(own, ledger, answering(not fast), print) == wanted


def test_a_study_that_goes_on_in_a_precision_that_is_slow_here_says_so(tmp_path):
    own, slow = study(tmp_path, "{cpu: 1, gpu: 0}"), not bfloat16_is_faster(torch.device("cpu"))
    begun = Conditions(ledger="", attacks=(), threads={}, precision="bfloat16")
    told = slowed(own, begun)
    assert (told is not None and " times as long for that as for float32" in told) == slow
    assert slowed(own, begun._replace(precision="float32")) is None
    assert slowed(study(tmp_path, "{cpu: 1, gpu: 1}"), begun) is None


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [([True], "bfloat16"), ([False], "float32"), ([True] * 4, "bfloat16"), ([True, False], "float32")],
)
def test_before_its_first_trial_jobs_say_of_their_gpus_whether_bfloat16_is_faster_on_all(answers, wanted, tmp_path):
    own = study(tmp_path, "{cpu: 1, gpu: 1}")
    assert precision_of(own, Ledger(tmp_path / "small"), answering(*answers), print) == wanted


def test_where_no_job_has_a_gpu_none_is_asked(tmp_path):
    on_cpu = "bfloat16" if bfloat16_is_faster(torch.device("cpu")) else "float32"
    own = study(tmp_path, "{cpu: 1, gpu: 0}")
    assert precision_of(own, Ledger(tmp_path / "small"), answering(), print) == on_cpu


def test_gpus_that_no_job_can_use_are_named_and_refused_where_no_other_answers(tmp_path):
    own, ledger, said = study(tmp_path, "{cpu: 1, gpu: 0.5}"), Ledger(tmp_path / "small"), list[str]()
    assert precision_of(own, ledger, answering(broken("a"), True, broken("c")), said.append) == "bfloat16"
    way = "what fails there is handed out again elsewhere"
    assert said == [f"resources/train/gpu: 0.5: DeviceError: node {node}: no CUDA; {way}" for node in "ac"]
    with pytest.raises(UserError, match=r"^resources/train/gpu: 0\.5: DeviceError: node a: .*: node b: no CUDA$"):
        precision_of(own, ledger, answering(broken("a"), broken("b")), said.append)


def broken(node: str) -> Failure:
    return Failure(stage="train", type="DeviceError", message=f"node {node}: no CUDA")


def answering(*answers: bool | Failure) -> Submit:
    """Return who runs no job but the one that tells of its device's precision, and answers so from each node."""

    def submit(stage, jobs, kind, tell):
        assert (stage, list(jobs), kind) == (FAST, [()], "train")
        for number, answer in enumerate(answers):
            value, failure = (None, answer) if isinstance(answer, Failure) else (answer, None)
            yield Outcome(number, value, failure, Stopwatch().read())

    return submit


def test_a_place_is_what_the_study_says_now():
    study = load_checked("quickstart", ["resources/timeout=2h", "resources/checkpoint=30", "data/root=/data/digits"])
    assert place_of(study) == Place(
        data_root="/data/digits", timeout_seconds=7200.0, checkpoint_seconds=30.0, driver=software()
    )


def test_what_trials_share_is_what_none_of_them_draws():
    study = load_checked("quickstart", ["search/seed=4", "resources/train/cpu=2"])
    shared = shared_of(study, "bfloat16")
    assert (shared.study_seed, shared.threads, shared.precision) == (4, {"train": 2, "attack": 1}, "bfloat16")
    assert shared.settings["data/name"] == "digits"
    drawn = {path for path in study.space().shared if path not in shared.settings}
    assert drawn == {path for path, value in study.space().shared.items() if hasattr(value, "size")}
