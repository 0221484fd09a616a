"""A defense and attacks that show where and how often they run: plug-ins, as a user's own would be."""

import os
import signal
import time
import uuid
from pathlib import Path
from typing import Any, ClassVar

import ray
import torch
from torch import Tensor, nn

from attacks.base import Attack, Fit, Images, Knowledge, Point, Target
from defenses.base import Defense, Epoch
from harness.errors import UserError
from harness.stages.device import DeviceError
from tests.adversaries import TRAININGS, Remembering


class Noting(Defense):
    """No defense, but its training notes the devices it was given, and may stall."""

    def __init__(self, folder: str = "", stall: float = 0.0) -> None:
        super().__init__()
        self.folder, self.stall = folder, stall

    def end_epoch(self, epoch: Epoch) -> None:
        note(self.folder, "train")
        time.sleep(self.stall)


class Held(Defense):
    """No defense, whose training does not end for as long as a file is there."""

    def __init__(self, folder: str = "") -> None:
        super().__init__()
        self.folder = folder

    def end_epoch(self, epoch: Epoch) -> None:
        while (Path(self.folder) / "held").exists():
            time.sleep(0.05)


class Rolled(Defense):
    """Rolls and mirrors what is released at random: every reconstruction is in the wrong place, and hides nothing."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.stack([self._moved(each) for each in z])

    def _moved(self, z: Tensor) -> Tensor:
        down, right = (int(torch.randint(-side // 8, side // 8 + 1, ())) for side in z.shape[1:])
        mirrored = z.flip(2) if torch.rand(()) < 0.5 else z
        return mirrored.roll((down, right), (1, 2))


class Standardised(Defense):
    """Takes an image's own mean off what is released and divides by its deviation: brightness and contrast are gone."""

    def forward(self, z: Tensor) -> Tensor:
        deviation, mean = torch.std_mean(z, dim=(1, 2, 3), keepdim=True)
        return (z - mean) / deviation.clamp(min=1e-6)


class Torn(Defense):
    """No defense, whose training says that an image is torn for as long as a file is there, or that memory is short."""

    def __init__(self, folder: str = "") -> None:
        super().__init__()
        self.folder = folder

    def end_epoch(self, epoch: Epoch) -> None:
        note(self.folder, "train")
        if (Path(self.folder) / "torn").exists():
            raise UserError("data/root: a/3.png cannot be read as an image: truncated; mend or remove it")
        if (Path(self.folder) / "short").exists():
            raise MemoryError("no room")


class Flawed(Defense):
    """No defense, whose training notes itself and fails for as long as a file is there."""

    def __init__(self, folder: str = "") -> None:
        super().__init__()
        self.folder = folder

    def end_epoch(self, epoch: Epoch) -> None:
        note(self.folder, "train")
        if (Path(self.folder) / "flawed").exists():
            raise ValueError("the plug-in has a flaw")


class Broken(Defense):
    """No defense, whose training notes its node and fails on the one that a file names, as where a GPU is broken; its
    process dies there if another file says so.
    """

    def __init__(self, folder: str = "") -> None:
        super().__init__()
        self.folder = folder

    def end_epoch(self, epoch: Epoch) -> None:
        node = ray.get_runtime_context().get_node_id()
        (Path(self.folder) / f"train-{uuid.uuid4()}").write_text(node)
        if (Path(self.folder) / "bad").read_text() == node:
            if (Path(self.folder) / "deadly").exists():
                os.kill(os.getpid(), signal.SIGKILL)
            raise DeviceError("a GPU is reserved and torch cannot use it")


def note(folder: str, what: str) -> None:
    if not folder:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / f"{what}-{uuid.uuid4()}").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", ""))


def noted(folder: str, what: str) -> list[str]:
    """The devices that were noted, one entry per note."""
    return [path.read_text() for path in Path(folder).glob(f"{what}-*")]


class Grey(Attack):
    """Says that every image is grey."""

    reference: ClassVar[str] = "none"
    knowledge: ClassVar[Knowledge] = "none"
    budgets: ClassVar[dict[str, dict[str, Any]]] = {"quick": {}}

    def fit(self, target: Target, aux: Images, val: Images) -> Fit:
        self._shape = target.image_shape
        self.act(str(getattr(target.defense, "folder", "")))
        return Fit(curve=(), verdict="converged")

    def act(self, folder: str) -> None:
        note(folder, "attack")

    def reconstruct(self, z: Tensor) -> Tensor:
        return z.new_full((len(z), *self._shape), 0.5)


class Shattered(Grey):
    """Notes its node and fails on the one that a file names, as where a GPU is broken."""

    budgets: ClassVar[dict[str, dict[str, Any]]] = {"quick": {}, "standard": {}}

    def act(self, folder: str) -> None:
        node = ray.get_runtime_context().get_node_id()
        (Path(folder) / f"attack-{uuid.uuid4()}").write_text(node)
        if (Path(folder) / "bad").read_text() == node:
            raise DeviceError("a GPU is reserved and torch cannot use it")


class Together(Grey):
    """Waits until four of its kind run on the same trial."""

    def act(self, folder: str) -> None:
        note(folder, "attack")
        deadline = time.monotonic() + 120
        while len(noted(folder, "attack")) < 4 and time.monotonic() < deadline:
            time.sleep(0.05)


class Fragile(Grey):
    """Its process dies the first time."""

    def act(self, folder: str) -> None:
        note(folder, "attack")
        if len(noted(folder, "attack")) == 1:
            os.kill(os.getpid(), signal.SIGKILL)


class Shy(Grey):
    """Fails for as long as a file is there."""

    def act(self, folder: str) -> None:
        note(folder, "attack")
        if (Path(folder) / "shy").exists():
            raise ValueError("not yet")


class Doomed(Grey):
    """Its process says so, and dies, every time."""

    def act(self, folder: str) -> None:
        note(folder, "attack")
        print("doomed", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


class Endless(Grey):
    """Does not come to an end."""

    def act(self, folder: str) -> None:
        time.sleep(600)


class Chipped(Remembering):
    """Its prior's trainings note their nodes, and fail on the first of them, as where a GPU is broken."""

    def train_prior(self, prior: nn.Module, aux: Images, precision: torch.dtype = torch.float32) -> tuple[Point, ...]:
        node, noted = ray.get_runtime_context().get_node_id(), Path(os.environ[TRAININGS])
        with noted.open("a") as trainings:
            trainings.write(f"{node}\n")
        if noted.read_text().splitlines()[0] == node:
            raise DeviceError("a GPU is reserved and torch cannot use it")
        return super().train_prior(prior, aux, precision)
