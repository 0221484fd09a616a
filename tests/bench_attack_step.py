"""How long a step of the decoders takes, against plain float32 in the contiguous layout: `make bench`."""

import copy

import pytest
import torch
import torch.nn.functional as F

from attacks.base import Images
from attacks.decoder import Decoder
from attacks.decoder_xl import DecoderXl, _mse
from attacks.fitting import Average
from attacks.networks import InverseNetwork
from attacks.precision import bfloat16_is_faster
from attacks.testproblems import LinearGaussian
from tests.pairing import Step, paired_ratio

PAIRS = 24
BATCH_SIZES = {"decoder": 128, "decoder_xl": 32}
"""Images of a step, by attack."""
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
MOST_WITH_BFLOAT16, MOST_WITHOUT = 0.45, 1.0
"""Largest share of a plain float32 step that a step may take."""


@pytest.mark.parametrize("attack", ["decoder", "decoder_xl"])
def test_an_attack_step_against_plain_float32(attack, benchmark):
    dtype = torch.bfloat16 if bfloat16_is_faster(DEVICE) else torch.float32
    most = MOST_WITH_BFLOAT16 if dtype == torch.bfloat16 else MOST_WITHOUT
    torch.manual_seed(0)
    target = LinearGaussian(0.1, precision=dtype)
    images = target.sample(BATCH_SIZES[attack])
    images = Images(images.x.to(DEVICE), images.y.to(DEVICE))
    quick, plain = STEPS[attack](target, images)
    ratio = paired_ratio(quick, plain, pairs=PAIRS, device=DEVICE)
    benchmark.extra_info["ratio"] = ratio
    benchmark.pedantic(quick, rounds=3)
    print(f"\n{attack}: step, {dtype} and channels-last over float32 and contiguous: {ratio:.3f}, at most {most}")
    assert ratio <= most


def _decoder_steps(target: LinearGaussian, images: Images) -> tuple[Step, Step]:
    """Return the step that the attack itself takes, and the same as it is usually written."""
    x = images.x.float() / 255
    return _attack_step(target, x), _plain_step(target, x)


def _decoder_xl_steps(target: LinearGaussian, images: Images) -> tuple[Step, Step]:
    """Return the step that the attack itself takes, and the same as it is usually written."""
    x = images.x.float() / 255
    attack = DecoderXl(**DecoderXl.budgets["standard"])
    network = attack._begin(target, images)
    plain = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
    average, plain_average = Average(network, attack.ema), Average(plain, attack.ema)
    optimiser = torch.optim.AdamW(network.parameters(), fused=True)
    plain_optimiser = torch.optim.AdamW(plain.parameters())

    def plain_step() -> None:
        read = attack._reader(target.release(x))
        loss = F.mse_loss(plain(read.z.contiguous(), read.probabilities, read.log_sigma), x)
        plain_optimiser.zero_grad()
        loss.backward()
        plain_optimiser.step()
        plain_average.update(plain)

    return lambda: attack._step(network, average, x, optimiser, _mse), plain_step


def _attack_step(target: LinearGaussian, x: torch.Tensor) -> Step:
    """Return the step that the attack itself takes."""
    decoder = Decoder(**Decoder.budgets["standard"])
    decoder.network = decoder._network(target.release(x), target)
    optimiser = torch.optim.Adam(decoder.network.parameters(), weight_decay=1e-4, fused=True)
    return lambda: decoder._step(target, x, optimiser)


def _plain_step(target: LinearGaussian, x: torch.Tensor) -> Step:
    """Return the same step as it is usually written."""
    body = InverseNetwork((8, 8, 8), (3, 32, 32), blocks=8, channels=64).body.to(x.device)
    optimiser = torch.optim.Adam(body.parameters(), weight_decay=1e-4)

    def step() -> None:
        loss = F.mse_loss(torch.sigmoid(body(target.release(x))), x)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


STEPS = {"decoder": _decoder_steps, "decoder_xl": _decoder_xl_steps}
"""What is timed, by attack."""
