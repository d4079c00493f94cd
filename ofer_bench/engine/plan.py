"""Plans the stages of one data set and one seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ofer_bench.core.errors import DatasetMissing, SpecError
from ofer_bench.core.types import Card
from ofer_bench.engine.blueprint import CLEAN, Blueprint, CellInfo
from ofer_bench.engine.config import RunConfig
from ofer_bench.engine.foreign import foreign_weights
from ofer_bench.engine.pool import ComponentRecipe
from ofer_bench.engine.produce_data import occlude_producer, relevance_producer, split_producer
from ofer_bench.engine.produce_models import (
    Cell,
    detect_producer,
    predict_producer,
    reconstruct_producer,
    threshold_producer,
    train_producer,
)
from ofer_bench.engine.variants import check_variants, configured
from ofer_bench.plugins.discovery import COMPONENT_KINDS, load_class, registry, required
from ofer_bench.plugins.protocols import RELEVANCE, WHITE_BOX, Fingerprinted
from ofer_bench.plugins.source import source_digest
from ofer_bench.spec.datasets import Datasets
from ofer_bench.spec.suite import ORACLE, OcclusionSpec

PRECISION = "fp32"


class Planner:
    """Builds the blueprint of one data set and one seed; shared stages are planned once."""

    def __init__(self, config: RunConfig, data: str, datasets: Datasets, seed: int, blueprint: Blueprint) -> None:
        check_variants(config.suite)
        self.config, self.data, self.seed, self.blueprint = config, data, seed, blueprint
        self.plan = blueprint.plan
        self._datasets = datasets
        self.train_data = datasets.named(data).train_on or data

    def split(self, part: str) -> str:
        """Plan reading ``part`` (train, val or test); training parts may come from another data set."""
        return self._read(self.data if part == "test" else self.train_data, part)

    def _read(self, name: str, part: str) -> str:
        stage_id = f"split/{name}/{part}"
        if stage_id in self.plan.stages:
            return stage_id
        dataset = self._datasets.named(name)
        card = registry().card(dataset.reader, kind="dataset")
        reader = load_class(card)(name, dataset, self.config.profile)
        params = {"reader": _identity(card), "part": reader.fingerprint(part), "device": self.config.device_type}
        return self.plan.add(stage_id, "split", params, (), split_producer(card, reader, part))

    def component(self, name: str) -> tuple[str, ComponentRecipe]:
        """Plan training a component, or a variant of one, and everything it stands on."""
        variant = self.config.suite.variants.get(name)
        if variant is not None and not variant.trained_apart:
            return self.component(variant.of)
        stage_id = f"train/{self.train_data}/{name}/seed{self.seed}"
        if stage_id in self.blueprint.recipes:
            return stage_id, self.blueprint.recipes[stage_id]
        card = registry().card(self.config.suite.component_of(name), kind=COMPONENT_KINDS)
        chosen = variant.upstream if variant is not None else {}
        settings = configured(self.config.suite, self.config.profile, name)
        upstream = {needed: self.component(chosen.get(needed, needed)) for needed in required(card, settings.model)}
        recipe = ComponentRecipe(card, self.config.profile, upstream, settings)
        training = settings.recipe
        train, val = self.split("train"), self.split("val")
        params = {
            "component": _identity(card),
            "image_size": recipe.settings.image_size,
            "patch_size": recipe.settings.patch_size,
            "model": dict(recipe.settings.model),
            "recipe": training.model_dump(mode="json") if training else None,
            "seed": self.seed,
            **foreign_weights(recipe),
            **self._numerics(),
        }
        inputs = (train, val, *(stage for stage, _ in upstream.values()))
        producer = train_producer(recipe, training, self.seed, train, val)
        self.plan.add(stage_id, "train", params, inputs, producer)
        self.blueprint.recipes[stage_id] = recipe
        return stage_id, recipe

    def trained(self, *components: str) -> Mapping[str, str]:
        """Return the training stage of each component, planned if need be."""
        return {name: self.component(name)[0] for name in components}

    def clean_cell(self) -> CellInfo:
        """Plan the test faces as they are."""
        cell = CellInfo(
            id=self._cell_id(CLEAN),
            split=self.data,
            occluder="",
            ratio=(0.0, 0.0),
            family=CLEAN,
            split_stage=self.split("test"),
            occlude_stage=None,
        )
        return self._listed(cell)

    def white_box(self, name: str) -> bool:
        """Say whether the occluder of a family attacks every system with the system's own classifier."""
        occluder = self.config.suite.occlusions[name].occluder
        return bool(occluder) and WHITE_BOX in registry().card(occluder, kind="occluder").capability

    def family(self, name: str, attacked: str | None = None) -> list[CellInfo]:
        """Plan all cells of an occlusion family of the suite; --split may leave none.

        A white-box family has cells of its own for every classifier that is ``attacked``.
        """
        spec = self.config.suite.occlusions[name]
        cells = [c for c in spec.cells(self.data) if not self.config.splits or c[0] in self.config.splits]
        if spec.data:
            return [cell for split, _, _ in cells for cell in self._natural_cell(name, split)]
        return [self._occluded_cell(name, spec, split, (low, high), attacked) for split, low, high in cells]

    def _natural_cell(self, family: str, data: str) -> list[CellInfo]:
        """Plan the faces of the data set ``data`` as they are; none where there is no such set for this one."""
        if data not in self._datasets.datasets:
            return []
        try:
            stage = self._read(data, "test")
        except DatasetMissing as missing:
            self.blueprint.blocked_families[self.data, family] = str(missing)
            return []
        cell = CellInfo(
            id=self._cell_id(family),
            split=data,
            occluder="",
            ratio=(0.0, 0.0),
            family=family,
            split_stage=stage,
            occlude_stage=None,
        )
        return [self._listed(cell)]

    def _occluded_cell(
        self, family: str, spec: OcclusionSpec, split: str, ratio: tuple[float, float], attacked: str | None
    ) -> CellInfo:
        card = registry().card(spec.occluder, kind="occluder")
        relevance = self._relevance(family, spec, card, attacked)
        test, train = self.split("test"), self.split("train")
        label = f"{family}-{_extent(ratio)}"
        seeds = (self.config.suite.name, self.config.suite.version, self.data, spec.occluder, label)
        params = {
            "occluder": _identity(card),
            "ratio": list(ratio),
            "patch_size": self.config.profile.patch_size,
            "params": spec.params,
            "files": _fingerprint(card, spec.params),
            "seeds": list(seeds),
        }
        producer = occlude_producer(
            card=card,
            split=test,
            colour_from=train,
            relevance=relevance,
            ratio=ratio,
            patch_size=self.config.profile.patch_size,
            params=spec.params,
            seed_parts=seeds,
        )
        place = f"{label}@{attacked}" if attacked else label
        # Only CAM-guided occlusion depends on a trained network, and so on the seed.
        suffix = f"/seed{self.seed}" if relevance else ""
        inputs = (test, train) if relevance is None else (test, train, relevance)
        stage = self.plan.add(f"occlude/{self.data}/{place}{suffix}", "occlude", params, inputs, producer)
        cell = CellInfo(
            id=self._cell_id(place),
            split=split,
            occluder=spec.recorded,
            ratio=ratio,
            family=family,
            split_stage=test,
            occlude_stage=stage,
        )
        return self._listed(cell)

    def _listed(self, cell: CellInfo) -> CellInfo:
        """Seeds share a cell's name, and the first one's stands for it in the list; each goes on with its own."""
        self.blueprint.cells.setdefault(cell.id, cell)
        return cell

    def _relevance(self, family: str, spec: OcclusionSpec, card: Card, attacked: str | None) -> str | None:
        """Plan the Grad-CAM maps that an occluder goes by; None for one that needs none."""
        if RELEVANCE not in card.capability:
            if spec.explain != "label":
                raise SpecError("suite", f"{family}: {card.id} explains nothing", hint="leave 'explain' out")
            return None
        classifier = attacked or self.config.suite.reference
        stage, recipe = self.component(classifier)
        test = self.split("test")
        predicted = spec.explain == "prediction"
        return self.plan.add(
            f"relevance/{self.data}/{classifier}/{spec.explain}/seed{self.seed}",
            "relevance",
            {"patch_size": self.config.profile.patch_size, "explain": spec.explain, **self._numerics()},
            (test, stage),
            relevance_producer(test, stage, recipe, self.config.profile.eval_batch_size, predicted=predicted),
        )

    def detect(self, detector: str, cell: CellInfo) -> str:
        """Plan patch detection on a cell."""
        variant = self.config.suite.variants.get(detector)
        if variant is not None and variant.false_alarms is not None:
            return self._detect_at(variant.false_alarms, detector, variant.of, cell)
        return self._detect(detector, Cell(cell.split_stage, cell.occlude_stage), cell.id)

    def _detect(self, detector: str, faces: Cell, place: str) -> str:
        stage, recipe = self.component(detector)
        producer = detect_producer(faces, stage, recipe, self.config.profile.eval_batch_size)
        inputs = (*faces.stages, stage)
        return self.plan.add(self._on("detect", detector, place), "detect", self._numerics(), inputs, producer)

    def _detect_at(self, false_alarms: float, name: str, detector: str, cell: CellInfo) -> str:
        """Plan another threshold on the scores that ``detector`` gives; no model is needed for it."""
        scored = self.detect(detector, cell)
        validation = self._detect(detector, Cell(self.split("val"), None), self._cell_id("validation"))
        producer = threshold_producer(scored, validation, false_alarms)
        params = {"false_alarms": false_alarms}
        return self.plan.add(self._on("detect", name, cell.id), "detect", params, (scored, validation), producer)

    def reconstruct(self, reconstructor: str, cell: CellInfo, *, detector: str | None, tau: float = 0.0) -> str:
        """Plan reconstruction of a cell, under the masks of ``detector`` or the true ones."""
        stage, recipe = self.component(reconstructor)
        detected = self.detect(detector, cell) if detector else None
        faces = Cell(cell.split_stage, cell.occlude_stage)
        producer = reconstruct_producer(
            faces, stage, recipe, self.config.profile.eval_batch_size, detected=detected, tau=tau
        )
        name = f"{detector or (f'{ORACLE}@{tau:g}' if tau else ORACLE)}+{reconstructor}"
        inputs = (*faces.stages, stage, *((detected,) if detected else ()))
        params = {"tau": None if detected else tau, **self._numerics()}
        return self.plan.add(self._on("reconstruct", name, cell.id), "reconstruct", params, inputs, producer)

    def predict(
        self, classifier: str, cell: CellInfo, *, restored: str | None, name: str, part_alone: bool = False
    ) -> str:
        """Plan recognition of a cell as it is, or after the reconstruction stage ``restored``; or of the part that is
        hidden there alone, restored or unoccluded.
        """
        stage, recipe = self.component(classifier)
        faces = Cell(cell.split_stage, cell.occlude_stage)
        producer = predict_producer(
            faces, stage, recipe, self.config.profile.eval_batch_size, restored=restored, part_alone=part_alone
        )
        inputs = (*faces.stages, stage, *((restored,) if restored else ()))
        params = {**self._numerics(), **({"part_alone": True} if part_alone else {})}
        return self.plan.add(self._on("predict", name, cell.id), "predict", params, inputs, producer)

    def _on(self, kind: str, name: str, place: str) -> str:
        return f"{kind}/{name}/{place}/seed{self.seed}"

    def _cell_id(self, label: str) -> str:
        return label if len(self.config.datasets) == 1 else f"{self.data}-{label}"

    def _numerics(self) -> dict[str, Any]:
        return {"device": self.config.device_type, "precision": PRECISION}


def _extent(ratio: tuple[float, float]) -> str:
    """Name a ratio by two decimals, or by as many as it has; the label seeds the occlusions, so it must tell."""
    low, high = (f"{r:.2f}" if round(r, 2) == r else f"{r:g}" for r in ratio)
    return low if low == high else f"{low}-{high}"


def _identity(card: Card) -> Mapping[str, str]:
    assert card.load is not None
    return {"id": card.id, "version": card.version, "source": source_digest(card.load.partition(":")[0])}


def _fingerprint(card: Card, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an occluder says of files that its ``params`` name; without params the class need not be loaded."""
    occluder = load_class(card)() if params else None
    return occluder.fingerprint(params) if isinstance(occluder, Fingerprinted) else {}


def compositions() -> Mapping[str, Mapping[str, str]]:
    """Return what the registered systems are composed of."""
    return {e.card.id: e.card.composition for e in registry().of_kind("system")}
