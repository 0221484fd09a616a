"""CIFAR-10 and CIFAR-100, from torchvision's own folder or from parquet files in the layouts of Hugging Face.

References:
    Krizhevsky, Learning Multiple Layers of Features from Tiny Images, technical report, 2009.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from filelock import FileLock

from harness.data import class_names, parquet
from harness.data.listing import Found, Listing, Undecoded
from harness.data.pixels import exact
from harness.data.tree import tree
from harness.errors import UserError

SIZE = 32


@dataclass(frozen=True, kw_only=True)
class Cifar:
    """One of the two data sets."""

    name: str
    folder: str
    """The folder that torchvision keeps it in, below the root."""
    label_columns: tuple[str, ...]
    """Columns of the parquet files that may hold the labels; the first that is there does."""
    class_names: tuple[str, ...]

    def check(self, root: Path | None, download: bool) -> None:
        """Refuse a root that holds neither layout, unless the images may be downloaded into it."""
        root = self._given(root)
        if not (download or (root / self.folder).is_dir()):
            self._tables(root)

    def find(self, root: Path | None, download: bool) -> Found:
        """Return what is there; fetched first if it may be."""
        root = self._given(root)
        if not (root / self.folder).is_dir() and (not download or any(root.rglob("*.parquet"))):
            return self._tables(root)
        if not (root / self.folder).is_dir():
            self._fetch(root)
        files = tuple(sorted(path for path in (root / self.folder).iterdir() if path.is_file()))
        return Found(
            root=root,
            files=files,
            left_out=Counter(),
            open=lambda size: self._pickled(root, download),
            layout=f"torchvision's {self.folder}",
        )

    def _tables(self, root: Path) -> Found:
        if not root.is_dir():
            raise UserError(f"data/root: there is no folder {root}; {self.name} needs {self._expected()}")
        wanted = parquet.Wanted(self.name, self.label_columns, self.class_names, exact, self._expected())
        return parquet.find(tree(root), wanted)

    def _given(self, root: Path | None) -> Path:
        if root is None:
            raise UserError(f"data/root: {self.name} needs a folder: {self._expected()}")
        return root

    def _expected(self) -> str:
        columns = " or ".join(self.label_columns)
        return (
            f"torchvision's {self.folder} (data/download: true fetches it), "
            f"or train*.parquet and test*.parquet with columns img or image and {columns}"
        )

    def _fetch(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{self.folder}.lock", timeout=3600):
            self._torchvision(root, train=True, download=True)

    def _pickled(self, root: Path, download: bool) -> Listing:
        """List the pickled batches; torchvision checks their MD5 first, and may fetch torn ones again."""
        if download:
            self._fetch(root)
        train, test = (self._undecoded(root, train) for train in (True, False))
        return Listing(train, test, self.class_names)

    def _undecoded(self, root: Path, train: bool) -> Undecoded:
        images = self._torchvision(root, train=train, download=False)
        x = torch.from_numpy(images.data).permute(0, 3, 1, 2)
        y = torch.tensor(images.targets, dtype=torch.int64)
        return Undecoded(y, lambda index: x[index], lambda index: f"{root / self.folder}, image {index}")

    def _torchvision(self, root: Path, *, train: bool, download: bool) -> Any:
        import torchvision  # here: it takes as long as torch, and nobody else needs it

        reader = {"cifar10": torchvision.datasets.CIFAR10, "cifar100": torchvision.datasets.CIFAR100}[self.name]
        try:
            return reader(root, train=train, download=download)
        except (RuntimeError, OSError, URLError) as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"data/root: {root / self.folder}: {reason}; {self.name} needs {self._expected()}"
            ) from error


CIFAR10 = Cifar(
    name="cifar10",
    folder="cifar-10-batches-py",
    label_columns=("label",),
    class_names=tuple(class_names.CIFAR10.split()),
)

CIFAR100 = Cifar(
    name="cifar100",
    folder="cifar-100-python",
    label_columns=("fine_label", "label"),
    class_names=tuple(class_names.CIFAR100.split()),
)
