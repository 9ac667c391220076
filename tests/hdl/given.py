"""The geometry that a bench is run with, as ``simulate`` gives it."""

import json
import os

from ndrite.emulator.spec import Geometry

GEOMETRY = Geometry(**json.loads(os.environ["GEOMETRY"]))
