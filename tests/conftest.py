"""What holds for every test."""

from __future__ import annotations

import gc
import signal

# A job in the background has SIGINT ignored, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Designs and arrays live long: looking for garbage among them again and again is a twelfth of a run.
gc.set_threshold(50_000, 20, 100)
