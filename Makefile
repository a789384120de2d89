# Everything sets itself up: `make demo` and `make test` work on a fresh clone with Python 3.11+.
PYTHON ?= python3
BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
DEMO_SECONDS ?= 0
WORKERS ?= 2
SCHEDULES ?= 200000
SOAK_MINUTES ?= 20

.PHONY: setup dist demo test test-kafka nightly nightly-schedules nightly-failures nightly-soak test-browser lint lint-format lint-code lint-types lint-imports asyncapi check format bench bench-quick bench-kafka bench-latency bench-queries bench-growth lock clean
.DEFAULT_GOAL := help

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Touchstream needs Python 3.11 or newer; say which with: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(BIN)/.installed ## .venv with .venv/bin/touchstream

dist: setup ## both wheels, touchstream and touchstream-producer, in build/dist
	rm -rf build/lib build/bdist.*
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir build/dist .
	$(BIN)/python deploy/producer/build.py build/dist

demo: setup ## the whole stack on this machine with live data, until Ctrl-C (DEMO_SECONDS=60 ends by itself)
	$(BIN)/touchstream up --demo --workers $(WORKERS) $(if $(filter-out 0,$(DEMO_SECONDS)),--for $(DEMO_SECONDS))

test: setup ## the tests, on real parts: the local broker and the ClickHouse engine
	$(BIN)/pytest

test-kafka: setup ## integration and failure suites and a table of failure runs on Apache Kafka (Java 17, Maven)
	$(BIN)/python -m tests.kafka.distribution
	TEST_KAFKA=apache $(BIN)/pytest tests/kafka tests/integration tests/failure
	TEST_KAFKA=apache $(BIN)/python -m tests.kafka.failures

nightly: nightly-schedules nightly-failures test-kafka nightly-soak ## what takes hours: 200,000 schedules, every failure run, on both Kafkas, a soak (make -k nightly)

nightly-schedules: setup
	$(BIN)/python -m tests.model.nightly --schedules $(SCHEDULES)

nightly-failures: setup
	$(BIN)/python -m tests.kafka.failures

nightly-soak: setup
	TEST_KAFKA=apache $(BIN)/python -m tests.kafka.soak --minutes $(SOAK_MINUTES)

test-browser: setup ## the page in headless Chromium (Debian's package), skipped where there is none
	$(BIN)/pytest -n 2 tests/browser

lint: lint-format lint-code lint-types lint-imports ## format, lint, types, import rule (all of them: make -k lint)

lint-format: setup
	$(BIN)/ruff format --check .

lint-code: setup
	$(BIN)/ruff check .

lint-types: setup
	$(BIN)/mypy

lint-imports: setup
	$(BIN)/lint-imports --no-cache

asyncapi: setup ## write again what docs/asyncapi.yaml says of events and rolling metrics
	$(BIN)/python -m tests.support.asyncapi

check: lint ## the same, and unit tests
	$(BIN)/pytest -q tests/unit tests/contract -m "not stack"

format: setup ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## events a second from Kafka to durable rows, beside its peers (build/bench.json)
	$(BIN)/python -m tests.bench

bench-quick: setup ## the same with fewer events
	$(BIN)/python -m tests.bench --quick

bench-kafka: setup ## the benchmark on Apache Kafka (Java 17, Maven)
	$(BIN)/python -m tests.bench --kafka apache

bench-latency: setup ## published to visible, idle and at half of full speed, p50 and p99 (build/bench.json)
	$(BIN)/python -m tests.bench --latency
	$(BIN)/python -m tests.bench --half-load

bench-queries: setup ## what the page asks of 20 million raw events and 200,000 panes, in milliseconds (build/bench.json)
	$(BIN)/python -m tests.bench --queries

bench-growth: setup ## how cost grows: lanes, memory, flush, roll; with fits (build/bench.json)
	$(BIN)/python -m tests.bench --growth

lock: setup ## requirements.lock and those of the image and of a peer, anew from pyproject.toml
	$(COMPILE) --all-extras --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra build --extra clv --constraint requirements.lock --output-file deploy/docker/requirements.lock pyproject.toml
	$(COMPILE) --output-file tests/bench/peers/quix_streams/requirements.txt tests/bench/peers/quix_streams/requirements.in

clean: ## what was built
	rm -rf .venv build .touchstream .pytest_cache .mypy_cache .ruff_cache .hypothesis
