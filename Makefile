# What a developer types. Every target may be run again at any time, asks nothing, and says what it does.
#   make PYTHON=python3.12 ...   use that interpreter (3.11 or later) for a new .venv
#   make run ARGS='...'          pass arguments on to `clutch run`; likewise for bench
#   make PACKAGES=true ...       do not look for Debian packages

PYTHON ?= python3
PACKAGES ?= .ci/packages
ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
LISTS := native/debian-packages.txt $(if $(filter test bench fuzz sanitize,$(MAKECMDGOALS)),tests/debian-packages.txt)
# What an editable install has built in; all other Python is read where it lies.
BUILT := pyproject.toml $(shell find native -name '*.[ch]' -o -name '*.py')

.PHONY: help run test lint bench fuzz sanitize clean packages

help:
	@echo 'make run     start a node: SIP on 127.0.0.1:5060, status on 127.0.0.1:8080'
	@echo 'make test    lint, type-check and run every test'
	@echo 'make lint    lint and type-check only'
	@echo 'make bench   measure what a call costs on this machine'
	@echo 'make fuzz    throw random input at everything that reads from the network: ARGS="seconds target..."'
	@echo 'make sanitize  the C tests, under address, undefined and thread sanitizers'
	@echo 'make clean   remove .venv, what was built and every cache; recordings in data/ stay'

run: .venv/.run
	@exec $(BIN)/clutch run $(ARGS)

test: lint .venv/.peers
	@echo 'test: pytest, first what computes, then what waits: calls in real time need a calm machine'
	@$(BIN)/pytest -q -n auto --dist worksteal -m 'not realtime'
	@$(BIN)/pytest -q -n 3 --dist worksteal -m realtime

lint: .venv/.test
	@echo 'lint: ruff, mypy'
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy

bench: .venv/.test .venv/.peers
	@$(BIN)/python -m tests.bench $(ARGS)

fuzz: .venv/.test
	@CC=clang $(BIN)/python -m tests.native.fuzz $(ARGS)
	@$(BIN)/python -m tests.wire.moqt_fuzz $(ARGS)

sanitize: .venv/.test
	@$(BIN)/pytest -q tests/native/test_c_programs.py tests/native/test_fuzz.py

clean:
	@echo 'clean: removing .venv, build output and caches'
	@rm -rf .venv build dist native/*.so .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find actors clutch native tests docs -name __pycache__ -prune -exec rm -rf {} +

packages:
	@$(PACKAGES) $(LISTS)

$(BIN)/pip: | packages
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'venv: clutch needs Python 3.11 or later, and $(PYTHON) is not; try: make PYTHON=python3.12 ...' >&2; \
		exit 1; }
	@echo "venv: making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv || { \
		rm -rf .venv; \
		echo 'venv: $(PYTHON) cannot make one; on Debian its ...-venv package is missing' >&2; \
		exit 1; }

.venv/.run: $(BUILT) | packages $(BIN)/pip
	@echo 'install: clutch, its media plane and what they need'
	@$(PIP) install -e .
	@touch $@

.venv/.test: $(BUILT) | packages $(BIN)/pip
	@echo 'install: clutch, its media plane and what their tests need'
	@$(PIP) install -e '.[test]'
	@touch .venv/.run $@

.venv/.peers: tests/peer-packages.txt .ci/peers | $(BIN)/pip
	@echo 'install: peers to test against, in .venv/peers'
	@.ci/peers .venv/peers tests/peer-packages.txt
	@touch $@
