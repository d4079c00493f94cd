"""Digests of values and files; the ground of store keys and per-sample seeds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

DIGEST_LENGTH = 24
"""Hexadecimal characters kept of a SHA-256: 96 bits, far from any birthday collision here."""


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no spaces; equal values give equal text on every platform."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """Digest a JSON-like value (24 hexadecimal characters)."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:DIGEST_LENGTH]


def file_digest(path: Path) -> str:
    """Digest a file's bytes (24 hexadecimal characters)."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:DIGEST_LENGTH]
