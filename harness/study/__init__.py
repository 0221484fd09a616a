"""The study file: what it may say, how it is read and checked, and what makes two studies the same one."""

from harness.study.borrowing import borrowed_lines
from harness.study.distributions import Choices, Distribution, Range, Setting, alike
from harness.study.edited import by_hand, refuse_edited
from harness.study.identity import Difference, elsewhere, first_difference
from harness.study.load import load_study, load_text
from harness.study.overrides import refuse_others
from harness.study.sections import Resources
from harness.study.share import Share
from harness.study.space import Entries, Space
from harness.study.study import Study
from harness.study.widening import UNINFORMED, WIDENED, widened

__all__ = [
    "UNINFORMED",
    "WIDENED",
    "Choices",
    "Difference",
    "Distribution",
    "Entries",
    "Range",
    "Resources",
    "Setting",
    "Share",
    "Space",
    "Study",
    "alike",
    "borrowed_lines",
    "by_hand",
    "elsewhere",
    "first_difference",
    "load_study",
    "load_text",
    "refuse_edited",
    "refuse_others",
    "widened",
]
