# Status Ledger. `make help` lists what there is; every target sets up what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
# With the extras: pip takes `a[b]` that is not in the lock for another package, whose newest release has no hash.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-header --no-annotate pyproject.toml
POSTGRES ?= 15

# A file's tests stay together: they share what its fixtures make. Every worker has a PostgreSQL of its own.
SPREAD := --numprocesses auto --dist loadfile --no-loadscope-reorder # files of few tests are the long ones: not last

# An environment of its own: checkov alone brings a hundred packages. What the provider's package asks for is
# left out (--no-deps): only its schema is read.
INFRA := .venv-infra
INFRA_LOCK := infra/checks/requirements.txt
INFRA_SET_UP = { [ $(INFRA)/.ready -nt $(INFRA_LOCK) ] || { $(PYTHON) -m venv --clear $(INFRA) && $(BIN)/uv pip install --quiet --python $(INFRA)/bin/python --no-deps --require-hashes --requirement $(INFRA_LOCK) && touch $(INFRA)/.ready; }; }

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(READY) ## Set everything up and serve on http://127.0.0.1:8000, on a PostgreSQL of its own
	$(BIN)/status-ledger init
	$(BIN)/status-ledger migrate
	$(BIN)/status-ledger serve

.PHONY: demo
demo: $(READY) ## Watch a fresh service hear 300 simulated messages, and verify what it says (SEED=7)
	$(BIN)/python -m ledger.demo $(if $(SEED),--seed $(SEED))

.PHONY: test
test: $(READY) ## Run the tests but the slow ones, on PostgreSQL 18
	$(BIN)/python -m pytest -m 'not slow' $(SPREAD)

.PHONY: test-all
test-all: $(READY) ## Run every test, with many more examples, on PostgreSQL 18 and on Debian's (POSTGRES=15)
	$(BIN)/python -m pytest --hypothesis-profile full $(SPREAD)
	$(BIN)/python -m pytest tests/integration tests/end_to_end --postgres $(POSTGRES) $(SPREAD)

CHAOS_RESULTS := .chaos
CHAOS_TESTS = tests/end_to_end/chaos $(if $(ONLY),-k "$(ONLY)")

.PHONY: chaos
chaos: $(READY) ## Every fault under load, one table (SEED=8, ONLY="a or b"; RECORD=1: into docs/reliability.md)
	$(if $(ONLY),,rm -rf $(CHAOS_RESULTS))
	CHAOS=full CHAOS_SEED=$(or $(SEED),8) CHAOS_RESULTS=$(CURDIR)/$(CHAOS_RESULTS) $(BIN)/python -m pytest $(CHAOS_TESTS); \
	failed=$$?; $(BIN)/python -m tests.end_to_end.chaos.report $(CHAOS_RESULTS) $(if $(RECORD),--into docs/reliability.md); exit $$failed

.PHONY: check
check: $(READY) ## Check style, types, imports, SQL and migrations
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/squawk --config .squawk.toml migrations/sql/*.up.sql
	$(BIN)/python -m pytest --quiet tests/integration/ledger/test_migrations.py tests/integration/eventstore/test_statements.py
	@$(MAKE) --no-print-directory check-infra

.PHONY: check-infra
check-infra: $(READY) ## Check infrastructure, pipelines and container; nothing is asked of Azure
	@if $(INFRA_SET_UP); then $(INFRA)/bin/python -m pytest -c infra/checks/pytest.ini --quiet -rs infra/checks; \
	elif [ -n "$$CI" ]; then exit 1; \
	else echo "check-infra: skipped, for its packages could not be installed"; fi

.PHONY: bench
bench: $(READY) ## Measure the service beside its limits, in 3 minutes (FULL=1 takes longer; needs wrk)
	$(BIN)/python -m benchmarks $(if $(FULL),--full) $(ROWS)

.PHONY: lock
lock: $(READY) ## Lock the dependencies of pyproject.toml anew, for every Python from 3.11
	$(LOCK) --upgrade --group build --extra azure --extra otlp -o requirements.txt
	$(LOCK) --upgrade --group dev --extra azure --extra embedded --extra otlp --extra parquet -o requirements-dev.txt
	$(subst pyproject.toml,infra/checks/requirements.in,$(LOCK)) --upgrade $(patsubst %,--no-emit-package %,cdktf constructs jsii) -o $(INFRA_LOCK)
	$(subst pyproject.toml,benchmarks/peers/requirements.in,$(LOCK)) --upgrade -o benchmarks/peers/requirements.txt
	$(subst pyproject.toml,--group pyproject.toml:styles,$(LOCK)) --upgrade -o requirements-npm.txt

.PHONY: styles
styles: ## Fetch the styles of the auditors' pages, and what tests them; part of every set-up
	@npm --version >/dev/null 2>&1 || $(PIP) --requirement requirements-npm.txt
	@PATH="$$PATH:$(CURDIR)/$(BIN)" npm ci --loglevel=error

.PHONY: clean
clean: ## Remove what `make` set up, but neither .env nor .data
	rm -rf $(VENV) $(INFRA) node_modules benchmarks/peers/installed

$(READY): requirements-dev.txt pyproject.toml package-lock.json
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or later is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --requirement requirements-dev.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@$(MAKE) --no-print-directory styles || echo "The styles of the auditors' pages could not be fetched: they are plain HTML until \`make styles\` succeeds."
	@touch $@
