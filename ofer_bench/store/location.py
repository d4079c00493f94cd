"""Where the store and the caches lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def default_store() -> Path:
    """``$OFER_BENCH_STORE``, else ``store`` in the user's cache folder."""
    if "OFER_BENCH_STORE" in os.environ:
        return Path(os.environ["OFER_BENCH_STORE"]).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("ofer-bench") / "store"
