"""The study file: what it may say, how it is read and checked, and what makes two studies the same one."""

from harness.study.distributions import Choices, Distribution, Range, Setting, alike
from harness.study.identity import elsewhere, first_difference
from harness.study.load import load_study
from harness.study.overrides import refuse_others
from harness.study.sections import Resources, Share
from harness.study.space import Entries, Space
from harness.study.study import Study

__all__ = [
    "Choices",
    "Distribution",
    "Entries",
    "Range",
    "Resources",
    "Setting",
    "Share",
    "Space",
    "Study",
    "alike",
    "elsewhere",
    "first_difference",
    "load_study",
    "refuse_others",
]
