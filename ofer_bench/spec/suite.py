"""Suites: which faces are occluded how, and which systems meet them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _unique(values: list[Any]) -> list[Any]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value!r} is named twice")
    return values


Names = Annotated[list[str], AfterValidator(_unique)]
"""Every name gives rows of its own, so none may come twice."""


class OcclusionSpec(_Strict):
    """One family of occluded cells: made by an ``occluder``, or the faces of another data set as they are (``data``).

    ``ratios`` are exact shares or [lo, hi] ranges of occluded pixels, for an occluder only. ``split`` names the split
    that it makes. ``{data}`` stands for the data set of the run: ``Syn-{data}``, ``Occlusion-{data}``. ``explain`` is
    the class whose relevance a CAM-guided occluder goes by: the true one, or the one that the classifier predicts.
    """

    occluder: str = ""
    data: str = ""
    ratios: Annotated[list[tuple[float, float]], AfterValidator(_unique)] = Field(default_factory=list)
    split: str = "{data}"
    params: dict[str, Any] = Field(default_factory=dict)
    explain: Literal["label", "prediction"] = "label"

    @property
    def recorded(self) -> str:
        """Name of the occluder in records, with the options that it is given: ``random-patch[fill=black]``.

        Of files and folders only the last part of the path.
        """
        given = {**self.params, **({} if self.explain == "label" else {"explain": self.explain})}
        options = ",".join(f"{name}={_short(value)}" for name, value in sorted(given.items()))
        return f"{self.occluder}[{options}]" if options else self.occluder

    @model_validator(mode="before")
    @classmethod
    def _exact_ratios(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("ratios"), list):
            ratios = [[r, r] if isinstance(r, int | float) else r for r in value["ratios"]]
            return {**value, "ratios": ratios}
        return value

    @model_validator(mode="after")
    def _one_source(self) -> OcclusionSpec:
        if bool(self.occluder) == bool(self.data):
            raise ValueError("a family has either an occluder or data")
        if bool(self.occluder) != bool(self.ratios):
            raise ValueError("ratios belong to an occluder, and an occluder needs at least one")
        return self

    @model_validator(mode="after")
    def _in_range(self) -> OcclusionSpec:
        for low, high in self.ratios:
            if not 0 < low <= high <= 1:
                raise ValueError(f"ratio [{low}, {high}] must satisfy 0 < lo <= hi <= 1")
        return self

    def cells(self, data: str) -> list[tuple[str, float, float]]:
        """Split and ratio range of every cell when run on ``data``; faces as they are have the range 0 to 0."""
        if self.data:
            return [(self.data.replace("{data}", data), 0.0, 0.0)]
        return [(self.split.replace("{data}", data), low, high) for low, high in self.ratios]


def _short(value: Any) -> str:
    return PurePath(value).name if isinstance(value, str) else str(value)


class VariantSpec(_Strict):
    """The registered component ``of`` with other settings, under a name of its own.

    ``model`` and ``extra`` (of the recipe) are laid over those of the profile, nested mappings key by key; null takes
    a key of the profile away.
    ``upstream`` maps a component that it stands on to a variant of that one. ``false_alarms`` in (0,1), for a
    detector as it is: its threshold becomes the score that this share of unoccluded validation patches exceeds.
    """

    of: str
    model: dict[str, Any] = Field(default_factory=dict)
    extra: dict[str, Any] = Field(default_factory=dict)
    upstream: dict[str, str] = Field(default_factory=dict)
    false_alarms: float | None = Field(default=None, gt=0, lt=1)

    @property
    def trained_apart(self) -> bool:
        """Whether it has a training of its own."""
        return bool(self.model or self.extra or self.upstream)

    @model_validator(mode="after")
    def _either_retrained_or_rethresholded(self) -> VariantSpec:
        if self.false_alarms is not None and self.trained_apart:
            raise ValueError("false_alarms belong to a detector as it is, without model, extra and upstream")
        return self


ORACLE = "oracle"
"""What stands for the detector, in records too, where the true mask is given."""


class SystemSpec(_Strict):
    """A composition detector x reconstructor x classifier; without a reconstructor faces are classified as they are.

    With ``mask: oracle`` the reconstructor gets the true mask in place of a detector's, as in
    :class:`ReconstructionTask`: the patches covered from ``tau`` on, of which the truly occluded pixels are replaced.
    """

    classifier: str
    detector: str | None = None
    reconstructor: str | None = None
    mask: Literal["detected", "oracle"] = "detected"
    tau: float = Field(default=0.0, ge=0, le=1)

    @property
    def parts(self) -> dict[str, str]:
        """Names of the components by kind, in the order in which they work."""
        named = {"detector": self.detector, "reconstructor": self.reconstructor, "classifier": self.classifier}
        return {kind: name for kind, name in named.items() if name is not None}

    @property
    def recorded(self) -> dict[str, str]:
        """Identity of the system's rows in records."""
        return self.parts | ({"detector": ORACLE} if self.mask == ORACLE else {})

    @model_validator(mode="after")
    def _complete(self) -> SystemSpec:
        if self.mask == ORACLE:
            if self.detector is not None or self.reconstructor is None:
                raise ValueError("mask: oracle needs a reconstructor and leaves nothing to a detector")
        elif (self.detector is None) != (self.reconstructor is None):
            raise ValueError("detector and reconstructor go together, unless the mask is given (mask: oracle)")
        elif self.tau:
            raise ValueError("tau belongs to mask: oracle")
        return self


