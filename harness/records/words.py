"""The words that records are written in; `attacks` uses the same ones, and a test holds the two equal."""

from typing import Literal

State = Literal["complete", "failed", "partial", "pruned"]
"""How a trial ended."""

Verdict = Literal["converged", "limited", "floor", "diverged", "failed"]
"""How an attack ended."""

Knowledge = Literal["queries", "gradients", "none"]
"""What an attack may do with the client."""

Kind = Literal["reconstruction", "probe"]
"""Whether an attack reconstructs images, which gives objectives, or measures another leakage."""

Precision = Literal["float32", "bfloat16"]
"""What autocast uses where a network is trained and attacked."""
