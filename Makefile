# Every target creates what it needs: the virtual environment and its packages, from pyproject.toml.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
FPGA_STAMP := $(VENV)/.installed-fpga
WORKERS ?= 2
SHARED := -n $(WORKERS) --dist worksteal
# Where nothing may write bytecode, every process compiles all it imports again: a quarter of a test run.
unexport PYTHONDONTWRITEBYTECODE
QUICK := -m "not slow and not long" -k "not exporter" --ignore=tests/host/pcie tests/emulator tests/host tests/ndrite tests/boards/test_golden.py tests/boards/test_sizing.py tests/boards/test_fpga.py

.PHONY: help doctor demo quick test test-lowest test-long test-trust test-release test-spice release test-hdl test-pairs pictures docs fuzz prove mutants audit test-gates test-ethernet check-pnr package pages lint types format clean compiler

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

doctor: ## what this machine has and lacks, and what each is for; needs nothing installed
	@$(PYTHON) .ci/doctor.py

demo: compiler $(RUN_STAMP) ## real images through golden model and compiled RTL; table and picture
	$(BIN)/ndrite demo

quick: $(DEV_STAMP) ## what needs no compiled board and no minute: emulator, host, commands, golden board
	$(BIN)/python -m pytest $(SHARED) $(QUICK)

test-lowest: ## `make quick` with the oldest version of every package that pyproject.toml accepts
	$(PYTHON) -m venv $(VENV)-lowest && $(VENV)-lowest/bin/pip install --quiet uv
	$(VENV)-lowest/bin/uv pip install --quiet --python $(VENV)-lowest/bin/python --resolution lowest-direct -e '.[dev,train,mnist,sklearn,sweep]'
	$(VENV)-lowest/bin/python -m pytest $(SHARED) $(QUICK)

test: compiler $(DEV_STAMP) ## the test suite on $(WORKERS) workers, without what compiles for minutes
	$(BIN)/python -m pytest $(SHARED) --durations=15 -m "not long"

test-long: compiler $(DEV_STAMP) ## the rest of it: every other geometry and board, whole networks, long proofs without injected bugs
	$(BIN)/python -m pytest $(SHARED) --durations=15 -m long -k "not injected_bug"

test-trust: compiler $(DEV_STAMP) ## faults on the link and fuzzing at length; prints what was counted
	NDRITE_TRUST=30 $(BIN)/python -m pytest tests/trust

FUZZ_SECONDS ?= 60
fuzz: $(DEV_STAMP) ## coverage-guided fuzzing of every parser, FUZZ_SECONDS each
	$(BIN)/pip install --quiet -e '.[fuzz]'
	for target in packets program manifest network chip measurements idx plan; do \
	$(BIN)/python -m tests.trust.fuzz.run $$target --seconds $(FUZZ_SECONDS) || exit 1; done

prove: $(FPGA_STAMP) ## every proof, each shown to find a bug; prints what is proved and how far
	$(BIN)/pip install --quiet -e '.[prove]'
	$(BIN)/python -m pytest tests/proofs

FILE ?= emulator/spec/arithmetic.py
SEED ?= 1
mutants: compiler $(DEV_STAMP) ## changes that no test notices: of FILE by TESTS, listed ones of a folder (FILE=hdl), or SAMPLE=400 drawn by SEED
	$(BIN)/pip install --quiet -e '.[mutants]'
	$(BIN)/python -m tests.trust.mutants $(if $(SAMPLE),--sample $(SAMPLE) --seed $(SEED) --workers $(WORKERS) $(if $(PACKAGE),--package $(PACKAGE)),$(FILE) $(TESTS))

audit: $(DEV_STAMP) ## known vulnerabilities of what is installed (asks the package index; says what it could not ask)
	$(PYTHON) -m venv $(VENV)-audit && $(VENV)-audit/bin/pip install --quiet pip-audit
	$(VENV)-audit/bin/pip-audit --progress-spinner off --path $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

test-hdl: compiler $(DEV_STAMP) ## every core of tests/hdl against the golden model, those too that `make test` leaves out
	NDRITE_HDL=1 $(BIN)/python -m pytest $(SHARED) tests/hdl/test_core.py tests/hdl/test_geometries.py tests/system/test_overlap.py

