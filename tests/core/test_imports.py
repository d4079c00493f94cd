from __future__ import annotations

import subprocess
import sys

import pytest

TORCH_FREE = [
    "ofer_bench",
    "ofer_bench.api",
    "ofer_bench.core.types",
    "ofer_bench.spec.suite",
    "ofer_bench.stats.intervals",
    "ofer_bench.metrics.info",
    "ofer_bench.report.build",
    "ofer_bench.cli.main",
    "ofer_bench.plugins.discovery",
    "ofer_baselines.cards",
    "ofer_bench.latent_ofer.cards",
    "ofer_occluders.objects",
]


@pytest.mark.parametrize("module", TORCH_FREE)
def test_module_imports_without_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_name_of_the_api_resolves() -> None:
    import ofer_bench.api as api

    assert all(getattr(api, name) is not None for name in dir(api))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = api.nothing
