"""CIFAR-10 and CIFAR-100, from torchvision's own folder or from parquet files in the Hugging Face layout.

References:
    Krizhevsky, Learning Multiple Layers of Features from Tiny Images, technical report, 2009.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import pyarrow
import pyarrow.parquet
import torch
import torchvision
from filelock import FileLock
from torch import Tensor
from torchvision.io import ImageReadMode, decode_image

from harness.data import class_names
from harness.data.decode import decode_all
from harness.data.parts import Labelled, Original
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
        if download or (root / self.folder).is_dir():
            return
        if not root.is_dir():
            raise UserError(f"data/root: there is no folder {root}; {self.name} needs {self._expected()}")
        missing = [split for split in ("train", "test") if not _parquet_files(root, split)]
        if missing:
            raise UserError(f"data/root: {root} has no {missing[0]}*.parquet; {self.name} needs {self._expected()}")

    def read(self, root: Path | None, size: int, download: bool) -> Original:
        """Return the images in the order of their files."""
        self.check(root, download)
        root = self._given(root)
        if _parquet_files(root, "train") and not (root / self.folder).is_dir():
            train, test = self._from_parquet(root, "train"), self._from_parquet(root, "test")
        else:
            train, test = self._from_torchvision(root, True, download), self._from_torchvision(root, False, download)
        return Original(train, test, self.class_names)

    def _given(self, root: Path | None) -> Path:
        if root is None:
            raise UserError(f"data/root: {self.name} needs a folder: {self._expected()}")
        return root

    def _expected(self) -> str:
        columns = " or ".join(self.label_columns)
        return (
            f"torchvision's {self.folder} (data/download: true fetches it), "
            f"or train*.parquet and test*.parquet with columns img and {columns}"
        )

    def _from_torchvision(self, root: Path, train: bool, download: bool) -> Labelled:
        """Read the pickled batches; torchvision checks their MD5 before it unpickles."""
        reader = {"cifar10": torchvision.datasets.CIFAR10, "cifar100": torchvision.datasets.CIFAR100}[self.name]
        try:
            if download:
                root.mkdir(parents=True, exist_ok=True)
                with FileLock(root / f".{self.folder}.lock", timeout=3600):
                    images = reader(root, train=train, download=True)
            else:
                images = reader(root, train=train)
        except (RuntimeError, OSError, URLError) as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"data/root: {root / self.folder}: {reason}; {self.name} needs {self._expected()}"
            ) from error
        x = torch.from_numpy(images.data).permute(0, 3, 1, 2).contiguous()
        return Labelled(x, torch.tensor(images.targets, dtype=torch.int64))

    def _from_parquet(self, root: Path, split: str) -> Labelled:
        files = _parquet_files(root, split)
        if not files:
            self.check(root, False)
        encoded, labels = [], []
        for file in files:
            table = self._table(file)
            encoded += table.column("img").combine_chunks().field("bytes").to_pylist()
            labels.append(self._labels(file, table))

        def decode(index: int) -> Tensor:
            return _decoded(f"{root}: image {index} of {split}*.parquet", encoded[index])

        return Labelled(decode_all(len(encoded), decode, SIZE), torch.cat(labels))

    def _table(self, file: Path) -> pyarrow.Table:
        try:
            table = pyarrow.parquet.read_table(file)
            table.column("img").combine_chunks().field("bytes")
        except (pyarrow.ArrowException, OSError, KeyError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"data/root: {file}: {reason}; {self.name} needs {self._expected()}") from error
        return table

    def _labels(self, file: Path, table: pyarrow.Table) -> Tensor:
        column = next((column for column in self.label_columns if column in table.column_names), None)
        if column is None:
            raise UserError(f"data/root: {file} has columns {table.column_names}; {self.name} needs {self._expected()}")
        labels: list[int | None] = table.column(column).to_pylist()
        wrong = {label for label in labels if label not in range(len(self.class_names))}
        if wrong:
            raise UserError(
                f"data/root: {file}: {column} {wrong.pop()}; {self.name} has labels 0 to {len(self.class_names) - 1}"
            )
        return torch.tensor(labels, dtype=torch.int64)


def _parquet_files(root: Path, split: str) -> list[Path]:
    """Return the split's files, in the root or one folder below it, in the order of their names."""
    found = [*root.glob(f"{split}*.parquet"), *root.glob(f"*/{split}*.parquet")]
    return sorted(found, key=lambda file: file.as_posix())


def _decoded(name: str, encoded: bytes | None) -> Tensor:
    try:
        # deprecated in torchvision 0.29 and bounded by our pin: the same pixels as Pillow's, three times as fast
        image: Tensor = decode_image(torch.frombuffer(bytearray(encoded or b""), dtype=torch.uint8), ImageReadMode.RGB)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"data/root: {name} is not a whole JPEG or PNG image; fetch the file again") from error
    height, width = image.shape[-2:]
    if (height, width) != (SIZE, SIZE):
        raise UserError(f"data/root: {name} has {width}x{height} pixels, not {SIZE}x{SIZE}; is this CIFAR?")
    return image


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
