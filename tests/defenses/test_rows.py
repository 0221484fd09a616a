"""Rows of 2024 to 2026 that stand beside the entropy penalties: one contract over them, and the formulas of each."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defenses import contract
from defenses.atat import AntiAdversarial
from defenses.base import Batch, Defense, Shapes
from defenses.infoscissors import InfoScissors, club
from defenses.projection import Projection
from defenses.siftfunnel import SiftFunnel, repeated

SMALL = {"blocks": 0, "channels": 8}
CASES = {
    "atat": contract.Case(AntiAdversarial, {"radius": 0.05, "step": 0.02}),
    "siftfunnel": contract.Case(SiftFunnel),
    "projection": contract.Case(Projection),
    "infoscissors": contract.Case(InfoScissors, SMALL),
}
SHAPES = Shapes(image=(3, 16, 16), activation=(4, 4, 4), num_classes=5)


@pytest.mark.parametrize("law", contract.LAWS.values(), ids=contract.LAWS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_row_keeps(law, case):
    law(case)


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [2, 2, 2, 4], [3]], ids=["alone", "missing", "one image"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_gradients_are_finite_where_activations_are_constant(case, labels):
    bench = contract.Bench(case)
    nn.init.zeros_(bench.convolution.weight)
    y = torch.tensor(labels) % 4
    x = torch.rand(len(y), *contract.SHAPES.image)
    z_clean = bench.client(x)
    z = bench.defense(z_clean) + case.sigma * torch.randn_like(z_clean)
    penalty = bench.defense.penalty(
        _batch(x, z, y, client=bench.client, z_clean=z_clean, server=bench.server, defense=bench.defense)
    )
    assert penalty.isfinite()
    if penalty.requires_grad:
        penalty.backward()
    for parameter in [*bench.client.parameters(), *bench.defense.parameters()]:
        assert parameter.grad is None or parameter.grad.isfinite().all()


# ---- atat


def told_apart(wanted: int, radius: float) -> tuple[AntiAdversarial, Batch]:
    """Images that a linear server takes by their brightness for one of two classes, and a defense."""
    torch.manual_seed(0)
    defense = AntiAdversarial(lam=2.0, radius=radius, step=radius / 2, steps=4)
    defense.attach(nn.Identity(), Shapes((3, 8, 8), (3, 8, 8), 2))
    server = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    with torch.no_grad():
        server[1].weight.copy_(torch.tensor([[-0.01], [0.01]]).expand(2, 192))
        server[1].bias.zero_()
    x = 0.5 * torch.ones(4, 3, 8, 8)
    y = torch.full((4,), 1 - wanted)
    return defense, _batch(x, x, y, client=nn.Identity(), server=server, sigma=0.0)


@pytest.mark.parametrize("wanted", [0, 1])
def test_the_nearest_image_of_another_class_lies_on_the_edge_that_the_gradient_points_to(wanted):
    defense, batch = told_apart(wanted, 0.01)
    found = defense.nearest(batch, batch.x, torch.full((4,), wanted))
    torch.testing.assert_close(found, batch.x + (0.01 if wanted else -0.01), rtol=0, atol=1e-6)
    logits = torch.tensor([-0.01, 0.01]) * float(found[0].sum())
    expected = 2 * F.cross_entropy(logits[None], torch.tensor([wanted]))
    assert defense.penalty(batch).item() == pytest.approx(expected.item(), rel=1e-4)


def test_without_a_server_the_way_out_is_named():
    defense, batch = told_apart(0, 0.01)
    with pytest.raises(ValueError, match=r"Batch.server is None, .*hand the server in"):
        defense.penalty(_batch(batch.x, batch.z, batch.y))


def test_training_by_it_makes_a_network_easily_fooled():
    fooled = {}
    for lam in (0.0, 1.0):
        bench = contract.Bench(contract.Case(AntiAdversarial, {"radius": 0.05, "step": 0.02}))
        optimiser = torch.optim.SGD([*bench.client.parameters(), *bench.server.parameters()], lr=0.1)
        for _ in range(60):
            optimiser.zero_grad()
            batch = bench.batch()
            task = F.cross_entropy(bench.server(batch.z), batch.y)
            (task + lam * bench.defense.penalty(batch) / bench.defense.lam).backward()
            optimiser.step()
        fooled[lam] = float(bench.penalty().detach()) / bench.defense.lam
    assert fooled[1.0] < 0.8 * fooled[0.0]


# ---- siftfunnel


def test_channels_that_repeat_one_another_correlate_wholly_and_strangers_only_with_themselves():
    torch.manual_seed(0)
    places = torch.randn(50, 1, 16, 16)
    signs = torch.tensor([1.0, -2.0, 3.0, 0.5]).view(1, 4, 1, 1)
    assert repeated(signs * places + 7).item() == pytest.approx(1, abs=1e-4)
    assert repeated(torch.randn(50, 4, 16, 16)).item() == pytest.approx(1 / 4 + 3 / 4 / 255, abs=2e-3)
    assert repeated(torch.ones(2, 4, 4, 4)).item() == 0


def test_the_published_recipe_stops_paying_and_no_other_does():
    torch.manual_seed(0)
    x, z = torch.rand(8, 3, 8, 8), torch.rand(8, 4, 4, 4)
    paid = {
        (published, epoch): float(
            SiftFunnel(until=3).penalty(_batch(x, z, torch.arange(8) % 2, epoch=epoch, published=published))
        )
        for published in (True, False)
        for epoch in (2, 3)
    }
    assert paid[True, 3] == 0
    assert paid[True, 2] == paid[False, 2] == paid[False, 3] > 0


# ---- projection


def test_a_projection_keeps_as_many_directions_as_it_says_and_drops_the_others_for_good():
    defense = Projection(dropped=0.75)
    torch.manual_seed(0)
    defense.attach(nn.Identity(), SHAPES)
    z = torch.randn(200, *SHAPES.activation)
    once = defense(z)
    torch.testing.assert_close(defense(once), once, rtol=0, atol=1e-5)
    singular = torch.linalg.svdvals(once.flatten(1))
    assert int((singular > 1e-3).sum()) == 16
    assert float(once.square().mean() / z.square().mean()) == pytest.approx(0.25, abs=0.02)


def test_the_compaction_is_the_variance_within_classes_of_what_is_released():
    torch.manual_seed(0)
    defense = Projection(dropped=0.5, lam=3.0)
    defense.attach(nn.Identity(), SHAPES)
    y = torch.arange(4000) % 5
    z = 0.2 * torch.randn(4000, *SHAPES.activation) + y.view(-1, 1, 1, 1)
    penalty = defense.penalty(_batch(z, z, y, defense=defense))
    assert penalty.item() == pytest.approx(3 * 0.04 / 2, rel=0.03)


# ---- infoscissors


def test_club_is_the_log_ratio_over_all_pairs():
    torch.manual_seed(0)
    x, guesses = torch.rand(6, 3, 4, 4), torch.rand(6, 3, 4, 4)
    own = (guesses - x).square().mean()
    log_q = -(guesses[:, None] - x[None]).square().mean(dim=(2, 3, 4)) / (2 * own)
    expected = log_q.diagonal().mean() - log_q.mean()
    assert club(guesses, x).item() == pytest.approx(expected.item(), rel=1e-4)


def test_a_decoder_that_reads_nothing_is_charged_nothing_and_one_that_reads_all_is_charged_much():
    x = torch.rand(64, 3, 8, 8)
    assert club(x.mean(0).expand_as(x), x).item() == pytest.approx(0, abs=1e-6)
    assert club(x, x).item() > 100


def test_the_decoder_learns_and_the_client_is_pushed_the_other_way():
    torch.manual_seed(0)
    defense = InfoScissors(lam=1.0, **SMALL)
    defense.attach(nn.Identity(), SHAPES)
    z = torch.rand(16, *SHAPES.activation, requires_grad=True)
    x = F.interpolate(z[:, :3].detach(), scale_factor=4.0)
    optimiser = torch.optim.Adam(defense.parameters(), lr=1e-2)
    charged = []
    for _ in range(60):
        optimiser.zero_grad()
        penalty = defense.penalty(_batch(x, z, torch.zeros(16, dtype=torch.int64)))
        charged.append(penalty.item())
        penalty.backward()
        optimiser.step()
    assert charged[-1] > charged[0] + 0.05
    assert math.isfinite(charged[-1])
    moved = (z - 0.5 * z.grad / z.grad.abs().max()).detach()
    after = defense.penalty(_batch(x, moved, torch.zeros(16, dtype=torch.int64)))
    assert after.item() < charged[-1]


def _batch(
    x: Tensor,
    z: Tensor,
    y: Tensor,
    *,
    client: nn.Module | None = None,
    z_clean: Tensor | None = None,
    sigma: float = 0.1,
    epoch: int = 1,
    published: bool = False,
    server: nn.Module | None = None,
    defense: Defense | None = None,
) -> Batch:
    return Batch(
        x=x,
        client=client or nn.Identity(),
        z_clean=z if z_clean is None else z_clean,
        z=z,
        y=y,
        sigma=sigma,
        progress=0.1,
        lr=0.05,
        epoch=epoch,
        published=published,
        server=server,
        defense=defense,
    )
