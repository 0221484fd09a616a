"""All randomness derives from here: a seed for every study, trial and stage."""

import hashlib


def derive(*parts: int | str) -> int:
    """Return a seed in [0, 2**63) that depends on every part and its order, and on nothing else."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
