"""Names: suggestions for misspelt ones, and file-safe forms."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches


def close_names(name: str, known: Iterable[str]) -> list[str]:
    """Return up to two known names that ``name`` may have meant, ignoring case."""
    by_lower = {k.lower(): k for k in known}
    return [by_lower[m] for m in get_close_matches(name.lower(), by_lower, n=2, cutoff=0.5)]


def file_name(text: str) -> str:
    """Replace everything but letters, digits, dot, dash and underscore by a dash."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)
