# make demo   shows a save in Stash arriving in Plex, with both servers played by stand-ins
# make test   lint, types and the whole test suite; Stash's pages in a browser where Chromium and npm are there
# make bench  measures speed and memory (docs/performance.md); JSON=FILE says where the figures go
# make test-windows  runs the suite with a Windows Python under Wine; TESTS=... chooses tests
# make lock   writes requirements.lock anew; make audit asks whether something in it is known to be unsafe
# make package      builds what Stash's plugin manager installs, of the current commit, in build/source
# make demo-source  builds it, and serves it on this machine, so that a Stash here can install it
# Each sets up all it needs in .venv and build on the first run. PYTHON chooses the Python (3.11 or newer).

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$python; break; fi; done)
BIN := .venv/bin
JSON ?= build/bench.json
# One more than there are cores: many tests wait for processes.
JOBS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)' 2>/dev/null || echo auto)
# Who has nothing left takes tests from others: without it one process is alone with a browser at the end, for a minute.
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

BROWSER := package.json package-lock.json .npmrc

.PHONY: help setup browser demo test test-windows coverage bench package demo-source lock audit lint-workflows lint clean

help:
	@sed -n 's/^# //p' Makefile | head -8

setup: .venv/ready

.venv/ready: requirements.txt requirements-dev.txt
	@test -n "$(PYTHON)" || { echo "PlexSync needs Python 3.11 or newer with its venv module; set PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch .venv/ready

# What the tests in a browser need beside it. They are left out where something is missing, unless
# PLEXSYNC_BROWSER=required: then they fail.
browser: build/browser/ready
	@command -v "$${CHROMIUM:-chromium}" >/dev/null || echo "no chromium: the tests in a browser are left out"

build/browser/ready: $(addprefix tests/browser/,$(BROWSER))
	@mkdir -p build/browser && cp $^ build/browser/
	@if ! command -v npm >/dev/null; then echo "no npm: the tests in a browser are left out"; \
	elif (cd build/browser && npm ci --ignore-scripts --loglevel=error >/dev/null); then touch $@; \
	else echo "npm cannot install its packages: the tests in a browser are left out"; fi

demo: setup
	$(BIN)/python -m tests.demo

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet . || { echo "run: $(BIN)/ruff format ."; exit 1; }
	$(BIN)/mypy

test: lint browser
	$(PYTEST)

test-windows: setup
	$(BIN)/python -m tests.windows $(TESTS)

# Counting lines makes the suite a third slower, so not with every run.
coverage: setup browser
	$(PYTEST) --cov --cov-report=
	$(BIN)/python -m coverage report --fail-under=85

bench: setup
	$(BIN)/python -m tests.benchmarks --json $(JSON)

package: setup
	$(BIN)/python .ci/package.py

demo-source: setup
	$(BIN)/python .ci/package.py --serve

build/tools/ready:
	$(PYTHON) -m venv build/tools
	build/tools/bin/python -m pip install --quiet --disable-pip-version-check uv pip-audit
	@touch $@

# For every Python and system at once.
lock: build/tools/ready
	build/tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
		--no-header --no-annotate --no-emit-index-url --output-file build/lock.txt requirements.txt
	@{ echo "# What was tested. \"make lock\" writes it anew."; cat build/lock.txt; } > requirements.lock

audit: build/tools/ready
	@build/tools/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock 2>build/audit.txt || { \
		tail -n 1 build/audit.txt; echo "make audit: see above; where the database cannot be reached, nothing is known"; exit 1; }

# "go install" puts it where few shells look.
lint-workflows:
	@PATH="$$PATH:$$(go env GOPATH 2>/dev/null)/bin"; command -v actionlint >/dev/null || { \
		echo "no actionlint: go install github.com/rhysd/actionlint/cmd/actionlint@latest"; exit 1; }; \
	actionlint

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* build
