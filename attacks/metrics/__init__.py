"""How far a reconstruction is from its image: one pinned definition of each score (``PROTOCOL``, ``score``), further
scores beside them (``FURTHER``, ``further``), and labelled conversions to other people's; which of some known images a
release is of (``FOUND``, ``identified``); and how well one number tells two groups apart (``roc``).
"""

from attacks.metrics import roc
from attacks.metrics.converted import conversions
from attacks.metrics.further_scores import EXTRACTION, FORMER, FURTHER, PERCEIVED, Further, further
from attacks.metrics.identification import CANDIDATES, FOUND, IDENTIFIED, Scores, cosines, identified
from attacks.metrics.pinned import PROTOCOL, PerImage, means, protocol_digest, score
from attacks.metrics.ssim import ssim

__all__ = [
    "CANDIDATES",
    "EXTRACTION",
    "FORMER",
    "FOUND",
    "FURTHER",
    "IDENTIFIED",
    "PERCEIVED",
    "PROTOCOL",
    "Further",
    "PerImage",
    "Scores",
    "conversions",
    "cosines",
    "further",
    "identified",
    "means",
    "protocol_digest",
    "roc",
    "score",
    "ssim",
]
