"""How long a training step of the default model takes, against plain float32 and against no defense: `make bench`."""

import ctypes
import functools
import statistics
import time
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import defenses
from attacks.precision import autocast, bfloat16_is_faster
from defenses.base import Batch, Epoch, Shapes
from harness.models import Network, Pictures, SplitModel, activation_shape, build_model
from harness.stages.heap import IS_GLIBC, MMAP_MAX, TOP_PAD, TRIM_THRESHOLD, keep_freed
from harness.study.recipes import RECIPES
from tests.pairing import paired_ratio

PAIRS = 24
WARM = 3
"""Steps until the heap has what a step takes."""
MMAP_THRESHOLD = -3
"""glibc's name of the size from which on it maps a buffer anew."""
BATCH_SIZE = 128
SIGMA = 0.1
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
MOST_WITH_BFLOAT16, MOST_WITHOUT = 0.65, 1.0
"""Largest share of a plain float32 step that a step may take."""
MOST_FOR_A_DEFENSE = 1.3
"""Largest multiple of an undefended step that a defended one may take, those of ``COSTLY`` apart."""
CLOSED_FORM = {"linear_adversary": 1.15, "rotated_noise": 1.15}
"""Largest multiple for those whose point is that nothing is trained beside the client."""
COSTLY = {
    "arl": "a decoder is trained beside the client",
    "patrol": "a decoder is trained beside the client, which is probed twice more",
    "patrol_code": "a decoder is trained beside the client",
    "disco": "a decoder is trained beside the client",
    "infoscissors": "a decoder is trained beside the client",
    "atat": "some images pass the network six times more",
    "dfil": "double backward through the client",
}
"""Defenses whose idea costs more, and why."""


def test_a_step_in_the_best_precision_and_layout_against_plain_float32(benchmark):
    dtype = torch.bfloat16 if bfloat16_is_faster(DEVICE) else torch.float32
    most = MOST_WITH_BFLOAT16 if dtype == torch.bfloat16 else MOST_WITHOUT
    quick = _stepper("cem_paper", dtype, torch.channels_last)
    plain = _stepper("cem_paper", torch.float32, torch.contiguous_format)
    ratio = paired_ratio(quick, plain, pairs=PAIRS, device=DEVICE)
    benchmark.extra_info["ratio"] = ratio
    benchmark.pedantic(quick, rounds=3)
    print(f"\ntraining step, {dtype} and channels-last over float32 and contiguous: {ratio:.3f}, at most {most}")
    assert ratio <= most


