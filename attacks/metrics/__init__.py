"""How far a reconstruction is from its image: one pinned definition of each score (``PROTOCOL``, ``score``), further
scores beside them (``FURTHER``, ``further``), and labelled conversions to other people's.
"""

from attacks.metrics.converted import conversions
from attacks.metrics.further_scores import EXTRACTION, FORMER, FURTHER, PERCEIVED, Further, further
from attacks.metrics.pinned import PROTOCOL, PerImage, means, protocol_digest, score

__all__ = [
    "EXTRACTION",
    "FORMER",
    "FURTHER",
    "PERCEIVED",
    "PROTOCOL",
    "Further",
    "PerImage",
    "conversions",
    "further",
    "means",
    "protocol_digest",
    "score",
]
