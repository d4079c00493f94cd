"""ParaFace as a data set plugin; importing it costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ofer_bench.core.errors import UnknownName
from ofer_bench.core.types import Card, SplitData
from ofer_bench.spec.datasets import DatasetSpec
from ofer_bench.spec.profile import Profile

CARD = Card(
    id="paraface",
    kind="dataset",
    version="1",
    title="ParaFace",
    load="ofer_bench.data.paraface.card:ParaFaceReader",
    fidelity="rendered",
    notes="Parametric 3-D faces with FACS-coded expressions, rendered on first use.",
)
PARTS = ("train", "val", "test")


class ParaFaceReader:
    """Renders the parts of ParaFace at the size of the profile."""

    def __init__(self, name: str, spec: DatasetSpec, profile: Profile) -> None:
        self._profile = profile
        self._seed = int(spec.params.get("seed", 0))

    def fingerprint(self, part: str) -> dict[str, Any]:
        """Identify ``part`` by everything that decides its pixels."""
        from ofer_bench.data.paraface.sampling import PARAFACE_VERSION

        return {"version": PARAFACE_VERSION, "part": part, **self._request(part)}

    def read(self, part: str, device: str, advance: Callable[[float, float, str], None]) -> SplitData:
        """Render ``part`` (subject-disjoint from the others)."""
        from ofer_bench.data.paraface.build import build_paraface

        faces, attributes = build_paraface(part, device=device, progress=advance, **self._request(part))
        return SplitData(faces=faces, attributes=attributes)

    def _request(self, part: str) -> dict[str, int]:
        if part not in PARTS:
            raise UnknownName("part of ParaFace", part, PARTS)
        sizes = self._profile.paraface
        return {
            "image_size": self._profile.image_size,
            "subjects": getattr(sizes, f"{part}_subjects"),
            "repeats": sizes.repeats,
            "seed": self._seed,
        }
