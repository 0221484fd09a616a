"""Where a trial's jobs find their images, and how long they may take: no part of what the trial is."""

from pydantic import FiniteFloat

from harness.records.value import Value


class Software(Value):
    """The code that runs in a process."""

    packages: dict[str, str]
    """Versions by name."""
    commit: str | None
    """Of a source checkout, with ``+`` if it was changed since; null for an installed package."""


class Place(Value):
    """Where a job runs, given when it is handed out; as it stands, bundled images on this machine."""

    data_root: str | None = None
    """Folder of the study's images; null for those that are bundled."""
    attacker_root: str | None = None
    """Folder of the images that an attacker of another distribution holds."""
    download: bool = False
    """Whether images that are not there may be fetched."""
    store: str | None = None
    """Address of the study; null where it lies in a folder that all machines see."""
    timeout_seconds: FiniteFloat | None = None
    """Longest time of a trial, or of an attack on a finished one; null for no limit."""
    checkpoint_seconds: FiniteFloat = 60.0
    """Time between a training's checkpoints."""
    driver: Software | None = None
    """The driver's; null where it is this process's own."""
