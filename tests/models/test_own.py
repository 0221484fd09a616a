"""A network of one's own: how a study names it, what is made of it, and the contract that it has to keep."""

import itertools

import pytest
import torch
from torch import nn

from defenses.ranges import whole
from harness.driver.conditions import plugins
from harness.errors import UserError
from harness.models import Body, Halves, Network, Pictures, activation_shape, build_model, contract
from harness.plugins import Package
from harness.records import Place
from harness.stages.building import build
from harness.stages.loading import images_of
from harness.study import load_study
from harness.study.check import load_checked
from tests.values import asked

NAME = "tests.models.test_own:Tiny"
HALF = (0.5, 0.5, 0.5)
PICTURES = Pictures(shape=(3, 32, 32), num_classes=10, mean=HALF, std=HALF)


class Tiny(Body):
    """Three convolutions and a pooled classifier."""

    cuts = 3

    def __init__(self, channels: int = 4) -> None:
        self.channels = whole("channels", channels, least=1)

    def layers(self, channels: int) -> list[nn.Module]:
        sizes = [channels, *[self.channels] * self.cuts]
        pairs = itertools.pairwise(sizes)
        return [nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), nn.ReLU()) for a, b in pairs]

    def halves(self, cut: int, pictures: Pictures) -> Halves:
        layers = self.layers(pictures.shape[0])
        classify = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(self.channels, pictures.num_classes))
        return Halves(nn.Sequential(*layers[:cut]), nn.Sequential(*layers[cut:], classify))


class Noisy(nn.Module):
    def forward(self, z):
        return z + 0.1 * torch.randn_like(z)


class Averaging(nn.Module):
    def forward(self, z):
        return z + z.mean(0)


class Counting(nn.Module):
    """State that no buffer holds."""

    def __init__(self) -> None:
        super().__init__()
        self.level = float(torch.rand(()))

    def forward(self, z):
        return z * self.level


class NoCuts(Tiny):
    cuts = "three"


class Flat(Tiny):
    def layers(self, channels):
        return [*super().layers(channels)[:2], nn.Sequential(nn.Flatten(), nn.Linear(64 * self.channels, 4))]


class TenClasses(Tiny):
    def halves(self, cut, pictures):
        return super().halves(cut, Pictures(shape=pictures.shape, num_classes=5, mean=HALF, std=HALF))


class Growing(Tiny):
    def halves(self, cut, pictures):
        client, server = super().halves(cut, pictures)
        return Halves(client.append(nn.Conv2d(self.channels, self.channels, 1)) if cut == 2 else client, server)


class Randomly(Tiny):
    def layers(self, channels):
        return [nn.Sequential(layer, Noisy()) for layer in super().layers(channels)]


class Together(Tiny):
    def layers(self, channels):
        return [nn.Sequential(layer, Averaging()) for layer in super().layers(channels)]


class Forgetful(Tiny):
    def layers(self, channels):
        return [nn.Sequential(layer, Counting()) for layer in super().layers(channels)]


class Deaf(Tiny):
    def layers(self, channels):
        first, *others = super().layers(channels)
        return [first.requires_grad_(False), *others]


class Careless(Tiny):
    def __init__(self, channels=4):
        self.channels = abs(channels)


MUTANTS = {
    "has_cuts": NoCuts,
    "divides_images_into_activation_and_logits": Flat,
    "has_the_classes_of_the_images": TenClasses,
    "is_the_same_network_at_every_cut": Growing,
    "treats_images_apart": Together,
    "repeats_itself": Randomly,
    "is_kept_by_its_state": Forgetful,
    "learns_at_every_cut": Deaf,
    "is_built_without_memory": Forgetful,
    "refuses_bad_settings": Careless,
}


@pytest.mark.parametrize("law", contract.LAWS)
def test_a_law_bites_its_mutant_and_no_sound_network(law):
    contract.LAWS[law](contract.Case(Tiny, {"channels": 4}))
    with pytest.raises((AssertionError, RuntimeError)):
        contract.LAWS[law](contract.Case(MUTANTS[law], {"channels": 4}))


def study_file(folder, model: str):
    path = folder / "own.yaml"
    path.write_text(f"name: own\nmodel: {model}\ndefense: {{none: {{}}}}\nsearch: {{trials: 2}}\n")
    return path


