"""What a client costs: that of a narrower one where channels are pruned, and as much one block deeper by pruning."""

import pytest
import torch
from torch import nn

import search_spaces
from defenses import pruning
from defenses.base import Shapes
from harness.models import Network, Pictures, activation_shape, build_model, client_cost

IMAGE = (3, 32, 32)


def client_of(name: str = "vgg11_bn_sgm", cut: int = 4, width: float = 0.5, pruned: float = 0.0) -> nn.Module:
    """Return a client of which a share of the channels is masked, wherever PATROL masks."""
    network = Network(name=name, cut=cut, width=width, bottleneck="noRELU_C8S1", head="linear")
    client, _ = build_model(network, Pictures(num_classes=10, mean=(0.5,) * 3, std=(0.25,) * 3))
    pruning.register(client, Shapes(IMAGE, activation_shape(client, IMAGE), 10), soft=True)
    for layer in pruning.layers(client).values():
        pruning.prune(layer, torch.rand(layer.num_features), round(pruned * layer.num_features))
    return client


def test_convolutions_are_counted_at_every_place():
    # 3x3 from 3 to 32 channels at 32x32 places, to 64 at 16x16, the bottleneck's 3x3 to 8 at 8x8
    assert client_cost(client_of(), IMAGE).multiplications == 9 * (3 * 32 * 1024 + 32 * 64 * 256 + 64 * 8 * 64)


@pytest.mark.parametrize(("name", "cut"), [("vgg11_bn_sgm", 4), ("vgg11_bn_sgm", 5), ("resnet20", 3)])
def test_a_client_with_half_its_channels_pruned_costs_what_one_half_as_wide_does(name, cut):
    pruned = client_of(name, cut, pruned=0.5)
    before = [value.clone() for value in pruned.state_dict().values()]
    whole, narrow = client_cost(pruned, IMAGE), client_cost(client_of(name, cut, width=0.25), IMAGE)
    assert all(torch.equal(one, other) for one, other in zip(before, pruned.state_dict().values(), strict=True))
    if name == "vgg11_bn_sgm":  # elsewhere channels that are added to others' have to stay
        assert whole == narrow
    assert narrow.multiplications <= whole.multiplications < client_cost(client_of(name, cut), IMAGE).multiplications


@pytest.mark.parametrize("width", [0.25, 0.5, 1.0])
def test_patrol_one_block_deeper_costs_what_the_bundled_study_says(width):
    share = search_spaces.load("network-rows")[0]["defense"]["patrol"]["prune"]
    deeper, plain = (
        client_cost(each, IMAGE) for each in (client_of(cut=5, width=width, pruned=share), client_of(width=width))
    )
    assert deeper.multiplications == pytest.approx(plain.multiplications, rel=0.02)
    assert deeper.parameters > 2 * plain.parameters


class ByKeyword(nn.Module):
    """A client that names what it hands to its convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8, 3, 3, 3))

    def forward(self, x):
        return nn.functional.conv2d(x, weight=self.weight, padding=1)


def test_what_is_handed_over_by_keyword_is_counted_too():
    assert client_cost(ByKeyword(), IMAGE).multiplications == 9 * 3 * 8 * 1024
