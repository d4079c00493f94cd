"""Training one stage of a system: what its stages are called, and whether what it stands on is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ofer_bench.core.errors import UnknownName, UpstreamMissing
from ofer_bench.core.naming import close_names
from ofer_bench.engine.blueprint import Blueprint
from ofer_bench.engine.variants import configured
from ofer_bench.plugins.discovery import COMPONENT_KINDS, registry, required
from ofer_bench.spec.profile import Profile
from ofer_bench.spec.suite import Suite
from ofer_bench.store.artefacts import Store


def parts_of(target: str, suite: Suite) -> Mapping[str, str]:
    """Return the components of a system by role, its suite's own or a registered one; none of anything else."""
    if target in suite.systems:
        return suite.systems[target].parts
    return registry().card(suite.component_of(target), kind=("system", *COMPONENT_KINDS)).composition


def stage_names(target: str, suite: Suite, profile: Profile) -> Mapping[str, str]:
    """Return the components that a system or component consists of or stands on, upstream first.

    Keys are their ids, their roles in the system (detector, reconstructor, classifier) and what its card calls the
    stages; settings of ``profile`` may name more components, and ``suite`` adds its systems and variants. UnknownName
    for an unknown target.
    """
    parts = parts_of(target, suite)
    stages = {} if target in suite.systems else registry().card(suite.component_of(target)).stages
    found: dict[str, str] = {}

    def visit(component: str) -> None:
        card = registry().card(suite.component_of(component), kind=COMPONENT_KINDS)
        chosen = suite.variants[component].upstream if component in suite.variants else {}
        for needed in required(card, configured(suite, profile, component).model):
            visit(chosen.get(needed, needed))
        found[component] = component

    for component in parts.values() or [target]:
        visit(component)
    return {**found, **parts, **stages}


def component_of(target: str, stage: str, suite: Suite, profile: Profile) -> str:
    """Return the component that ``stage`` of ``target`` trains; UnknownName lists the stages there are."""
    names = stage_names(target, suite, profile)
    if stage not in names:
        raise UnknownName(f"stage of {target}", stage, names, close_names(stage, names))
    return names[stage]


def require_upstream(blueprint: Blueprint, wanted: Collection[str], store: Store) -> None:
    """Raise UpstreamMissing for the first training stage, those ``wanted`` aside, that is not in the store."""
    for stage_id, recipe in blueprint.recipes.items():
        stage = blueprint.plan.stages[stage_id]
        if stage_id not in wanted and store.find(stage.kind, stage.key) is None:
            raise UpstreamMissing(stage_id, recipe.card.id)