@pytest.mark.skipif(DEVICE.type == "cuda" or not IS_GLIBC, reason="is of the CPU's memory, under glibc")
def test_a_step_whose_freed_memory_is_kept_against_one_that_maps_it_anew(benchmark):
    step = _stepper("cem_paper", torch.float32, torch.channels_last)

    def seconds(setting: Callable[[], None]) -> float:
        setting()
        for _ in range(WARM):
            step()
        begun = time.perf_counter()
        step()
        step()
        return time.perf_counter() - begun

    ratio = statistics.median(seconds(keep_freed) / seconds(_map_anew) for _ in range(PAIRS // 4))
    keep_freed()
    benchmark.extra_info["ratio"] = ratio
    benchmark.pedantic(step, rounds=3)
    print(f"\ntraining step, freed memory kept over mapped anew: {ratio:.3f}")
    assert ratio <= 1.0


def _map_anew() -> None:
    """Set what glibc comes to by itself: buffers from 32 MiB on are mapped anew, and a free heap is given back."""
    library = ctypes.CDLL(None)
    for what, value in ((MMAP_MAX, 2**16), (MMAP_THRESHOLD, 2**25), (TRIM_THRESHOLD, 2**26), (TOP_PAD, 2**17)):
        library.mallopt(what, value)
    library.malloc_trim(0)


@pytest.fixture(scope="module")
def ratios():
    """Of a defended step to an undefended one by name, printed as a table when all are measured."""
    measured: dict[str, float] = {}
    yield measured
    print(f"\n{'defense':20}{'step over none':>14}  allowed")
    for name, ratio in measured.items():
        print(f"{name:20}{ratio:14.3f}  {COSTLY.get(name, f'at most {_most(name)}')}")


@pytest.mark.parametrize("name", [name for name in defenses.DEFENSES if name != "none"])
def test_a_defended_step_against_an_undefended_one(benchmark, ratios, name):
    dtype = torch.bfloat16 if bfloat16_is_faster(DEVICE) else torch.float32
    defended = _stepper(name, dtype, torch.channels_last)
    ratio = paired_ratio(defended, _stepper("none", dtype, torch.channels_last), pairs=PAIRS, device=DEVICE)
    benchmark.extra_info["ratio"] = ratio
    benchmark.pedantic(defended, rounds=3)
    ratios[name] = ratio
    assert name in COSTLY or ratio <= _most(name)


def _most(name: str) -> float:
    return CLOSED_FORM.get(name, MOST_FOR_A_DEFENSE)


@pytest.mark.parametrize("name", ["cem_paper", "cem_code"])
def test_a_refit_of_the_clusters_of_50_000_activations(benchmark, name):
    defense = defenses.make(name)
    defense.attach(nn.Identity(), Shapes((3, 32, 32), (8, 8, 8), 10))
    defense.to(DEVICE)
    torch.manual_seed(0)
    y = torch.randint(10, (50_000,), device=DEVICE)
    z = torch.sigmoid(torch.randn(50_000, 8, 8, 8, device=DEVICE) + torch.randn(10, 8, 8, 8, device=DEVICE)[y])
    epoch = Epoch(
        features=functools.partial(_given, z), y=y, model=nn.Identity(), batch_size=128, progress=0.1, lr=0.05, epoch=0
    )
    defense.end_epoch(epoch)
    benchmark.pedantic(defense.end_epoch, args=(epoch,), rounds=3)


def _stepper(name: str, dtype: torch.dtype, layout: torch.memory_format) -> Callable[[], None]:
    """Return a function that takes one step on a fixed batch, the defense fitted."""
    torch.manual_seed(0)
    client, server = build_model(
        Network(name="vgg11_bn_sgm", head="linear"), Pictures(num_classes=10, mean=(0.5,) * 3, std=(0.25,) * 3)
    )
    defense = defenses.make(name)
    defense.attach(client, Shapes((3, 32, 32), activation_shape(client, (3, 32, 32)), 10))
    model = SplitModel(client, server, defense, SIGMA).to(DEVICE, memory_format=layout).train()
    x = torch.rand(BATCH_SIZE, 3, 32, 32, device=DEVICE).contiguous(memory_format=layout)
    y = torch.arange(BATCH_SIZE, device=DEVICE) % 10
    with torch.no_grad():
        features = client(x).repeat(4, 1, 1, 1)
    defense.end_epoch(
        Epoch(
            features=functools.partial(_given, features), y=y.repeat(4), model=model, batch_size=BATCH_SIZE,
            progress=0.1, lr=0.01, epoch=0,
        )
    )  # fmt: skip
    groups = [{"params": [*client.parameters(), *server.parameters()]}, *defense.parameter_groups(0.01)]
    optimisers = RECIPES["fast"].optimisers(groups)

    def step() -> None:
        for optimiser in optimisers:
            optimiser.zero_grad(set_to_none=True)
        with autocast(DEVICE, dtype):
            z_clean = client(x)
        z_clean = z_clean.float()
        z = model.noised(z_clean)
        with autocast(DEVICE, dtype):
            logits = server(z)
        batch = Batch(
            x=x, client=client, z_clean=z_clean, z=z, y=y, sigma=SIGMA, progress=0.1, lr=0.01, epoch=1,
            defense=defense, server=server,
        )  # fmt: skip
        (F.cross_entropy(logits.float(), y, label_smoothing=0.1) + defense.penalty(batch)).backward()
        for optimiser in optimisers:
            optimiser.step()

    return step


def _given(z: torch.Tensor, augment: bool = False) -> torch.Tensor:
    return z
