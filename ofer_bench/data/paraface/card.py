"""ParaFace as a data set plugin; importing it costs nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ofer_bench.core.errors import DatasetMissing, SpecError, UnknownName
from ofer_bench.core.types import Card, SplitData
from ofer_bench.data.paraface.part import DOMAINS, PARAFACE_VERSION, PROP_SETS, Part
from ofer_bench.spec.datasets import DatasetSpec
from ofer_bench.spec.profile import Profile

CARD = Card(
    id="paraface",
    kind="dataset",
    version=PARAFACE_VERSION,
    title="ParaFace",
    load="ofer_bench.data.paraface.card:ParaFaceReader",
    fidelity="rendered",
    notes="Parametric 3-D faces with FACS-coded expressions, rendered on first use.",
)
PARTS = ("train", "val", "test")
_CLASSES = 7
_OPTIONS = ("seed", "props", "domain", "people", "views", "margin")
_WIDEST = 0.5


class ParaFaceReader:
    """Renders the parts of ParaFace at the size of the profile.

    ``params`` of the data set: ``seed``; ``props`` (none, all, unseen) stand before the faces; ``domain`` (plain,
    shifted) of light and camera; ``views`` true for KDEF's five; ``margin`` in [0,0.5], the share of the side by which
    the crop is wider on every side, for networks that expect more than the face; ``people: fed`` for the profile's
    number of faces of a part that shares no subject with the others.
    """

    def __init__(self, name: str, spec: DatasetSpec, profile: Profile) -> None:
        self._profile, self._params = profile, dict(spec.params)
        unknown = set(self._params) - set(_OPTIONS)
        if unknown:
            raise SpecError(name, f"unknown params {sorted(unknown)}; known: {', '.join(_OPTIONS)}")
        for option, kind, like in (("seed", int, "a whole number"), ("views", bool, "true or false, without quotes")):
            if option in self._params and type(self._params[option]) is not kind:
                raise SpecError(name, f"params.{option} is {self._params[option]!r}, not {like}")
        margin = self._params.get("margin", 0.0)
        if isinstance(margin, str | bool) or not 0 <= margin <= _WIDEST:
            raise SpecError(name, f"params.margin is {margin!r}, not a number from 0 to {_WIDEST}")

    def fingerprint(self, part: str) -> dict[str, Any]:
        """Identify ``part`` by everything that decides its pixels."""
        request = self.part(part)
        made_by = {name: _version(name) for name in ("anny", "warp-lang", "scipy", "pillow")}
        return {"part": request.digest, "subjects": request.subjects, "limit": request.limit, "made_by": made_by}

    def count(self, part: str) -> int:
        """Number of images of ``part``."""
        return self.part(part).count

    def read(
        self,
        part: str,
        device: str,
        advance: Callable[[float, float, str], None],
        scratch: Path | None = None,
        workers: int = 0,
    ) -> SplitData:
        """Render ``part``; what an interrupted call has finished is found in ``scratch`` by the next one."""
        from ofer_bench.data.paraface.build import build_paraface

        request = self.part(part)
        faces, attributes = build_paraface(request, device=device, workers=workers, progress=advance, partial=scratch)
        if scratch is not None:
            shutil.rmtree(scratch / request.folder, ignore_errors=True)
        return SplitData(faces=faces, attributes=attributes)

    def part(self, part: str) -> Part:
        """Return what ``part`` (train, val or test) means at the size of the profile.

        Raises :class:`~ofer_bench.core.errors.UnknownName` for another part, prop set, domain or people.
        """
        if part not in PARTS:
            raise UnknownName("part of ParaFace", part, PARTS)
        sizes, params = self._profile.paraface, self._params
        people = str(params.get("people", part))
        if people not in (*PARTS, "fed"):
            raise UnknownName("people of ParaFace", people, (*PARTS, "fed"))
        props, domain = str(params.get("props", "none")), str(params.get("domain", "plain"))
        if props not in PROP_SETS:
            raise UnknownName("props of ParaFace", props, tuple(PROP_SETS))
        if domain not in DOMAINS:
            raise UnknownName("domain of ParaFace", domain, DOMAINS)
        images = sizes.fed_images if people == "fed" else 0
        subjects = -(-images // _CLASSES) if images else getattr(sizes, f"{people}_subjects")
        return Part(
            people=people,
            image_size=self._profile.image_size,
            subjects=subjects,
            repeats=1 if images else sizes.repeats,
            seed=int(params.get("seed", 0)),
            limit=images,
            domain=domain,
            props=props,
            views=bool(params.get("views", False)),
            margin=float(params.get("margin", 0.0)),
        )


def _version(package: str) -> str:
    """Version of a package that faces are rendered with."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        raise DatasetMissing(
            "ParaFace", root=None, hint=f"it is rendered with {package}: pip install {package}"
        ) from None
