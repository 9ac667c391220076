"""Learning in situ: prepares a chip whose weights are changed by pulses, for the golden
model and for boards."""

from ndrite.emulator.learning.insitu.course import Course, follow, load_course, save_course
from ndrite.emulator.learning.insitu.device import (
    IMPROVEMENTS,
    Place,
    improved,
    law_of_weights,
    place_of,
    placed,
)
from ndrite.emulator.learning.insitu.exact import float_network
from ndrite.emulator.learning.insitu.laws import devices_of
from ndrite.emulator.learning.insitu.learned import LearnedChip, learned
from ndrite.emulator.learning.insitu.plan import Plan, Prepared, prepare
from ndrite.emulator.learning.insitu.rules import OF_RULES, THRESHOLDS, fields_of_rule
