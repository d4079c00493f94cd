"""Plugins found through entry points: one registry, built once, listable with the origin of each entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ofer_bench.core.errors import PluginError, UnknownName
from ofer_bench.core.naming import close_names
from ofer_bench.core.types import Card

GROUPS = ("systems", "occluders", "datasets")
COMPONENT_KINDS = ("backbone", "detector", "reconstructor", "classifier")
BUILT_IN = "ofer-bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A card and the distribution that brought it."""

    card: Card
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """All plugins by id; ``broken`` maps entry-point names to what went wrong on reading their card."""

    entries: Mapping[str, Registered]
    broken: Mapping[str, str] = field(default_factory=dict)

    def card(self, plugin_id: str, *, kind: str | tuple[str, ...] | None = None) -> Card:
        """Return a card by id; an unknown id, or one of another kind, raises with the nearest known one."""
        kinds = (kind,) if isinstance(kind, str) else kind
        known = {k: v for k, v in self.entries.items() if kinds is None or v.card.kind in kinds}
        if plugin_id in known:
            return known[plugin_id].card
        if plugin_id in self.broken:
            raise PluginError(f"plugin {plugin_id!r} is broken: {self.broken[plugin_id]}")
        raise UnknownName(" or ".join(kinds) if kinds else "plugin", plugin_id, known, close_names(plugin_id, known))

    def of_kind(self, *kinds: str) -> list[Registered]:
        """Return the entries of the given kinds, sorted by id."""
        return [self.entries[k] for k in sorted(self.entries) if self.entries[k].card.kind in kinds]


@cache
def registry() -> Registry:
    """Read every card once; a broken entry point is set aside, and built-ins win over plugins of the same id."""
    entries: dict[str, Registered] = {}
    broken: dict[str, str] = {}
    for point, origin in _points():
        try:
            card = point.load()
        except Exception as error:
            # Whatever a foreign module raises must not stop the others.
            broken[point.name] = f"{type(error).__name__}: {error} (from {origin})"
            continue
        if not isinstance(card, Card):
            broken[point.name] = f"entry point is a {type(card).__name__}, not a Card (from {origin})"
        elif card.id not in entries:
            entries[card.id] = Registered(card=card, origin=origin)
    return Registry(entries=entries, broken=broken)


def _points() -> Iterator[tuple[EntryPoint, str]]:
    points = [
        (point, point.dist.name if point.dist else "unknown")
        for group in GROUPS
        for point in entry_points(group=f"ofer_bench.{group}")
    ]
    return iter(sorted(points, key=lambda pair: (pair[1] != BUILT_IN, pair[0].name)))


def required(card: Card, model: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the components that a card stands on with the model parameters ``model``: ``requires`` comes first.

    UnknownName where a setting of ``requires_by`` names none of its components.
    """
    named = {setting: str(model[setting]) for setting in card.requires_by if model.get(setting) is not None}
    for setting, component in named.items():
        known = card.requires_by[setting]
        if component not in known:
            raise UnknownName(f"{setting} of {card.id}", component, known, close_names(component, known))
    return tuple(dict.fromkeys((*card.requires, *named.values())))


def load_class(card: Card) -> type[Any]:
    """Import the class behind a card."""
    if card.load is None:
        raise PluginError(f"{card.id!r} is a composition and has no class of its own")
    module, _, name = card.load.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise PluginError(f"can't load {card.id!r} from {card.load!r}: {error}") from error
