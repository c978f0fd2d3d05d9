# `make run` starts the farm from a fresh clone; `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help run demo test soak lint bench lock

python := .venv/bin/python

help: ## this list
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):[^#]*## */  make \1\t/' | expand -t 16

# One line with exec: the farm takes the shell's place, and signals reach it.
run: ## the embedded farm with one worker on FARM_BIND:FARM_PORT (127.0.0.1:8000)
	@.ci/venv run && exec $(python) manage.py embedded

demo: ## a handful of jobs for the running farm
	@.ci/venv run && exec $(python) manage.py demo

test: ## lint and every test (installs the programs they drive when root on Debian)
	@.ci/venv test && .ci/services && exec .ci/test $(ARGS)

# What tries random input: each takes FARM_EXAMPLES as its number of calls.
soaked := tests/farm/test_schemathesis.py tests/farm/test_wrong_values.py tests/qbcore/test_model.py

soak: ## the tests of random input, FARM_EXAMPLES (2000) calls for each; FARM_ROUNDS (200) rounds of random faults
	@.ci/venv test && .ci/services
	FARM_EXAMPLES=$${FARM_EXAMPLES:-2000} $(python) -m pytest -q -o timeout=0 -n 2 $(soaked) $(ARGS)
	$(python) -m tests.faults --rounds $${FARM_ROUNDS:-200} --keep-going

lint: ## style, types, migrations, the laws of the architecture
	@.ci/venv test
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	$(python) manage.py makemigrations --check --dry-run
	$(python) manage.py check
	$(python) -m pytest -q tests/test_architecture.py tests/test_docs.py

bench: ## figures against their floors, on private PostgreSQL and Redis; EMBEDDED=1 on SQLite
	@.ci/venv test
	$(if $(EMBEDDED),,$(python) tests/servers.py --) $(python) bench/run.py $(ARGS)

# No addresses in the locks: where packages come from is the installer's business.
pin := uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-annotate --no-header

lock: ## pin requirements.lock and requirements-test.lock anew (needs uv)
	@command -v uv >/dev/null || { echo 'make lock needs uv: install it with `pipx install uv`.' >&2; exit 2; }
	$(pin) pyproject.toml -o requirements.lock
	$(pin) --group test -c requirements.lock pyproject.toml -o requirements-test.lock
