"""Training one stage of a system: what its stages are called, and whether what it stands on is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ofer_bench.core.errors import UnknownName, UpstreamMissing
from ofer_bench.core.naming import close_names
from ofer_bench.engine.blueprint import Blueprint
from ofer_bench.plugins.discovery import COMPONENT_KINDS, registry, required
from ofer_bench.spec.profile import ComponentProfile, Profile
from ofer_bench.store.artefacts import Store


def stage_names(target: str, profile: Profile | None = None) -> Mapping[str, str]:
    """Return the components that a system or component consists of or stands on, upstream first.

    Keys are their ids, their roles in the system (detector, reconstructor, classifier) and what its card calls the
    stages; settings of ``profile`` may name more components. UnknownName for an unknown target.
    """
    settings = profile.components if profile else {}
    card = registry().card(target, kind=("system", *COMPONENT_KINDS))
    found: dict[str, str] = {}

    def visit(component: str) -> None:
        model = settings.get(component, ComponentProfile()).model
        for needed in required(registry().card(component, kind=COMPONENT_KINDS), model):
            visit(needed)
        found[component] = component

    for component in card.composition.values() or [target]:
        visit(component)
    return {**found, **card.composition, **card.stages}


def component_of(target: str, stage: str, profile: Profile | None = None) -> str:
    """Return the component that ``stage`` of ``target`` trains; UnknownName lists the stages there are."""
    names = stage_names(target, profile)
    if stage not in names:
        raise UnknownName(f"stage of {target}", stage, names, close_names(stage, names))
    return names[stage]


def require_upstream(blueprint: Blueprint, wanted: Collection[str], store: Store) -> None:
    """Raise UpstreamMissing for the first training stage, those ``wanted`` aside, that is not in the store."""
    for stage_id, recipe in blueprint.recipes.items():
        stage = blueprint.plan.stages[stage_id]
        if stage_id not in wanted and store.find(stage.kind, stage.key) is None:
            raise UpstreamMissing(stage_id, recipe.card.id)
