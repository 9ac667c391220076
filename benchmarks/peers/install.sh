#!/bin/sh
# The simulators that benchmarks/campaign.py compares with, in a virtual environment of their own.
# usage: benchmarks/peers/install.sh FOLDER
set -eu
python3 -m venv "$1"
"$1/bin/pip" install --quiet "numpy<3" "torch>=2.2" "aihwkit-lightning==2.1.0" "analoglib==0.1.0"
"$1/bin/pip" list | grep -iE "torch|aihwkit|analoglib|numpy"
