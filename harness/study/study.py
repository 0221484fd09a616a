"""A study: everything its file says, checked and resolved."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

import search_spaces
from harness.credentials import without_credentials
from harness.records import CURRENT, Value, former
from harness.study import fields, identity
from harness.study.distributions import Setting
from harness.study.sections import Attacker, DataSection, Effort, Keep, Model, Resources, SearchSection, Train
from harness.study.space import Space, branches

Branch = dict[str, fields.Free]
"""A defense's settings by name."""


def _choice(value: Any) -> Any:
    if not isinstance(value, str | dict | Effort):
        raise ValueError(f"takes a budget such as quick, or {{budget, seeds, tune}}, not {value!r}")
    return {"budget": value} if isinstance(value, str) else value


class Study(Value):
    """A resolved study: defaults filled in, ``default`` branches expanded."""

    name: fields.Name
    data: DataSection = DataSection()
    model: Model = Model()
    train: Train = Field(default_factory=lambda: Train.model_validate({}))
    protocol: Literal["strict", "cem"] = "strict"
    attacker: Attacker = Attacker()
    defense: Annotated[dict[str, Branch], Field(min_length=1)]
    term: Annotated[dict[str, Branch], Field(min_length=1)] | None = None
    attacks: Annotated[dict[str, Annotated[Effort, BeforeValidator(_choice)]], Field(min_length=1)]
    search: SearchSection = SearchSection()
    resources: Resources = Resources()
    keep: Keep = Keep()
    storage: str | None = Field(default=None, repr=False)
    """Optuna's storage URL; null for ``study.db``."""
    tracking: str | None = Field(default=None, repr=False)
    """MLflow's tracking URI."""
    version: Annotated[str, BeforeValidator(str)] = CURRENT
    """Of the package that made the study: a directory's own ``study.yaml`` has one, and without it is of 0.1."""
    extends: str | None = None
    """Digest of the study that this one was before it was widened; only a directory's own ``study.yaml`` has one."""
    ledger: fields.Uuid | None = None
    """UUID of the study's directory; only a directory's own ``study.yaml`` has one."""

    def space(self) -> Space:
        """Return every setting by its path: with a drawn branch and its name, a trial's ``settings``.

        Without those that mean what their absence meant before: trials of an old study are asked as they always were.
        """
        shared: dict[str, Setting] = {
            "data/name": self.data.name,
            "data/size": self.data.size,
            "protocol": self.protocol,
        }
        for section in ("model", "train"):
            owner = getattr(self, section)
            shared |= {f"{section}/{name}": getattr(owner, name) for name in type(owner).model_fields}
        before = former(self.train.recipe)
        shared = {path: value for path, value in shared.items() if path not in before or value != before[path]}
        shared |= {f"model/{self.model.name}/{name}": entry for name, entry in self.model.own.items()}
        held = self.attacker
        if held.data != "same" or held.own is not None:
            shared |= {"attacker/data": held.data, "attacker/images": held.own, "attacker/name": held.name}
        term = None if self.term is None else branches("term", self.term)
        return Space(shared=shared, defense=branches("defense", self.defense), term=term)

    def efforts(self) -> tuple[str, ...]:
        """Return the attacks with their repetitions, such as ``decoder-quick-0``."""
        given = self.attacks.items()
        return tuple(f"{name}-{effort.budget}-{seed}" for name, effort in given for seed in range(effort.seeds))

    def named(self) -> dict[str, str]:
        """Return the study's name and digest."""
        return {"name": self.name, "digest": self.digest()}

    @property
    def row_name(self) -> str:
        """Name of its rows in Optuna's storage: two directories of one study never meet on a shared server."""
        return f"{self.name}-{self.ledger}"

    def digest(self) -> str:
        """Return the study's identity: SHA-256 of all it says but trials, resources, places and ``ledger``.

        Keys that came later and mean what their absence meant are left out: a newer package leaves an old study what
        it was.
        """
        return identity.digest(self)

    def dump(self) -> str:
        """Return ``study.yaml``: loads as a study of the same digest; no user or password of a URL is in it."""
        given = {"storage": self.storage, "tracking": self.tracking}
        urls = {name: url and without_credentials(url) for name, url in given.items()}
        return search_spaces.dump(identity.silent(identity.plain(self)) | urls)
