"""Learning in situ: a chip whose weights are pulsed, prepared for the golden model and for boards."""

from emulator.learning.insitu.course import Course, follow, load_course, save_course
from emulator.learning.insitu.laws import devices_of
from emulator.learning.insitu.learned import LearnedChip, learned
from emulator.learning.insitu.plan import THRESHOLDS, Plan, Prepared, prepare
