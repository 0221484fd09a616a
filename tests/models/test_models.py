"""Split models: published sizes, what the halves compute, and what an adversary sees of them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attacks.precision import autocast, of_networks
from defenses.base import Defense
from defenses.laplace import Laplace
from harness.models import MODELS, LiveTarget, Network, Pictures, SplitModel, activation_shape, build_model
from harness.models.bottleneck import Bottleneck, parse
from harness.models.lca import LCA, num_neurons

STATISTICS = {"mean": (0.49, 0.48, 0.45), "std": (0.25, 0.24, 0.26)}
SMALL = {"head": "linear", "width": 0.125}


def built(name="vgg11_bn_sgm", /, **settings):
    """A network for ten classes; what is a setting of its images goes to them."""
    images = {key: settings.pop(key) for key in ("shape", "mean", "std") if key in settings}
    return build_model(Network(name=name, **settings), Pictures(num_classes=10, **(STATISTICS | images)))


def num_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def small_model(defense=None, sigma=0.1, **settings):
    halves = built(**(SMALL | settings))
    return SplitModel(halves.client, halves.server, defense or Defense(), sigma)


def target(model, precision=torch.float32):
    return LiveTarget(model, (3, 32, 32), 10, precision)


PUBLISHED = [
    # name, settings, activation, client's parameters, server's without its classifier (cem.md, section 1)
    ("vgg11_bn_sgm", {"cut": 1}, (8, 32, 32), 6_536, 9_228_736),
    ("vgg11_bn_sgm", {"cut": 3}, (8, 16, 16), 85_256, 9_159_296),
    ("vgg11_bn_sgm", {}, (8, 8, 8), 85_256, 9_159_296),
    ("vgg11_bn_sgm", {"cut": 5}, (8, 8, 8), 390_152, 8_872_960),
    ("vgg11_bn_sgm", {"cut": 6}, (8, 8, 8), 980_744, 8_282_368),
    ("vgg11_bn_sgm", {"bottleneck": "None"}, (128, 8, 8), 76_032, 9_149_952),
    ("vgg11_bn_sgm", {"sca": True}, (8, 8, 8), 347_400, 9_159_296),
    ("resnet20", {"cut": 4}, (8, 16, 16), 54_616, 1_018_400),
    ("resnet20", {"cut": 5}, (8, 8, 8), 112_472, 965_184),
]


@pytest.mark.parametrize(("name", "settings", "activation", "in_client", "in_server"), PUBLISHED)
def test_sizes_are_the_published_ones(name, settings, activation, in_client, in_server):
    with torch.device("meta"):
        client, server = built(name, **settings)
        assert activation_shape(client, (3, 32, 32)) == activation
    assert num_parameters(client) == in_client
    assert num_parameters(server[:-1]) == in_server


@pytest.mark.parametrize(("side", "activation", "in_head"), [(32, 8, 530_442), (48, 12, 530_442), (64, 16, 1_316_874)])
def test_the_dropout_head_has_the_published_size_for_every_image_side(side, activation, in_head):
    with torch.device("meta"):
        client, server = built(shape=(3, side, side))
        assert activation_shape(client, (3, side, side)) == (8, activation, activation)
        assert server(torch.rand(2, 8, activation, activation)).shape == (2, 10)
    assert num_parameters(server[-1]) == in_head


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("cut", [1, 2, 7, 10])
@pytest.mark.parametrize("bottleneck", ["None", "C5S1K5", "noRELU_C8S1"])
def test_any_cut_gives_logits_from_activations_between_0_and_1(name, cut, bottleneck):
    client, server = built(name, cut=cut, bottleneck=bottleneck, **SMALL)
    z = client.eval()(torch.rand(2, 3, 32, 32))
    assert z.shape[1:] == activation_shape(client, (3, 32, 32))
    assert 0 <= z.min() < z.max() <= 1
    assert server.eval()(z).shape == (2, 10)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("stride", [2, 4])
@pytest.mark.parametrize("side", [32, 64])
def test_a_stride_shrinks_the_activation_and_the_server_undoes_it(name, stride, side):
    shape = (3, side, side)
    whole, _ = built(name, shape=shape, **SMALL)
    client, server = built(name, bottleneck=f"noRELU_C6S{stride}", shape=shape, **SMALL)
    _, height, width = activation_shape(whole, shape)
    assert activation_shape(client, shape) == (6, height // stride, width // stride)
    assert server.eval()(client.eval()(torch.rand(2, *shape))).shape == (2, 10)


def test_width_scales_the_body_but_neither_bottleneck_nor_images():
    with torch.device("meta"):
        client, _ = built(width=0.5)
    sizes = [(layer.in_channels, layer.out_channels) for layer in client.modules() if isinstance(layer, nn.Conv2d)]
    assert sizes == [(3, 32), (32, 64), (64, 8)]


def test_the_linear_head_is_a_single_layer():
    with torch.device("meta"):
        _, server = built(head="linear")
    assert num_parameters(server[-1]) == 512 * 10 + 10


def test_the_default_client_has_the_published_layers_in_order():
    with torch.device("meta"):
        client, _ = built()
    leaves = [type(layer).__name__ for layer in client.modules() if not list(layer.children())]
    stage = ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    assert leaves == ["Normalize", *stage, *stage, "Conv2d", "Sigmoid"]


def test_the_option_string_is_read_whole():
    assert parse("noRELU_C8S1") == Bottleneck(channels=8, relu=False)
    assert parse("C16K5S4") == Bottleneck(channels=16, kernel=5, stride=4)
    assert parse("None") is parse("none") is None


def test_a_relu_follows_both_sides_of_the_bottleneck_unless_it_is_left_out():
    def relus(bottleneck):
        client, server = built(bottleneck=bottleneck, **SMALL)
        return [isinstance(layer, nn.ReLU) for layer in (client[-2], server[1])]

    assert relus("C8S1") == [True, True]
    assert relus("noRELU_C8S1") == [False, False]


def test_images_are_normalised_in_the_client():
    client, _ = built(**SMALL)
    x = torch.rand(2, 3, 4, 4)
    expected = torch.stack([(x[:, i] - STATISTICS["mean"][i]) / STATISTICS["std"][i] for i in range(3)], dim=1)
    torch.testing.assert_close(client[0](x), expected)
    assert num_parameters(client[0]) == 0


def test_the_client_starts_xavier_uniform_with_zero_biases():
    client, _ = built()
    second = [layer for layer in client.modules() if isinstance(layer, nn.Conv2d)][1]
    bound = (6 / (9 * (64 + 128))) ** 0.5
    assert 0.99 * bound < second.weight.abs().max() <= bound
    assert not second.bias.any()


def test_the_sparse_coding_layer_is_its_closed_form():
    layer, z = LCA((8, 2, 2)), torch.randn(3, 8, 2, 2)
    code = z.flatten(1) @ layer.weight.T
    code = code.sign() * (code.abs() - 0.01).clamp(min=0)
    torch.testing.assert_close(layer(z), (code @ layer.weight).view(3, 8, 2, 2))
    torch.testing.assert_close(layer.weight.norm(dim=1), torch.ones(32))


def test_the_sparse_coding_layer_has_the_published_numbers_of_neurons():
    assert num_neurons(8 * 8 * 8) == 512
    assert num_neurons(8 * 12 * 12) == 1024


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("vgg12", {}, "model/name: takes .*, not 'vgg12'"),
        ("vgg11_bn_sgm", {"cut": 0}, "model/cut: vgg11_bn_sgm takes 1 to 13, not 0"),
        ("resnet20", {"cut": 11}, "model/cut: resnet20 takes 1 to 10, not 11"),
        ("vgg11_bn_sgm", {"bottleneck": "C0S1"}, "model/bottleneck: takes 'None'.*, not 'C0S1'"),
        ("vgg11_bn_sgm", {"bottleneck": "C8S3"}, "not 'C8S3'"),
        ("vgg11_bn_sgm", {"bottleneck": "C8K2"}, "not 'C8K2'"),
        ("vgg11_bn_sgm", {"bottleneck": "C8C4"}, "not 'C8C4'"),
        ("vgg11_bn_sgm", {"bottleneck": "S1"}, "not 'S1'"),
        ("vgg11_bn_sgm", {"bottleneck": "C8S16"}, "model/bottleneck: S16 must divide the 8x8 activation at cut 4"),
        ("vgg11_bn_sgm", {"width": 0.0}, "model/width: .* above 0, not 0"),
        ("vgg11_bn_sgm", {"head": "deep"}, "head: takes .*, not 'deep'"),
        ("vgg11_bn_sgm", {"std": (1.0,)}, "3 numbers each"),
        ("vgg11_bn_sgm", {"shape": (3, 28, 28)}, "at least 32x32 pixels, not 28x28"),
        ("vgg11_bn_sgm", {"sca": True, "bottleneck": "None"}, "model/sca: true stands behind a bottleneck, not 'None'"),
        ("resnet20", {"sca": True}, "model/sca: true is for .*, not 'resnet20'"),
    ],
)
def test_a_setting_without_sense_is_refused_by_name(name, settings, message):
    with pytest.raises(ValueError, match=message):
        built(name, **(SMALL | settings))


@pytest.mark.parametrize("sigma", [-0.1, float("nan")])
def test_a_channel_noise_without_sense_is_refused(sigma):
    with pytest.raises(ValueError, match="model/sigma"):
        small_model(sigma=sigma)


def test_asking_for_the_activation_shape_changes_nothing():
    client, _ = built(**SMALL)
    client.train()
    client[1].eval()
    state = {key: value.clone() for key, value in client.state_dict().items()}
    modes = [module.training for module in client.modules()]
    random = torch.get_rng_state()
    activation_shape(client, (3, 32, 32))
    assert [module.training for module in client.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, state[key]) for key, value in client.state_dict().items())


def test_a_release_is_the_defended_activation_with_channel_noise():
    model = small_model(sigma=0.2).eval()
    x = torch.rand(64, 3, 32, 32)
    with torch.no_grad():
        noise = model.release(x) - model.client(x)
    assert noise.mean().abs() < 0.01
    assert noise.std() == pytest.approx(0.2, rel=0.03)


@pytest.mark.parametrize("name", MODELS)
def test_the_layout_stays_channels_last(name):
    halves = built(name, **SMALL)
    client = halves.client.to(memory_format=torch.channels_last)
    convolved = []
    for module in (*client.modules(), *halves.server.to(memory_format=torch.channels_last).modules()):
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _, inputs, out: convolved.append((inputs[0], out)))
    halves.server(client(torch.rand(2, 3, 32, 32).contiguous(memory_format=torch.channels_last)))
    assert convolved
    for tensors in convolved:
        assert all(tensor.is_contiguous(memory_format=torch.channels_last) for tensor in tensors)


@pytest.mark.parametrize("sca", [pytest.param(False, marks=pytest.mark.slow), True])
def test_the_full_network_learns_in_bfloat16_and_channels_last(sca):
    client, server = built(sca=sca)
    model = SplitModel(client, server, Defense(), sigma=0.025).to(memory_format=torch.channels_last).train()
    x = torch.rand(4, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        z = model.release(x)
        logits = model.server(z)
    F.cross_entropy(logits.float(), torch.arange(4)).backward()
    assert z.dtype == torch.float32
    assert logits.dtype == torch.bfloat16
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


class Doubled(Defense):
    """Doubles the activation by a product, which autocast would do in bfloat16."""

    def forward(self, z):
        return (z.flatten(1) @ (2 * torch.eye(z[0].numel()))).view(z.shape)


def test_the_defense_runs_in_float32_under_any_autocast():
    model, z = small_model(Doubled(), sigma=0.0), torch.rand(2, 8, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model.noised(z), 2 * z)


def test_a_target_is_in_eval_mode_and_leaves_running_statistics_alone():
    model, x = small_model(sigma=0.0).train(), torch.rand(4, 3, 32, 32)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    live = target(model)
    live.server(live.release(x))
    torch.testing.assert_close(live.mean(x)[:1], live.mean(x[:1]))
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def test_a_target_releases_with_independent_noise():
    live = target(small_model(Laplace(scale=0.1), sigma=0.2).train())
    x = torch.rand(8, 3, 32, 32)
    releases = live.release(x, m=64)
    assert releases.shape == (64, 8, 8, 8, 8)
    assert not releases.requires_grad
    assert live.release(x).shape == (8, 8, 8, 8)
    deviation = (0.2**2 + live.noise_std(releases) ** 2) ** 0.5
    assert releases.std(0).mean() == pytest.approx(deviation, rel=0.05)
    assert (releases.mean(0) - live.mean(x)).abs().max() < 7 * deviation / 64**0.5
    with pytest.raises(ValueError, match="m is at least 1, not 0"):
        live.release(x, m=0)


def test_a_targets_mean_carries_gradients_to_the_image_and_no_noise():
    live = target(small_model(Laplace(scale=0.1), sigma=0.2))
    x = torch.rand(2, 3, 32, 32, requires_grad=True)
    z = live.mean(x)
    (gradient,) = torch.autograd.grad(z.sum(), x)
    assert gradient.abs().sum() > 0
    assert torch.equal(z, live.mean(x))
    assert torch.equal(z, live.model.client(x))


def test_a_targets_server_gives_the_networks_logits():
    live = target(small_model(sigma=0.0))
    x = torch.rand(4, 3, 32, 32)
    assert torch.equal(live.server(live.release(x)), live.model(x))


def test_a_target_in_bfloat16_returns_float32_near_the_exact_values():
    model, x = small_model(sigma=0.0), torch.rand(4, 3, 32, 32)
    exact, fast = target(model), target(model, torch.bfloat16)
    z = fast.mean(x)
    assert z.dtype == fast.server(z).dtype == fast.release(x).dtype == torch.float32
    assert not torch.equal(z, exact.mean(x))
    torch.testing.assert_close(z, exact.mean(x), atol=0.05, rtol=0)
    with autocast(x.device, torch.bfloat16):
        assert torch.equal(model.client(x).float(), z)


def test_whoever_differentiates_a_bfloat16_target_meets_its_own_releases():
    shown = torch.rand(64, 3, 32, 32)
    device = LiveTarget(small_model(sigma=0.0), (3, 32, 32), 10, torch.bfloat16, shown)
    exact = device.differentiated()
    x = torch.rand(8, 3, 32, 32)
    assert torch.equal(exact.release(x), device.release(x))
    assert not torch.equal(exact.release(x), exact.mean(x))
    assert exact.precision == torch.float32
    assert of_networks(exact) == of_networks(device) == torch.bfloat16
    assert exact.differentiated() is exact
    # the likelihood knows how far off they are: a squared residual of its own variance, one half each
    z = device.release(x)
    half = (exact.surprise(x, z) - exact.surprise(x, exact.mean(x).detach())) / z[0].numel()
    assert float(half.detach().mean()) == pytest.approx(0.5, rel=0.2)


def test_a_target_knows_the_unit_of_its_features():
    shown = torch.rand(16, 3, 32, 32)
    client, server = built(**SMALL)
    model = SplitModel(client, server, Defense(), 0.0)
    own = LiveTarget(model, (3, 32, 32), 10, torch.float32, shown)
    model.client = nn.Sequential(model.client, nn.Flatten(), Thousandth(), nn.Unflatten(1, own.activation_shape))
    other = LiveTarget(model, (3, 32, 32), 10, torch.float32, shown)
    z = own.mean(shown).detach()
    assert own.spread == pytest.approx(1000 * float(z.var(0, correction=0).mean().sqrt()), rel=1e-4)
    assert other.spread == pytest.approx(own.spread / 1000, rel=1e-4)
    assert other.extent == pytest.approx([end / 1000 for end in own.extent], rel=1e-4)


class Thousandth(nn.Module):
    def forward(self, z):
        return z / 1000
