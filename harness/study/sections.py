"""The sections of a study file."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

from harness import plugins
from harness.records import Scalar, Value
from harness.study import attacker_levels, fields
from harness.study.distributions import Setting
from harness.study.limits import Limits
from harness.study.share import Share

RECIPE_DEFAULTS: dict[str, dict[str, Scalar]] = {
    "published": {"epochs": 240, "batch_size": 128, "ramp": None, "label_smoothing": 0.0},
    "fast": {"epochs": 10, "batch_size": 128, "ramp": 0.125, "label_smoothing": 0.0},
}
"""What ``train`` takes where the file is silent."""


MOST = 100_000
"""Trials at a time: more than any cluster holds, which is what ``auto`` stands for."""


def _most(value: object) -> object:
    return MOST if value == "auto" else value


class DataSection(Value):
    """Whose images."""

    name: str = "digits"
    root: str | None = None
    """The data set's folder, absolute; null for ``digits``."""
    download: bool = False
    size: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Height and width in pixels, for class folders; null for the data set's own."""


class Model(Value):
    """The split network. Each field but the name is a constant or a distribution.

    A network of one's own, ``package.module:Class``, has its settings under its name, and no bottleneck unless asked.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, fields.Free]] = Field(init=False)

    name: str = "vgg11_bn_sgm"
    cut: fields.Whole = 4
    """Number of layers on the device."""
    bottleneck: fields.Text = "noRELU_C8S1"
    sca: fields.Flag = False
    width: fields.Multiplier = 1.0
    """Multiplier of the body's channels, > 0 and <= 16."""
    sigma: fields.NonNegative = 0.025
    """Standard deviation of the channel noise, >= 0, in units of the activation."""

    @model_validator(mode="before")
    @classmethod
    def _of_ones_own(cls, given: Any) -> Any:
        """Take a network of one's own by the name under which its settings stand, or by its name alone."""
        if not isinstance(given, dict):
            return given
        name = next((key for key in given if key not in cls.model_fields), given.get("name"))
        if not isinstance(name, str) or not plugins.is_plugin(name, plugins.MODELS):
            return given
        return {"name": name, "bottleneck": "None", name: {}} | given

    @property
    def own(self) -> dict[str, Setting]:
        """The settings of a network of one's own; of another one there are none."""
        return (self.__pydantic_extra__ or {}).get(self.name, {})


class Train(Value):
    """How every trial is trained. Each field but the recipe is a constant or a distribution."""

    recipe: Literal["published", "fast"] = "fast"
    epochs: fields.Whole
    batch_size: fields.Several
    images: fields.OptionalWhole = None
    """The first so many images of the training part; null for all."""
    ramp: fields.OptionalShare
    """Share of the training over which every penalty's weight rises, linearly, from 0 at the first step to its full;
    null for each defense's own published start and schedule."""
    label_smoothing: fields.ShareBelowOne
    """Share of each label that is spread over all classes, in [0, 1)."""
    target_accuracy: fields.Target = None
    """Accuracy on a control part of the training images that each defense's strength is steered to, in (0, 1); null
    leaves strengths as they are set."""

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, given: Any) -> Any:
        """Fill in what the recipe brings."""
        if not isinstance(given, dict):
            return given
        recipe = given.get("recipe", "fast")
        return (RECIPE_DEFAULTS.get(recipe, RECIPE_DEFAULTS["fast"]) if isinstance(recipe, str) else {}) | given


class Attacker(Value):
    """What the attacker fits on; attacker-validation, on which nothing is fitted, stays as it is."""

    data: Literal["same", "few", "shifted", "noise", "members"] = "same"
    """``same``: other images of the same data set; ``few``: the first ``images`` of them; ``shifted``: those of another
    data set; ``noise``: no pictures at all; ``members``: those that the network was trained on."""
    images: Annotated[attacker_levels.Images, PlainValidator(attacker_levels.read)] = None
    """How many; null for as many as the attacker's part has, of ``members`` for all of them. Levels, as a list: the
    largest number, or ``all``, is what the study's own attacker holds, the others and ``members`` are run beside it."""
    levels: Literal["front", "all"] = "front"
    """Which trials the attacks are run on at the other levels, once the front is known; no part of what a study is."""
    name: str | None = None
    """The other data set."""
    root: str | None = None
    """Its folder, absolute."""

    @model_validator(mode="after")
    def _consistent(self) -> "Attacker":
        if self.data == "few" and self.own is None:
            raise ValueError("images is missing: data few needs a number of them; add images: 100")
        if self.data == "same" and isinstance(self.images, int):
            raise ValueError(
                f"images {self.images}: data same is the whole attacker's part; take data: few, or levels such as "
                f"images: [{self.images}, all]"
            )
        if self.data == "members" and "members" in self.lower:
            raise ValueError("images members: data members holds them already; leave it out of the levels")
        if self.data == "shifted" and self.name is None:
            raise ValueError("name is missing: data shifted needs another data set; add name: cifar100, and its root")
        for key in ("name", "root") if self.data != "shifted" else ():
            if getattr(self, key) is not None:
                raise ValueError(f"{key} {getattr(self, key)}: data {self.data} has no other data set; leave it out")
        return self

    @property
    def own(self) -> int | None:
        """How many images the study's own attacker holds; null for all that there are."""
        return attacker_levels.own(self.images)

    @property
    def lower(self) -> tuple[attacker_levels.Level, ...]:
        """What else its attacks are run at: numbers of images, and ``members``."""
        return attacker_levels.lower(self.images)

    @property
    def most(self) -> int | None:
        """The largest number of images at any level; null if none is named."""
        return max((level for level in (self.own, *self.lower) if isinstance(level, int)), default=None)


