"""Weights made elsewhere, on their way into a component: part of its key, its training and its records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ofer_bench.core.errors import SpecError, WeightsError
from ofer_bench.core.hashing import file_digest
from ofer_bench.engine.pool import ComponentRecipe
from ofer_bench.plugins.discovery import load_class
from ofer_bench.plugins.protocols import NEEDS_WEIGHTS, Trainable, WeightsLoader
from ofer_bench.spec.profile import Recipe

TRAINED_HERE = "trained by this suite from random weights"


def foreign_weights(component: ComponentRecipe) -> dict[str, str]:
    """Return what the profile's ``weights`` add to the key of a component: the file's digest, nothing without any.

    Raises WeightsError where the file is not there, where the component has no use for one, and where it needs one
    and has none.
    """
    path, name = component.weights, component.card.id
    if path is None:
        if NEEDS_WEIGHTS in component.card.capability:
            raise WeightsError(
                f"{name!r} is not trained by this suite, and the profile has no weights for it",
                hint=f"set components.{name}.weights to a file of yours; docs/weights.md lists those that fit",
            )
        return {}
    if not issubclass(load_class(component.card), WeightsLoader):
        raise WeightsError(
            f"{name!r} can't load foreign weights", hint=f"take components.{name}.weights out of the profile"
        )
    if not path.is_file():
        raise WeightsError(
            f"components.{name}.weights: no file {path}",
            hint="correct the path (a relative one begins at the working directory), or take it out of the profile",
        )
    return {"weights": file_digest(path)}


def load_weights(model: Any, component: ComponentRecipe, recipe: Recipe | None) -> dict[str, Any]:
    """Fill ``model`` from the profile's ``weights`` and return what is to be noted of them; nothing without any.

    Raises SpecError where the component would have to be trained then, and there is no ``recipe``.
    """
    path = component.weights
    if path is None:
        return {}
    name = component.card.id
    report = model.load_foreign(path)
    trained = isinstance(model, Trainable) and recipe is not None
    if report.must_train and not trained:
        raise SpecError(
            "profile",
            f"{name!r} can't be used as {path} leaves it: {report.must_train}",
            hint=f"give components.{name} a recipe, from which training goes on",
        )
    return {
        "file": path.name,
        "digest": file_digest(path),
        "layout": report.layout,
        "matched": len(report.matched),
        "untrained": list(report.untrained),
        "ignored": list(report.ignored),
        "trained": trained,
    }


def origins(name: str, weights: Mapping[str, Any], upstream: list[Mapping[str, Any]]) -> dict[str, str]:
    """Say of a component, and of all it stands on, where foreign weights come from; ``upstream`` are artefacts' notes.

    A component without any does not appear.
    """
    found = {other: text for meta in upstream for other, text in meta.get("foreign", {}).items()}
    if weights:
        found[name] = f"{weights['file']} (sha256 {weights['digest'][:12]}; {weights['layout']}), {_use(weights)}"
    return found


def load_summary(name: str, weights: Mapping[str, Any]) -> str:
    """Return one line on what became of the file's tensors, from the notes of :func:`load_weights`."""
    counts = f"{weights['matched']} tensors matched, {len(weights['untrained'])} not in the file"
    ignored = f"{len(weights['ignored'])} ignored"
    return f"{name} from {weights['file']} ({weights['layout']}): {counts}, {ignored}; {_use(weights)}"


def weights_origin(metas: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the record's ``weights_origin`` from the notes of the trained components behind it."""
    foreign = {name: text for meta in metas.values() for name, text in meta.get("foreign", {}).items()}
    if not foreign:
        return TRAINED_HERE
    told = [f"{name}: {text}" for name, text in foreign.items()]
    return "; ".join(told if set(metas) <= set(foreign) else [*told, f"others: {TRAINED_HERE}"])


def _use(weights: Mapping[str, Any]) -> str:
    return "trained on by this suite" if weights["trained"] else "used as they are"
