"""Reader for plain folders: ``ROOT/PART/EXPRESSION/image`` with PART train, val, test; or ``ROOT/EXPRESSION/image``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ofer_bench.core.errors import DatasetMissing, ImageUnreadable, SpecError, UnknownName
from ofer_bench.core.expressions import Expression
from ofer_bench.core.types import Card, FaceSet, SplitData, UnreadableSample
from ofer_bench.data.decode import DECODER, decode_image, image_files
from ofer_bench.spec.datasets import DatasetSpec
from ofer_bench.spec.profile import Profile

CARD = Card(
    id="folder",
    kind="dataset",
    version="1",
    title="Folder of class folders",
    load="ofer_bench.data.folder:FolderReader",
    notes="ROOT/{train,val,test}/EXPRESSION/*.jpg; without the part folders everything is test data.",
)
PARTS = ("train", "val", "test")


class FolderReader:
    """Reads aligned faces that lie in one folder per expression.

    ``params.ignore`` names folders that hold other faces, with commas between: ``ignore: contempt, uncertain``.
    """

    def __init__(self, name: str, spec: DatasetSpec, profile: Profile) -> None:
        self.name, self.root, self.size = name, spec.path, profile.image_size
        self._ignored = {part.strip() for part in str(spec.params.get("ignore", "")).split(",")}

    def fingerprint(self, part: str) -> dict[str, Any]:
        """Identify the files of ``part`` by name, size and time of change, without opening them."""
        files = [(str(p.relative_to(self._root())), p.stat()) for p, _ in self._files(part)]
        listing = [[name, stat.st_size, stat.st_mtime_ns] for name, stat in files]
        return {"files": listing, "size": self.size, "decoder": DECODER}

    def count(self, part: str) -> int:
        """Number of image files of ``part``."""
        return len(self._files(part))

    def read(
        self,
        part: str,
        device: str,
        advance: Callable[[float, float, str], None],
        scratch: Path | None = None,
        workers: int = 0,
    ) -> SplitData:
        """Decode the images of ``part``; those that can't be read are listed, not dropped.

        It is quick enough to need neither ``scratch`` nor ``workers``.
        """
        images, labels, ids, unreadable = [], [], [], []
        files = self._files(part)
        for done, (path, label) in enumerate(files, start=1):
            sample = str(path.relative_to(self._root()))
            try:
                images.append(decode_image(path, self.size))
            except ImageUnreadable as error:
                unreadable.append(UnreadableSample(sample_id=sample, label=label, error=str(error)))
            else:
                labels.append(label)
                ids.append(sample)
            advance(done, len(files), "images")
        if not images:
            raise DatasetMissing(self.name, root=self.root, hint="none of its images can be read; replace them")
        faces = FaceSet(image=np.stack(images), label=np.array(labels, dtype=np.int64), sample_id=tuple(ids))
        return SplitData(faces=faces, attributes=[{} for _ in ids], unreadable=unreadable)

    def _root(self) -> Path:
        if self.root is None or not self.root.is_dir():
            raise DatasetMissing(self.name, root=self.root, hint="set its root in datasets.yaml to an existing folder")
        return self.root

    def _files(self, part: str) -> list[tuple[Path, int]]:
        root = self._root()
        has_parts = any((root / name).is_dir() for name in PARTS)
        base = root / part if has_parts else root
        if not base.is_dir() or (not has_parts and part != "test"):
            raise DatasetMissing(
                self.name,
                root=root / part,
                hint=f"make a {part!r} folder, or set `train_on: ParaFace` to train on another data set",
            )
        files = [(path, label) for folder, label in self._class_folders(base) for path in image_files(folder)]
        if not files:
            raise DatasetMissing(self.name, root=base, hint="put images into folders named like the expressions")
        return files

    def _class_folders(self, base: Path) -> list[tuple[Path, int]]:
        """Sub-folders that are named like an expression, with their class index; no other may hold images."""
        found = []
        for folder in sorted(p for p in base.iterdir() if p.is_dir() and p.name not in self._ignored):
            try:
                found.append((folder, Expression.from_name(folder.name).index))
            except UnknownName as unknown:
                if image_files(folder):
                    raise _not_a_class(folder, unknown) from None
        return found


def _not_a_class(folder: Path, unknown: UnknownName) -> SpecError:
    meant = f"{unknown.hint}; else" if unknown.hint else "rename it, or"
    return SpecError(
        folder, "holds images and is not named like an expression", hint=f"{meant} list it under `params: ignore`"
    )