class Effort(Value):
    """How hard one attack tries."""

    budget: str
    seeds: Annotated[int, Field(ge=1, le=1000)] = 1
    """Independent repetitions."""
    tune: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Settings that it is tuned over on attacker-validation, its budget's own first; 0: none but those."""


class Keep(Value):
    """What is kept of trials beside client and defense; no part of what a study is."""

    servers: Literal["front", "all"] = "front"
    """Whose servers are kept for later attacks that ask them: those of the front and of anchors, or of all trials."""


class Floor(Value):
    """What a trial must reach to be allowed on the front."""

    accuracy: Annotated[float, Field(ge=0, le=1)] | None = None


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class Origin(Value):
    """What a study started with of another one."""

    take: Literal["anchors", "results"]
    study: str
    """The other study's name."""
    digest: str
    """Its identity at that time."""
    ledger: str | None
    """UUID of its directory."""
    taken: int
    """How many settings or results were taken."""
    sha256: str | None = None
    """Digest of ``borrowed.json``, which holds the results; null of anchors, which stand among the study's own."""
    attacks: Annotated[tuple[str, ...], BeforeValidator(_tuple)] = ()
    """What the results are over: the study's attacks when it took them."""


class SearchSection(Value):
    """How settings are chosen."""

    trials: Annotated[int, Field(ge=1, le=1_000_000)] = 24
    sampler: Literal["tpe", "nsga2", "nsga3", "gp", "qmc", "random", "grid"] = "tpe"
    allocate: Literal["equal", "joint"] = "equal"
    """``equal`` gives every branch of ``defense`` as many trials; ``joint`` leaves it to the sampler."""
    seed: Annotated[int, Field(ge=0)] = 0
    floor: Floor = Floor()
    anchors: Annotated[tuple[dict[str, fields.Constant], ...], BeforeValidator(_tuple)] = ()
    """Settings by their paths that are tried first."""
    origin: Origin | None = None
    """What ``from`` took of another study; only a directory's own ``study.yaml`` has one."""
    limits: Limits = Limits()
    """What ends the study before its trials are spent; no part of what it is."""


class Resources(Value):
    """What trials may take; no part of what a study is. Threads are those of the time when a trial was asked."""

    concurrent: Annotated[int, Field(ge=1, le=MOST), BeforeValidator(_most)] = 1
    """Most trials at a time; ``auto`` for as many as the nodes hold."""
    train: Share = Share()
    attack: Share = Share()
    timeout: fields.Seconds | None = None
    """Longest time of a trial with its attacks, seconds, counted anew if its process is lost; null for no limit."""
    checkpoint: fields.Seconds = 60.0
    """Time between checkpoints, seconds."""
    patience: fields.Seconds = 600.0
    """How long a storage that fails is tried again before the study ends, to be resumed; seconds."""

    def bundle(self) -> dict[str, float]:
        """Return what a trial reserves, by Ray's names: what its training takes, and as much as its largest attack."""
        train, attack = self.train.request(), self.attack.request()
        return {kind: max(train.get(kind, 0.0), attack.get(kind, 0.0)) for kind in train | attack}

    def idling(self) -> str | None:
        """Return that a GPU is reserved for a trial's whole time though one kind of its jobs uses none; null if not."""
        uses = {"train": "GPU" in self.train.request(), "attack": "GPU" in self.attack.request()}
        if uses["train"] == uses["attack"]:
            return None
        without, other, user, while_ = (
            ("train", "attack", "attacks", "its network trains")
            if uses["attack"]
            else ("attack", "train", "training", "it is attacked")
        )
        return (
            f"resources/{without}/gpu: 0; a trial holds the GPU of its {user} from its first job to its last, which "
            f"idles while {while_}; set resources/{without}/gpu too, or resources/{other}/gpu=0"
        )
