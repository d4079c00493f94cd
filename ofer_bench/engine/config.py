"""What one run is asked to do, resolved: suite, profile, data, seed, device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from ofer_bench.core.errors import SpecError, UnknownName
from ofer_bench.core.hashing import digest
from ofer_bench.core.naming import close_names
from ofer_bench.plugins.discovery import COMPONENT_KINDS, registry
from ofer_bench.spec.profile import Profile
from ofer_bench.spec.suite import Suite, SystemSpec
from ofer_bench.spec.yaml_io import packaged_names, packaged_yaml

SUITES, PROFILES = "ofer_bench.spec.suites", "ofer_bench.spec.profiles"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """A resolved run. ``device`` is torch's (``cpu``, ``cuda``, ``cuda:1``); ``splits`` empty means all.

    A profile that ``--set`` changed carries a digest of the changes in its name. ``devices`` processes train together,
    or ``jobs`` make stages side by side; like the choice among equal GPUs both stay out of all keys.
    """

    suite: Suite
    profile: Profile
    datasets: tuple[str, ...]
    splits: tuple[str, ...]
    seeds: int
    device: str
    devices: int = 1
    jobs: int = 1

    @property
    def device_type(self) -> str:
        """``cpu`` or ``cuda``: what numbers depend on. Which of several equal GPUs made them tells nothing."""
        return self.device.partition(":")[0]

    def describe(self) -> dict[str, Any]:
        """Return everything that decides the numbers, as JSON."""
        return {
            "suite": self.suite.model_dump(mode="json"),
            "profile": self.profile.model_dump(mode="json"),
            "datasets": list(self.datasets),
            "splits": list(self.splits),
            "seeds": self.seeds,
            "device": self.device_type,
        }


def load_suite(name: str) -> Suite:
    """Load a shipped suite by name, or one from a ``.yaml`` file."""
    return _named_or_file(name, SUITES, Suite, "suite")


def load_profile(name: str, overrides: tuple[str, ...] = ()) -> Profile:
    """Load a shipped profile by name, or one from a ``.yaml`` file, and apply ``key.path=value`` overrides."""
    profile = _named_or_file(name, PROFILES, Profile, "profile")
    if not overrides:
        return profile
    value = profile.model_dump(mode="json")
    for text in overrides:
        _override(value, text)
    from pydantic import ValidationError

    try:
        changed = Profile.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "profile"
        raise SpecError("--set", f"{where}: {first['msg']}") from None
    if changed == profile or changed.name != profile.name:
        return changed
    # Numbers of a changed profile must not pass for those of the profile.
    return changed.model_copy(update={"name": f"{profile.name}-{digest(changed.model_dump(mode='json'))[:6]}"})


def _named_or_file(name: str, package: str, model: Any, kind: str) -> Any:
    if name.endswith((".yaml", ".yml")):
        from pathlib import Path

        from ofer_bench.spec.yaml_io import load_yaml

        return load_yaml(Path(name), model)
    known = packaged_names(package)
    if name not in known:
        raise UnknownName(kind, name, known, close_names(name, known))
    return packaged_yaml(package, f"{name}.yaml", model)


def _override(value: dict[str, Any], text: str) -> None:
    path, sign, raw = text.partition("=")
    if not sign:
        raise SpecError("--set", f"{text!r} is not of the form key=value")
    *parents, last = path.strip().split(".")
    node: Any = value
    # A profile need not know of every component; one that is registered may be added.
    components = [entry.card.id for entry in registry().of_kind(*COMPONENT_KINDS)]
    for depth, part in enumerate(parents):
        inside = [*parents[: depth + 1], ""][:2]
        if inside[0] == "components" and inside[1] in components and node.get(part) is None:
            node[part] = {}
        if not isinstance(node.get(part), dict):
            known = [k for k, v in node.items() if isinstance(v, dict)]
            known += components if parents[:depth] == ["components"] else []
            raise UnknownName("profile key", path, set(known), close_names(part, known))
        node = node[part]
    try:
        node[last] = yaml.safe_load(raw)
    except (yaml.YAMLError, ValueError):
        raise SpecError("--set", f"the value of {path!r} is not valid YAML: {raw!r}") from None


def restrict(suite: Suite, systems: tuple[str, ...]) -> Suite:
    """Keep only ``systems`` in the suite's recognition task, and drop the tasks that don't concern them."""
    if not systems or suite.recognition is None:
        return suite
    task = suite.recognition.model_copy(update={"systems": list(systems)})
    return suite.model_copy(update={"recognition": task, "detection": None, "reconstruction": None})


def system_spec(suite: Suite, system: str, compositions: Mapping[str, Mapping[str, str]]) -> SystemSpec:
    """Return the composition of a system: the suite's own, that of its card, or a classifier alone."""
    if system in suite.systems:
        return suite.systems[system]
    if compositions.get(system):
        return SystemSpec.model_validate(dict(compositions[system]))
    return SystemSpec(classifier=system)
