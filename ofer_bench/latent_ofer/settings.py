"""Settings of the model's parts that are one of a few words."""

from __future__ import annotations

from collections.abc import Mapping

from ofer_bench.api import PluginError


def choice(component: str, model: Mapping[str, object], key: str, allowed: tuple[str, ...]) -> str:
    """Return a named model parameter; the first ``allowed`` value is the default. PluginError for any other."""
    value = str(model.get(key, allowed[0]))
    if value not in allowed:
        raise PluginError(f"{key}={value!r} is no setting of {component}", hint=f"choose one of {', '.join(allowed)}")
    return value