test-pairs: compiler $(DEV_STAMP) ## forty random geometries against twenty-five random programs each; prints what was covered
	NDRITE_PAIRS=40x25 $(BIN)/python -m pytest -s tests/system/test_pairs.py

test-gates: compiler $(FPGA_STAMP) ## netlists of cores, and of devices with maps, in ECP5 and iCE40 cells against the golden model
	NDRITE_GATES=1 $(BIN)/python -m pytest tests/boards/test_gates.py tests/boards/test_cells.py

test-release: compiler $(DEV_STAMP) ## wheel and sdist in empty environments, the tutorial, LeNet-5 on 20 images, notebooks
	$(BIN)/pip install --quiet -e '.[release,notebooks,train,onnx,import-check]'
	NDRITE_RELEASE=1 NDRITE_LENET5=20 $(BIN)/python -m pytest tests/release tests/system/test_lenet5.py
	$(BIN)/python examples/notebooks/run.py

test-spice: $(DEV_STAMP) ## a whole 128 x 128 product of a die, twenty samples, against ngspice; a quarter of an hour
	NDRITE_SPICE=20 $(BIN)/python -m pytest tests/ndrite/test_export.py -k whole_array

release: compiler $(DEV_STAMP) ## walk the release's checklist: version, lint, tests, wheel and sdist in empty environments
	$(BIN)/pip install --quiet -e '.[release]'
	$(BIN)/python .ci/release.py

package: $(RUN_STAMP) ## wheel and sdist: checked, installed in empty environments, the first accuracy timed
	$(BIN)/python .ci/release.py package

pages: $(DEV_STAMP) ## fill numbers and tables of every page from the committed runs
	$(BIN)/python -m studies --fill

pictures: compiler $(DEV_STAMP) ## the documentation's pictures of pages, and its terminal cast
	$(BIN)/pip install --quiet -e '.[sweep,import-check]'
	$(BIN)/python .ci/pictures.py docs/images

docs: $(DEV_STAMP) ## the documentation site, build/site/index.html; a warning is an error
	$(BIN)/pip install --quiet -e '.[docs]'
	$(BIN)/python -m ndrite.boards.reference > docs/reference.md
	$(BIN)/python -m mkdocs build --strict

test-pcie: compiler $(DEV_STAMP) ## the PCIe endpoint and driver against an independent root complex, every combination
	NDRITE_PCIE=all $(BIN)/python -m pytest tests/hdl/pcie tests/host/pcie

test-ethernet: compiler $(DEV_STAMP) ## RGMII pins, frames and the driver through them, datagram faults at length
	NDRITE_TRUST=30 $(BIN)/python -m pytest tests/hdl/ethernet tests/host/test_udp.py tests/system/test_udp.py tests/trust/test_faults.py

CHECKED := ulx3s-25f ulx3s-85f
check-pnr: $(FPGA_STAMP) ## place and route a small and a large board; fails when slower or larger than committed
	rm -rf $(CHECKED:%=build/check/%)
	for board in $(CHECKED); do $(BIN)/ndrite board build $$board --output build/check/$$board; done
	$(BIN)/python -m ndrite.boards.fpga.commit --check $(CHECKED:%=build/check/%)

lint: $(DEV_STAMP) types ## style, format, layering rule, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(DEV_STAMP) ## mypy
	$(BIN)/mypy

format: $(DEV_STAMP) ## rewrite the sources in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the virtual environment and every cache of this folder
	rm -rf $(VENV) build dist sim_build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The simulated board is C++: say so before ten minutes of installation, not after.
compiler:
	@for c in "$$CXX" g++ clang++; do if [ -n "$$c" ] && command -v $${c%% *} >/dev/null 2>&1; then exit 0; fi; done; \
	if [ -x $(BIN)/python ] && $(BIN)/python -c 'import ziglang' 2>/dev/null; then exit 0; fi; \
	echo "make: no C++ compiler found. Install one (Debian: apt install g++; Fedora: dnf install gcc-c++;" >&2; \
	echo "macOS: xcode-select --install), or: make $(RUN_STAMP) && $(BIN)/pip install ziglang" >&2; exit 1

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "make: $(PYTHON) is older than Python 3.11; use: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(DEV_STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(RUN_STAMP)

$(FPGA_STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev,fpga]'
	@touch $@ $(DEV_STAMP) $(RUN_STAMP)
