# `make quickstart` and `make test` each take a fresh machine with Python 3.11 or newer to their end.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= runs
TRIALS ?=
CONSTRAINTS ?= constraints.txt

.PHONY: quickstart example test test-slow chaos bench gpu lint types imports install constraints clean

quickstart: install
	$(BIN)/invfront run quickstart --out $(OUT) $(if $(TRIALS),--trials $(TRIALS))

# The page of README's result, from its ledger.
example: install
	mkdir -p $(OUT)/example
	cp -r reports/examples/cifar10-small $(OUT)/example
	$(BIN)/invfront report $(OUT)/example/cifar10-small

test: install
	$(BIN)/python -m tests

test-slow: install
	$(BIN)/pytest -m slow --timeout=3600

# Real kills; tests/chaos/README.md. Several runs add up.
chaos: install
	$(BIN)/python -u -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(KILLS),--kills $(KILLS)) $(if $(STUDIES),--studies $(STUDIES))

bench: install
	$(BIN)/pytest tests --override-ini='python_files=bench_*.py' --override-ini='addopts=--strict-markers -s' --benchmark-only

# Needs no network: where nothing is installed, the Python that has torch is asked, as `make gpu PYTHON=python`.
gpu:
	$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) -m tests.gpu

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports

install: $(VENV)/installed

# Compiled on all cores, where pip takes one; where Python may not write bytecode, each process would compile anew.
# Tests of packages are left out, and what a package ships that is no Python 3 is no failure.
$(VENV)/installed: pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "invfront needs Python 3.11 or newer; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check $(addprefix --constraint ,$(CONSTRAINTS)) --editable '.[dev]'
	@$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib || true
	@touch $@

# What $(VENV) holds now, less what torch's own release fixes. To move to newer releases, before it:
# `make clean` and `make test CONSTRAINTS=`.
constraints: install
	{ grep '^#' constraints.txt; $(BIN)/python -m pip freeze --all --exclude pip --exclude-editable | \
		sed 's/+.*//' | grep -vE '^((cuda|nvidia)-|triton==)'; } > $(VENV)/constraints.txt
	mv $(VENV)/constraints.txt constraints.txt
	@touch $(VENV)/installed

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
