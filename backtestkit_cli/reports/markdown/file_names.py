"""Names of files for strategies, whose own names may hold anything."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable


def file_stems(names: Iterable[str]) -> dict[str, str]:
    """Return a safe file name, without its ending, for each of *names*, in alphabetical order; no two are the same.

    A name that is safe stays as it is. Another one, and one that differs from its neighbour by case only,
    gets a hash of the name behind what is left of it.
    """
    ordered = sorted(names)
    folded = Counter(name.casefold() for name in ordered)
    return {name: name if folded[name.casefold()] == 1 and _is_safe(name) else _hashed_stem(name) for name in ordered}


def _is_safe(name: str) -> bool:
    is_plain = re.fullmatch(r"\w[\w.-]*", name) and not name.endswith(".") and len(name.encode()) <= 120
    is_device = re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name, re.IGNORECASE)
    return bool(is_plain) and not is_device and unicodedata.is_normalized("NFC", name)


def _hashed_stem(name: str) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    kept = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:60]
    return f"{kept or 'strategy'}-{digest}"
