"""What one job takes of a node."""

import math
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from harness.records import Value
from harness.study import fields

SOME = 0.001
"""Of a kind of accelerator: a node that has one has 1 of it, however many jobs share it."""

KIND = "accelerator_type:"
"""How Ray's names of kinds of accelerators begin."""

GRAIN = 10_000
"""The finest share of a GPU that Ray counts is one of so many."""

OWN = ("CPU", "GPU", "memory", "object_store_memory")
"""Names that Ray has for what a job does not ask for under ``custom``."""


class Share(Value):
    """What one job takes of a node."""

    cpu: Annotated[float, Field(ge=0, le=100_000)] = 1.0
    gpu: Annotated[float, Field(ge=0)] = 0.0
    """A GPU, or a share of one; files of 0.1 may say more, which no job could use."""
    gpu_memory: fields.Bytes | None = None
    """Bytes of a GPU, in place of ``gpu``: as large a share as that is of the cluster's smallest."""
    memory: fields.Bytes | None = None
    """Bytes; null asks for none, and takes what there is."""
    accelerator: Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,60}$")] | None = None
    """Kind of GPU, as Ray calls it, such as ``H100``; null for any."""
    custom: dict[str, Annotated[float, Field(gt=0, le=1e9)]] = Field(default_factory=dict)
    """Further resources that a cluster's nodes were given, by name."""

    @model_validator(mode="after")
    def _placeable(self) -> "Share":
        if self.gpu_memory is not None and self.gpu:
            raise ValueError(f"gpu {self.gpu:g} and gpu_memory {self.gpu_memory}: say one of the two")
        if self.cpu + self.gpu == 0 and self.gpu_memory is None:
            raise ValueError("cpu 0 and gpu 0: a job needs some of either; take cpu: 1")
        if self.accelerator is not None and not self.gpu and self.gpu_memory is None:
            raise ValueError(f"accelerator {self.accelerator} and gpu 0: a job without a GPU needs no kind of it")
        if taken := [name for name in self.custom if name in OWN or ":" in name]:
            raise ValueError(f"custom/{taken[0]}: is Ray's own; say cpu, gpu, memory or accelerator")
        return self

    def request(self) -> dict[str, float]:
        """Return what it takes, by the names that Ray has for it; a whole GPU until it is known how large they are."""
        found = {"CPU": float(self.cpu)}
        if self.gpu or self.gpu_memory is not None:
            found["GPU"] = float(self.gpu or 1.0)
        if self.memory is not None:
            found["memory"] = float(self.memory)
        if self.accelerator is not None:
            found[KIND + self.accelerator] = SOME
        return found | self.custom

    def sized(self, smallest: int) -> "Share":
        """Return it by its share of a GPU, where it was said by memory.

        Args:
            smallest: Bytes of the smallest GPU that it may get, which must hold it.
        """
        if self.gpu_memory is None:
            return self
        gpu = min(1.0, math.ceil(GRAIN * self.gpu_memory / smallest) / GRAIN)
        return self.model_copy(update={"gpu": gpu, "gpu_memory": None})
