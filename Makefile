# The first run of a target makes .venv and installs the package into it; later runs use it again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DOCS_READY := $(VENV)/.docs-ready
BROWSER := $(VENV)/.browser

.PHONY: help install demo emulator test test-emulator test-faults test-fuzz test-crash test-stack test-cluster test-floor test-matrix test-wheel test-page test-ui bench bench-emulator bench-inlet bench-waits lint dist docs format constraints clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

install: $(READY) ## make .venv and install the package into it

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 10) and f"Python 3.11 or newer is needed, {sys.executable} is {v[0]}.{v[1]}: make PYTHON=python3.12 $(MAKECMDGOALS)" or 0)'
	@echo "Installing into $(VENV); this takes about a minute, once."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --constraint constraints.txt --editable '.[emulator,parquet,test]'
	@touch $(READY)

# No browser is downloaded: that of the machine is driven.
$(BROWSER): $(READY)
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --quiet --constraint constraints.txt --editable '.[browser]'
	@touch $(BROWSER)

demo: $(READY) ## run the onboarding DAGs through Airflow against an emulator, and show what they made
	@$(BIN)/python -m tests.demo

emulator: $(READY) ## start an emulator that stays until Ctrl-C
	@$(BIN)/flowservice-emulator --port 8765 --log-level info

# Several processes share the files of tests; so do those of tests/environments.py.
test: $(READY) ## run the tests
	@$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile

# With AEP_CONTRACT_DIR, a folder that has Adobe's OpenAPI files in openapi/, they are checked too.
test-emulator: $(READY) ## let Adobe's own client and API descriptions, and a fuzzer, find what is wrong with the emulator
	@$(BIN)/python -m pytest -m acceptance tests/acceptance

# THIRD=1 to 3 on the command line reaches test-faults and test-crash through the environment: they run that third.
test-faults: $(READY) ## put every fault in the way of every operator and sensor; THIRD=1 to 3: a third of them
	@$(BIN)/python -m pytest -m faults --quiet tests/faults

test-fuzz: $(READY) ## let AEP send thousands of malformed responses to every request, operator and sensor
	@$(BIN)/python -m pytest -m fuzz --quiet tests/fuzz

test-crash: $(READY) ## kill the onboarding DAGs at every HTTP exchange, and count what is there then; or THIRD=1 to 3
	@$(BIN)/python -m pytest -m crash --capture=no tests/crash
	@THIRD=$(or $(THIRD),1) $(BIN)/python -m tests.environments floor -- -m crash --capture=no tests/crash

test-stack: $(READY) ## the same at some points of a whole Airflow with its servers and workers, on PostgreSQL
	@$(BIN)/python -m tests.support.postgresql
	@$(BIN)/python -m tests.support.watched $(BIN)/python -m pytest -m stack tests/crash tests/stack

test-cluster: $(READY) ## run DAGs on CeleryExecutor with two workers, Redis and PostgreSQL, and kill a worker
	@$(BIN)/python -m tests.support.postgresql
	@$(BIN)/python -m tests.support.redis
	@$(BIN)/python -m tests.support.watched $(BIN)/python -m tests.environments cluster -- -m cluster tests/cluster

test-floor: $(READY) ## run the tests on the oldest Airflow and Python, with the packages of that Airflow's day
	@$(BIN)/python -m tests.environments floor

test-matrix: $(READY) ## run the tests on every version of Airflow and Python, and on the lowest versions allowed
	@$(BIN)/python -m tests.environments

test-wheel: $(READY) ## install the wheel into an environment of its own: Airflow discovers the provider, and DAGs run
	@$(BIN)/python -m pytest -m wheel tests/testing

# SCREENSHOTS=DIR keeps what the page looks like.
test-page: $(BROWSER) ## look at the emulator's page in Chromium: wide, narrow, light and dark
	@$(BIN)/python -m tests.support.browser
	@$(BIN)/python -m pytest -m browser tests/emulator/browser

test-ui: $(BROWSER) ## use Airflow's web UI in Chromium as a user does; build/ui keeps what it looks like
	@$(BIN)/python -m tests.support.browser
	@$(BIN)/python -m tests.support.postgresql
	@$(BIN)/python -m tests.support.watched $(BIN)/python -m pytest -m ui tests/ui

lint: $(READY) ## check style, types and import directions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(READY) ## measure what importing the operators and sensors costs, beside other providers
	@$(BIN)/python -m tests.benchmarks.import_cost

bench-emulator: $(READY) ## measure how fast the emulator starts, serves reads of a busy sandbox, and its page; on Linux
	@$(BIN)/python -m tests.benchmarks.emulator

# wrk and aepp are measured too if they are installed: apt-get install wrk, .venv/bin/pip install aepp.
bench-inlet: $(READY) ## measure how fast records are posted, beside other ways to do it; some minutes, on Linux
	@$(BIN)/python -m tests.benchmarks.inlet

bench-waits: $(READY) ## measure what ten thousand waits in one triggerer and a report on many runs cost; five minutes, on Linux
	@$(BIN)/python -m tests.benchmarks.waits

dist: $(READY) ## build what is uploaded for a release into dist/, and check it
	@$(BIN)/python -m tests.dist

# Its packages are in .venv, too, because the reference is made from what can be imported there.
docs: $(DOCS_READY) ## build the documentation site into build/docs, and check its links
	@$(BIN)/python -m tests.docs

$(DOCS_READY): $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@touch $(DOCS_READY)

format: $(READY) ## fix the style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# What was newer than a date did not exist in that day's Airflow. The lowest versions go with an Airflow that was
# installed with packages of its day: of a later day, some no longer work with it.
RESOLVE := uv pip compile --python-version 3.11 --upgrade --no-emit-index-url --no-annotate --no-header --quiet --extra emulator --extra parquet pyproject.toml -
IN_MARCH := --exclude-newer 2026-03-20
IN_MAY := --exclude-newer 2026-05-30

constraints: ## resolve the constraints files anew; needs uv
	echo 'apache-airflow' | $(RESOLVE) --output-file constraints.txt --extra test --extra browser --universal
	printf 'apache-airflow-providers-celery\nredis\n' | $(RESOLVE) --output-file constraints-cluster.txt --extra test --universal --constraint constraints.txt
	echo 'apache-airflow==3.2.2' | $(RESOLVE) --output-file constraints-3.2.txt --extra test $(IN_MAY)
	echo 'apache-airflow==3.1.8' | $(RESOLVE) --output-file constraints-floor.txt --extra test $(IN_MARCH)
	echo 'apache-airflow==3.1.8' | $(RESOLVE) --output-file constraints-lowest.txt --resolution lowest-direct $(IN_MARCH)

clean: ## remove what was built
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
