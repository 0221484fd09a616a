"""How many images a second each attack reconstructs, and how long it takes to fit, on a 32x32 network: `make bench`."""

import time

import pytest
import torch

import attacks
from attacks.base import Attack, Evidence, Images, ProbeAttack
from attacks.precision import bfloat16_is_faster
from defenses.base import Defense
from harness.models import LiveTarget, Network, Pictures, SplitModel, build_model

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SIGMA, NUM_CLASSES, NUM_AUX, NUM_SCORED = 0.1, 10, 400, 64
BUDGET = "quick"


@pytest.mark.parametrize("name", attacks.ATTACKS)
def test_images_per_second(name, benchmark):
    kind = attacks.ATTACKS[name]
    torch.manual_seed(0)
    target = _target(kind.knowledge == "gradients")
    evidence = Evidence(*(_images(count) for count in (NUM_AUX, 64, NUM_AUX, NUM_SCORED)))
    if issubclass(kind, ProbeAttack):
        probe = kind(**attacks.budget(kind, BUDGET))
        found, seconds = _timed(lambda: benchmark.pedantic(probe.probe, args=(target, evidence), rounds=1))
        print(f"\n{name:>15} {BUDGET}: {found.images / seconds:9.1f} images/s, fitting included")
        return
    attack = kind(**attacks.budget(kind, BUDGET))
    attack, prior = _with_prior(attack, evidence.aux, target)
    _, fit = _timed(lambda: attack.fit(target, evidence.aux, evidence.val))
    z = target.release(evidence.scored.x[: attack.images].float() / 255)
    _, seconds = _timed(lambda: benchmark.pedantic(attack.reconstruct, args=(z,), rounds=1))
    benchmark.extra_info["images_per_second"] = len(z) / seconds
    print(f"\n{name:>15} {BUDGET}: {len(z) / seconds:9.1f} images/s; prior {prior:.1f} s, fit {fit:.1f} s")


def _target(exact: bool) -> LiveTarget:
    """Return an untrained network of the default kind, half as wide: its speed is that of a trained one."""
    halves = build_model(
        Network(name="vgg11_bn_sgm", width=0.5, head="linear"),
        Pictures(num_classes=NUM_CLASSES, mean=(0.5,) * 3, std=(0.25,) * 3),
    )
    model = SplitModel(*halves, Defense(), SIGMA).to(DEVICE).to(memory_format=torch.channels_last)
    fast = bfloat16_is_faster(DEVICE) and not exact
    return LiveTarget(model, (3, 32, 32), NUM_CLASSES, torch.bfloat16 if fast else torch.float32)


def _images(count: int) -> Images:
    x = torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8, device=DEVICE)
    return Images(x.repeat_interleave(4, 2).repeat_interleave(4, 3), torch.arange(count, device=DEVICE) % NUM_CLASSES)


def _with_prior(attack: Attack, aux: Images, target: LiveTarget) -> tuple[Attack, float]:
    """Return the attack with its prior, if it has one, and the seconds that its training took."""
    if attack.prior_settings() is None:
        return attack, 0.0
    prior = attack.make_prior(target.image_shape, NUM_CLASSES).to(DEVICE)
    _, seconds = _timed(lambda: attack.train_prior(prior, aux, target.precision))
    return attack.with_prior(prior), seconds


def _timed(action):
    start = time.perf_counter()
    result = action()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return result, time.perf_counter() - start
