# `make quickstart` and `make test` each take a fresh machine with Python 3.11 or newer to their end.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= runs

.PHONY: quickstart test test-slow bench lint types imports install clean

quickstart: install
	$(BIN)/invfront run quickstart --out $(OUT)

test: install
	$(BIN)/pytest -m "not slow"

test-slow: install
	$(BIN)/pytest -m slow --timeout=3600

bench: install
	$(BIN)/pytest tests --override-ini='python_files=bench_*.py' --override-ini='addopts=--strict-markers -s' --benchmark-only

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "invfront needs Python 3.11 or newer; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