def test_a_study_names_it_by_its_settings_or_by_its_name(tmp_path):
    full = load_checked(study_file(tmp_path, f"{{cut: 2, {NAME}: {{channels: {{low: 4, high: 8}}}}}}"))
    assert full.model.name == NAME
    assert full.model.bottleneck == "None"
    assert full.space().shared[f"model/{NAME}/channels"].plain() == {"low": 4, "high": 8}
    short = [f"{{cut: 2, name: '{NAME}'}}", f"{{cut: 2, {NAME}: }}", f"{{cut: 2, name: '{NAME}', {NAME}: {{}}}}"]
    assert len({load_checked(study_file(tmp_path, model)).digest() for model in short}) == 1
    (tmp_path / "study.yaml").write_text(full.dump())
    assert load_checked(tmp_path / "study.yaml") == full
    assert plugins(full, []) == {Package("tests")}
    other = load_checked(tmp_path / "study.yaml", [f"model/{NAME}/channels=5"])
    assert other.model.own == {"channels": 5}
    assert other.digest() != full.digest()


def test_a_network_of_the_house_has_no_settings_of_its_own():
    assert load_study("quickstart").model.own == {}
    assert not any("own" in path for path in load_study("quickstart").space().shared)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (f"{{{NAME}: {{}}}}", f"model/cut: {NAME} takes 1 to 3, not 4"),
        (f"{{cut: 1, {NAME}: {{chanels: 4}}}}", f"model/{NAME}/chanels: unknown key; .* takes channels"),
        (f"{{cut: 1, {NAME}: {{channels: {{low: 0, high: 4}}}}}}", f"model/{NAME}/channels: channels takes a whole"),
        (f"{{cut: 1, {NAME}: 3}}", f"model/{NAME}: takes a mapping"),
        (f"{{cut: 1, width: 0.5, {NAME}: {{}}}}", "model/width: 0.5: is for .*vgg11_bn_sgm"),
        (f"{{cut: 1, sca: true, {NAME}: {{}}}}", "model/sca: true is for"),
        (f"{{name: resnet20, {NAME}: {{}}}}", f"model/{NAME}: {NAME}, resnet20: a study has one network"),
        ("{a.b:C: {}, d.e:F: {}}", "model/d.e:F: a.b:C, d.e:F: a study has one network"),
        ("{widht: 0.5}", r"model/widht: unknown key; did you mean width\?"),
        ("{no_such_package.nets:Tiny: {}}", "model: network no_such_package.nets:Tiny: No module named"),
        ("{tests.models.test_own:Noisy: {}}", "is not a subclass of harness.models.Body"),
        ("{cut: 3, tests.models.test_own:Flat: {}}", r"model: the client maps an image to \(1, 4\)"),
        ("{cut: 1, tests.models.test_own:Broken: {}}", r"Broken: KeyError: 'pictures' \(test_own.py, line \d+\)"),
    ],
)
def test_what_cannot_be_is_refused_with_path_and_way_out(model, message, tmp_path):
    with pytest.raises(UserError, match=message):
        load_checked(study_file(tmp_path, model))


class Broken(Tiny):
    def halves(self, cut, pictures):
        return {}["pictures"]


def test_its_own_weights_stay_and_a_bottleneck_and_a_sigmoid_may_follow():
    settings = {"name": NAME, "cut": 2, "own": {"channels": 4}}
    torch.manual_seed(3)
    client, server = build_model(Network(bottleneck="None", **settings), PICTURES)
    torch.manual_seed(3)
    plain = Tiny().halves(2, PICTURES)
    assert torch.equal(client[1][0][0].weight, plain.client[0][0].weight)
    x = torch.rand(2, 3, 32, 32)
    assert torch.equal(client.eval()(x), torch.sigmoid(plain.client.eval()((x - 0.5) / 0.5)))
    assert server(client(x)).shape == (2, 10)
    narrow, wide = build_model(Network(bottleneck="noRELU_C2S2", **settings), PICTURES)
    assert activation_shape(narrow, (3, 32, 32)) == (2, 4, 4)
    assert wide(narrow(x)).shape == (2, 10)


def test_a_trial_builds_it_from_what_was_asked():
    trial = asked()
    settings = {path: value for path, value in trial.settings.items() if not path.startswith("model/")}
    own = {"model/name": NAME, "model/cut": 1, "model/bottleneck": "None", "model/sca": False, "model/width": 1.0}
    settings |= own | {"model/sigma": 0.1, f"model/{NAME}/channels": 6}
    trial = trial.model_copy(update={"settings": settings})
    model = build(trial, images_of(settings, Place(), torch.device("cpu")))
    assert activation_shape(model.client, (3, 32, 32)) == (6, 16, 16)
