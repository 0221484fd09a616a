"""Passports: what a trial claims, with its networks and its evidence, to be attacked elsewhere.

This door needs no torch: `passports.making`, which writes them from a study, and `passports.reattack` are imported by
name.
"""

from harness.passports.attacks import Attacks, Held, add_attack, file_of, held_against, read_attacks, standing
from harness.passports.claim import FORMAT, Claim, claim_of
from harness.passports.evidence import Evidence
from harness.passports.passport import Passport, read_passport, write_passport

__all__ = [
    "FORMAT",
    "Attacks",
    "Claim",
    "Evidence",
    "Held",
    "Passport",
    "add_attack",
    "claim_of",
    "file_of",
    "held_against",
    "read_attacks",
    "read_passport",
    "standing",
    "write_passport",
]