class DetectionTask(_Strict):
    """Patch detection (paper Table 1) on occlusion ``families``; patches count as occluded from ``tau`` coverage.

    ``tau = 0`` stands for any overlap at all.
    """

    detectors: Names = Field(min_length=1)
    families: Names = Field(min_length=1)
    tau: float = Field(default=0.5, ge=0, le=1)


class ReconstructionTask(_Strict):
    """Reconstruction with the true masks (Table 8), and the FER accuracy of ``classifier`` after it (Tables 2 and 9).

    The networks are asked to restore the patches that are covered from ``tau`` on, 0 standing for any overlap; of
    their output only the truly occluded pixels replace the image's. A whole face may be recognised by what was never
    hidden; so ``part_classifier``, which should know parts of faces, is shown the restored pixels alone, all else
    grey, and beside them the same pixels of the unoccluded face.
    """

    reconstructors: Names = Field(min_length=1)
    families: Names = Field(min_length=1)
    classifier: str
    part_classifier: str | None = None
    tau: float = Field(default=0.0, ge=0, le=1)


class RecognitionTask(_Strict):
    """Accuracy of whole systems, clean and on occlusion ``families``, if any (Table 3, Figure 1)."""

    systems: Names = Field(min_length=1)
    families: Names


class Suite(_Strict):
    """A versioned list of tasks. The version is part of every seed: it stands for comparability.

    ``variants`` may stand wherever a detector, reconstructor or classifier is named.
    """

    name: str
    version: str
    title: str
    reference: str = "resnet18"
    variants: dict[str, VariantSpec] = Field(default_factory=dict)
    systems: dict[str, SystemSpec] = Field(default_factory=dict)
    occlusions: dict[str, OcclusionSpec]
    detection: DetectionTask | None = None
    reconstruction: ReconstructionTask | None = None
    recognition: RecognitionTask | None = None
    qualitative: int = Field(default=6, ge=0)
    profile: str | None = None

    @model_validator(mode="after")
    def _known_families(self) -> Suite:
        for task in (self.detection, self.reconstruction, self.recognition):
            for name in task.families if task is not None else []:
                if name not in self.occlusions:
                    raise ValueError(f"task names the unknown occlusion {name!r}; known: {', '.join(self.occlusions)}")
        return self

    @model_validator(mode="after")
    def _variants_apart(self) -> Suite:
        for name, variant in self.variants.items():
            if name in self.systems:
                raise ValueError(f"{name!r} is the name of a system and of a variant")
            for component, chosen in variant.upstream.items():
                known = [other for other, spec in self.variants.items() if spec.of == component]
                if chosen not in known:
                    raise ValueError(
                        f"variant {name!r}: upstream {chosen!r} is no variant of {component}; "
                        f"known: {', '.join(known) or '(none)'}"
                    )
        return self

    def component_of(self, name: str) -> str:
        """Return the component that a variant is one of; other names stand for themselves."""
        return self.variants[name].of if name in self.variants else name

    def split_families(self, data: str, known: Collection[str] = ()) -> dict[str, str]:
        """Return the splits that the families of a run on ``data`` give, each with the first family that gives it.

        Families that are another data set's faces count where that set is among the ``known``.
        """
        families: dict[str, str] = {}
        for name, spec in self.occlusions.items():
            for split, _, _ in spec.cells(data):
                if not spec.data or split in known:
                    families.setdefault(split, name)
        return families
