"""What must be true of each example, in the order in which they are carried out."""

from __future__ import annotations

from tests.e2e.reference.jobs import ENDING, HOLDING, MAKING, RUNNING
from tests.e2e.reference.reads import ASKING, WHILE_IT_RUNS
from tests.e2e.reference.words import WORDS

CHECKS = WORDS | MAKING | HOLDING | ASKING | WHILE_IT_RUNS | RUNNING | ENDING
