"""The demo: one shipped network as floats, on the golden model and in the RTL; numbers and a picture.

Imports emulator, boards and host; matplotlib only inside the picture.
"""

from ndrite.demo.run import Demo, run_demo

__all__ = ["Demo", "run_demo"]
