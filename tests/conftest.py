"""What holds for every test."""

from __future__ import annotations

import signal

# A job in the background has SIGINT ignored, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
