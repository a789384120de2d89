# Everything sets itself up: `make demo` and `make test` work on a fresh clone with Python 3.11+.
PYTHON ?= python3
BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
DEMO_SECONDS ?= 0
WORKERS ?= 2
SCHEDULES ?= 200000
SOAK_MINUTES ?= 20
HOSTILE_MINUTES ?= 10

.PHONY: setup dist sbom site demo test test-long test-kafka nightly nightly-schedules nightly-numbers nightly-failures nightly-bench nightly-soak nightly-hostile test-browser test-helm lint lint-format lint-code lint-types lint-imports asyncapi helm-schema check format bench bench-quick bench-kafka bench-latency bench-queries bench-growth bench-alerts bench-intervals bench-insight lock clean
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

dist: setup ## both wheels of the last commit, touchstream and touchstream-producer, in build/dist; the same bytes each time
	rm -rf build/dist build/dist-source && mkdir -p build/dist-source
	git -c tar.umask=0022 archive HEAD | tar --extract --directory build/dist-source
	export SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) && \
		$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --wheel-dir build/dist ./build/dist-source && \
		$(BIN)/python build/dist-source/deploy/producer/build.py build/dist
	rm -rf build/dist-source
	cd build/dist && sha256sum *.whl

build/tools/sbom/.installed: deploy/sbom/requirements.txt
	$(PYTHON) -m venv --clear build/tools/sbom
	build/tools/sbom/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

sbom: setup build/tools/sbom/.installed ## the bill of materials of the image as CycloneDX, with licences, in build/sbom
	build/tools/sbom/bin/python deploy/sbom/build.py $(BIN)/python build/sbom/touchstream.cdx.json

build/tools/site/.installed: deploy/site/requirements.txt
	$(PYTHON) -m venv --clear build/tools/site
	build/tools/site/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

site: build/tools/site/.installed ## the docs as a site in build/site (npm fetches Mermaid, which draws the diagrams)
	build/tools/site/bin/python deploy/site/build.py

demo: setup ## the whole stack on this machine with live data, until Ctrl-C (DEMO_SECONDS=60 ends by itself)
	$(BIN)/touchstream up --demo --workers $(WORKERS) $(if $(filter-out 0,$(DEMO_SECONDS)),--for $(DEMO_SECONDS))

test: setup ## the tests, on real parts: the local broker and the ClickHouse engine
	$(BIN)/pytest

test-long: setup ## failures and whole ways that take half a minute or more each
	$(BIN)/pytest -m long

test-kafka: setup ## integration and failure suites and a table of failure runs on Apache Kafka (Java 17, Maven)
	$(BIN)/python -m tests.kafka.distribution
	TEST_KAFKA=apache $(BIN)/pytest -m "" tests/kafka tests/integration tests/failure
	TEST_KAFKA=apache $(BIN)/python -m tests.kafka.failures

nightly: nightly-schedules nightly-numbers nightly-failures test-kafka nightly-bench nightly-soak nightly-hostile ## what takes hours: 200,000 schedules, the tests with their large numbers, every failure run, on both Kafkas, a soak, an attack (make -k nightly)

nightly-schedules: setup
	$(BIN)/python -m tests.model.nightly --schedules $(SCHEDULES)

nightly-numbers: setup
	TEST_NUMBERS=large $(BIN)/pytest -m ""

nightly-failures: setup
	$(BIN)/python -m tests.kafka.failures

nightly-bench: setup
	$(BIN)/pytest tests/bench

nightly-soak: setup
	TEST_KAFKA=apache $(BIN)/python -m tests.kafka.soak --minutes $(SOAK_MINUTES)

nightly-hostile: setup
	$(BIN)/python -m tests.kafka.hostile --minutes $(HOSTILE_MINUTES)

test-browser: setup ## the page in headless Chromium (Debian's package), skipped where there is none
	$(BIN)/pytest -n 2 tests/browser

test-helm: setup ## the Helm chart, rendered by Helm (Go compiles it once) and held against Kubernetes' API; skipped without them
	-$(BIN)/python -m tests.helm.tools
	$(BIN)/pytest -n 2 tests/helm

lint: lint-format lint-code lint-types lint-imports ## format, lint, types, import rule (all of them: make -k lint)

lint-format: setup
	$(BIN)/ruff format --check .

lint-code: setup
	$(BIN)/ruff check .

lint-types: setup
	$(BIN)/mypy

lint-imports: setup
	$(BIN)/lint-imports --no-cache

helm-schema: setup ## write again which settings the Helm chart takes
	$(BIN)/python -m tests.support.helm_schema

asyncapi: setup ## write again what docs/asyncapi.yaml says of events and rolling metrics; keep the event's schema
	$(BIN)/python -m tests.support.asyncapi
	$(BIN)/python -m tests.support.schema_history

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

bench-alerts: setup ## how often alerts are wrong, how often and how soon they are right, simulated (build/bench.json); the detector of series on the Numenta benchmark
	$(BIN)/python -m tests.bench.nab
	$(BIN)/python -m tests.bench.alerts

bench-intervals: setup ## how often 95 % intervals hold the true value, by people and how alike their answers are, simulated (build/bench.json)
	$(BIN)/python -m tests.bench.intervals

bench-insight: setup ## what insight finds of what was planted, and of what was not, simulated (build/bench.json)
	$(BIN)/python -m tests.bench.insight

lock: setup ## requirements.lock and those of the image and of a peer, anew from pyproject.toml
	$(COMPILE) --all-extras --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra build --extra clv --constraint requirements.lock --output-file deploy/docker/requirements.lock pyproject.toml
	$(COMPILE) --output-file deploy/site/requirements.txt deploy/site/requirements.in
	$(COMPILE) --output-file deploy/sbom/requirements.txt deploy/sbom/requirements.in
	$(COMPILE) --output-file tests/helm/requirements.txt tests/helm/requirements.in
	$(COMPILE) --output-file tests/bench/peers/quix_streams/requirements.txt tests/bench/peers/quix_streams/requirements.in

clean: ## what was built
	rm -rf .venv build .touchstream .pytest_cache .mypy_cache .ruff_cache .hypothesis
