"""What each kernel costs, from the tensors that it reads and writes.

Keyed by operator, as a dispatch mode sees it. The definitions are those of docs/conventions.md and of
`flopcalc.cost.parts`; they are written here a second time, on tensors, so that the one can be checked
against the other. Each kernel has a kind of work as well, the `work` of a `Part`, by which conventions fold.
"""

from flopcalc.pytorch.counting.kernels.table import FREE, RULES, work_kind_of, work_of
from flopcalc.pytorch.counting.kernels.work import UNKNOWN, Answer, Work, elements, new_work, tensors

__all__ = ["FREE", "RULES", "UNKNOWN", "Answer", "Work", "elements", "new_work", "tensors", "work_kind_of", "work_of"]
