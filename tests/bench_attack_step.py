"""How long a step of the published decoder takes, against plain float32 in the contiguous layout: `make bench`."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from attacks.decoder import Decoder
from attacks.inverse_network import InverseNetwork
from attacks.precision import hardware_has_bfloat16
from attacks.testproblems import LinearGaussian
from tests.pairing import paired_ratio

PAIRS = 24
BATCH_SIZE = 128
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
MOST_WITH_BFLOAT16, MOST_WITHOUT = 0.45, 1.0
"""Largest share of a plain float32 step that a step may take."""


@pytest.fixture(autouse=True)
def _one_thread():
    # beside other work two threads wait for each other, which hides any difference between the steps
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_an_attack_step_against_plain_float32(benchmark):
    dtype = torch.bfloat16 if hardware_has_bfloat16(DEVICE) else torch.float32
    most = MOST_WITH_BFLOAT16 if dtype == torch.bfloat16 else MOST_WITHOUT
    torch.manual_seed(0)
    target = LinearGaussian(0.1, precision=dtype)
    x = target.sample(BATCH_SIZE).x.to(DEVICE).float() / 255
    quick, plain = _attack_step(target, x), _plain_step(target, x)
    ratio = paired_ratio(quick, plain, pairs=PAIRS, device=DEVICE)
    benchmark.extra_info["ratio"] = ratio
    benchmark.pedantic(quick, rounds=3)
    print(f"\nattack step, {dtype} and channels-last over float32 and contiguous: {ratio:.3f}, at most {most}")
    assert ratio <= most


def _attack_step(target: LinearGaussian, x: torch.Tensor) -> Callable[[], object]:
    """Return the step that the attack itself takes."""
    decoder = Decoder(**Decoder.budgets["standard"])
    decoder.network = decoder._network(target.release(x), target)
    optimiser = torch.optim.Adam(decoder.network.parameters(), weight_decay=1e-4, fused=True)
    return lambda: decoder._step(target, x, optimiser)


def _plain_step(target: LinearGaussian, x: torch.Tensor) -> Callable[[], object]:
    """Return the same step as it is usually written."""
    body = InverseNetwork((8, 8, 8), (3, 32, 32), blocks=8, channels=64).body.to(x.device)
    optimiser = torch.optim.Adam(body.parameters(), weight_decay=1e-4)

    def step() -> None:
        loss = F.mse_loss(torch.sigmoid(body(target.release(x))), x)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step
