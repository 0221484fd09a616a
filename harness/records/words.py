"""The words that records are written in; `attacks` uses the same ones, and a test holds the two equal."""

from typing import Literal

State = Literal["complete", "failed", "partial", "pruned"]
"""How a trial ended."""

Verdict = Literal["tight", "open", "floor", "inert", "diverged", "failed", "converged", "limited"]
"""How an attack ended; ``converged`` and ``limited`` are the words of 0.1."""

Half = Literal["images", "width"]
"""Of what an attack has half, so that the gain of the whole is known: the attacker's images, its network's width."""

Knowledge = Literal["queries", "gradients", "none"]
"""What an attack may do with the client."""

Kind = Literal["reconstruction", "probe"]
"""Whether an attack reconstructs images, which gives objectives, or measures another leakage."""

Precision = Literal["float32", "bfloat16"]
"""What autocast uses where a network is trained and attacked."""
