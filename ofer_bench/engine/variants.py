"""Components as a suite names them: registered ones, and variants of them with other settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ofer_bench.core.errors import SpecError, UnknownName
from ofer_bench.core.naming import close_names
from ofer_bench.plugins.discovery import COMPONENT_KINDS, registry, required
from ofer_bench.spec.profile import ComponentProfile, Profile
from ofer_bench.spec.suite import Suite


def check_variants(suite: Suite) -> None:
    """Compare the variants of a suite with what is registered.

    UnknownName for a component that there is not, or that the varied one does not stand on; SpecError for a name
    that is taken, and for ``false_alarms`` of what is no detector.
    """
    for name, variant in suite.variants.items():
        card = registry().card(variant.of, kind=COMPONENT_KINDS)
        if name in registry().entries:
            raise SpecError(
                "suite",
                f"variant {name!r} has the name of a registered {registry().card(name).kind}",
                hint="give the variant another name",
            )
        known = required(card, variant.model)
        for component in variant.upstream:
            if component not in known:
                kind = f"upstream component of {card.id}"
                raise UnknownName(kind, component, known, close_names(component, known))
        if variant.false_alarms is not None and card.kind != "detector":
            raise SpecError(
                "suite", f"variant {name!r}: {card.id} is no detector", hint="false_alarms are for detectors"
            )


def configured(suite: Suite, profile: Profile, name: str) -> ComponentProfile:
    """Return model parameters and recipe of a component or variant.

    SpecError where a variant has ``extra`` and the profile no recipe to lay it over.
    """
    base = profile.components.get(suite.component_of(name), ComponentProfile())
    variant = suite.variants.get(name)
    if variant is None:
        return base
    recipe = base.recipe
    if variant.extra:
        if recipe is None:
            raise SpecError(
                "suite",
                f"variant {name!r} has extra, and the profile no recipe of {variant.of}",
                hint=f"add components.{variant.of}.recipe to the profile",
            )
        recipe = recipe.model_copy(update={"extra": laid_over(recipe.extra, variant.extra)})
    return base.model_copy(update={"model": laid_over(base.model, variant.model), "recipe": recipe})


def laid_over(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``changes``; mappings in both are merged key by key, and None takes a key away.

    >>> laid_over({"loss_weights": {"reconstruction": 10.0}}, {"loss_weights": {"semantic_consistency": 0.0}})
    {'loss_weights': {'reconstruction': 10.0, 'semantic_consistency': 0.0}}
    >>> laid_over({"width": 16, "encoder": "fer-encoder"}, {"encoder": None})
    {'width': 16}
    """
    merged = dict(base)
    for key, value in changes.items():
        present = merged.get(key)
        if isinstance(present, Mapping) and isinstance(value, Mapping):
            value = laid_over(present, value)
        merged[key] = value
    return {key: value for key, value in merged.items() if value is not None}
