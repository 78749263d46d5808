# Two commands do all: `make run` and `make test`. Everything is idempotent and quick when nothing changed.
# ARGS goes on to `twinload run`: make run ARGS=--quick

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup run run-docker images test lint format bench bench-engine bench-containers bench-long clean toolchains

PY := .venv/bin/python
BIN := .twinload/bin
IMAGES := .twinload/images
TARGET := .twinload/target/release/bench-target
SENDER := .twinload/target/release/twinload-engine
GO_SOURCES := $(shell find clusters/go -name '*.go' -o -name 'go.mod' -o -name 'go.sum')
TARGET_SOURCES := $(shell find benchmarks/target -name '*.rs' -o -name 'Cargo.toml') Cargo.toml Cargo.lock .cargo/config.toml
RUST_SOURCES := $(shell find clusters/rust -name '*.rs' -o -name 'Cargo.toml') Cargo.toml Cargo.lock .cargo/config.toml
GATEWAY_SOURCES := $(shell find shadow/gateway -name '*.rs' -o -name 'Cargo.toml') Cargo.toml Cargo.lock .cargo/config.toml
ENGINE_SOURCES := $(shell find swarm/engine -name '*.rs' -o -name 'Cargo.toml' -o -name 'pyproject.toml' -o -name '*.pyi') Cargo.toml Cargo.lock .cargo/config.toml
export CARGO_TERM_COLOR ?= auto

help:  ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: toolchains .venv/.ready .venv/.engine $(BIN)/wallet-go $(BIN)/wallet-rust $(BIN)/gateway  ## Install the Python packages, build the engine, both twins and the gateway

run: setup  ## The main job: gate, ramp both twins to saturation, draw the report in runs/latest/report/
	@.venv/bin/twinload run $(ARGS)

run-docker: setup images  ## The main job on containers (a Docker engine must answer: docs/containers.md)
	@TWIN_DOCKERFILE=Dockerfile.prebuilt .venv/bin/twinload run --set label=containers \
	  --set 'twins.go.start="compose"' --set 'twins.rust.start="compose"' $(ARGS)

images: $(IMAGES)/wallet-go $(IMAGES)/wallet-rust  ## The twins' images, of static binaries built here: no hub is needed
	@docker version >/dev/null 2>&1 || { echo "make: no Docker engine answers at $${DOCKER_HOST:-its usual socket}: start one, or see docs/containers.md"; exit 2; }
	@for program in wallet-go wallet-rust; do \
	  echo "== Image twinload/$$program:local"; \
	  docker build --quiet --file clusters/$${program#wallet-}/Dockerfile.prebuilt --tag twinload/$$program:local . \
	    >$(IMAGES)/build.log 2>&1 || { cat $(IMAGES)/build.log; exit 2; }; \
	done

test: setup $(TARGET)  ## All tests: Go, Rust, Python
	@echo "== Go"; cd clusters/go && CGO_ENABLED=1 CC=cc go test -race ./...
	@echo "== Rust"; cargo test --quiet --workspace
	@echo "== Python"; $(PY) -m pytest -q -n 2 --dist loadfile

lint: setup  ## Formatters and linters of all three languages, and the direction of imports
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	@cd clusters/go && unformatted=$$(gofmt -l .) && if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted"; exit 1; fi
	cd clusters/go && go vet ./... && cd encbench && go vet ./...
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings

format: setup  ## Format all sources
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix --quiet . || true
	gofmt -w clusters/go
	cargo fmt --all

bench: setup $(TARGET) $(SENDER)  ## The quick form of each benchmark in turn: pool, monitor, engine, gateway, truth, mutations, faults
	$(PY) -m benchmarks.pool --rounds 3
	$(PY) -m benchmarks.monitor
	$(PY) -m benchmarks.monitor --containers || test $$? = 2  # 2: no engine answers, and it said so
	$(PY) -m benchmarks.engine --rounds 3
	$(PY) -m benchmarks.gateway --rounds 3 --window 1 --seconds 2
	$(PY) -m benchmarks.truth_virtual --repetitions 20 --targets D/D/1 M/M/1 "fails above"
	$(PY) -m benchmarks.truth
	$(PY) -m benchmarks.stalls --only twinload wrk hey --run-s 6
	$(PY) -m benchmarks.mutations --each 4 --pairs 5000 --judged 100000
	$(PY) -m benchmarks.canary --shares 0.25

bench-engine: setup $(TARGET)  ## The engine against wrk, ab, FastHttpUser and others, under nine minutes
	$(PY) -m benchmarks.engine

bench-containers: setup images  ## Processes beside containers, and the bridge beside the host's network, a quarter of an hour
	$(PY) -m benchmarks.containers
	$(PY) -m benchmarks.bridge || test $$? = 2  # 2: the engine has no bridge, or wrk is missing, and it said so

bench-long: setup $(TARGET) $(SENDER)  ## All benchmarks in full, four hours and more
	$(PY) -m benchmarks.pool --rounds 15
	$(PY) -m benchmarks.monitor --seconds 120
	$(PY) -m benchmarks.monitor --containers --seconds 120 || test $$? = 2
	@if docker version >/dev/null 2>&1; then $(MAKE) --no-print-directory bench-containers; \
	  else echo "processes beside containers: not measured, no Docker engine answers"; fi
	$(PY) -m benchmarks.engine --rounds 40 --window 3
	$(PY) -m benchmarks.gateway --rounds 20 --window 3 --seconds 5
	$(PY) -m benchmarks.truth_virtual --repetitions 2000 --time-limit 2400 --jobs 2 --seed 300000
	$(PY) -m benchmarks.truth_virtual --stopping --repetitions 4000
	$(PY) -m benchmarks.truth --long
	$(PY) -m benchmarks.stalls
	$(PY) -m benchmarks.identical --runs 20
	$(PY) -m benchmarks.report --check
	$(PY) -m benchmarks.mutations
	$(PY) -m benchmarks.canary

clean:  ## Remove what was built or installed here (runs/ stays)
	-@test ! -x .venv/bin/twinload || .venv/bin/twinload down -q
	rm -rf .venv .twinload .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

toolchains:
	@command -v python3 >/dev/null && python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "make: Python 3.11 or newer is missing (python3): install it from your distribution or python.org"; exit 2; }
	@command -v go >/dev/null || { echo "make: Go is missing (go): install it from go.dev/dl or your distribution"; exit 2; }
	@command -v cargo >/dev/null || { echo "make: Rust is missing (cargo): install it by rustup.rs or your distribution"; exit 2; }
	@command -v cc >/dev/null || { echo "make: a C linker is missing (cc), Rust needs one: install gcc or clang"; exit 2; }

.venv/.ready: requirements.lock pyproject.toml
	@echo "== Python packages (.venv)"
	@test -x $(PY) || python3 -m venv .venv
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/.engine: .venv/.ready $(ENGINE_SOURCES)
	@echo "== Engine (about two minutes the first time)"
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall ./swarm/engine
	@touch $@

$(BIN)/wallet-go: $(GO_SOURCES)
	@echo "== Go twin"; mkdir -p $(BIN)
	@cd clusters/go && CGO_ENABLED=0 go build -trimpath -o ../../$@ ./cmd/wallet
	@touch $@

$(BIN)/wallet-rust: $(RUST_SOURCES)
	@echo "== Rust twin (about two minutes the first time)"; mkdir -p $(BIN)
	@cargo build --quiet --release --locked --target-dir .twinload/target -p wallet-rust
	@cp .twinload/target/release/wallet-rust $@.part && mv $@.part $@

$(BIN)/gateway: $(GATEWAY_SOURCES)
	@echo "== Gateway (about a minute the first time)"; mkdir -p $(BIN)
	@cargo build --quiet --release --locked --target-dir .twinload/target -p twinload-gateway
	@cp .twinload/target/release/gateway $@.part && mv $@.part $@

$(IMAGES)/wallet-go: $(GO_SOURCES)
	@echo "== Go twin, static"; mkdir -p $(IMAGES)
	@cd clusters/go && CGO_ENABLED=0 go build -trimpath -o ../../$@ ./cmd/wallet
	@touch $@

# A target of its own: with its name given, what runs while building is not made static.
$(IMAGES)/wallet-rust: $(RUST_SOURCES)
	@echo "== Rust twin, static (about two minutes the first time)"; mkdir -p $(IMAGES)
	@host="$$(rustc -vV | sed -n 's/^host: //p')"; \
	  RUSTFLAGS='-C target-feature=+crt-static' cargo build --quiet --release --locked --target "$$host" --target-dir .twinload/static -p wallet-rust; \
	  cp ".twinload/static/$$host/release/wallet-rust" $@.part && mv $@.part $@

$(SENDER): $(ENGINE_SOURCES)
	@echo "== Sender of the benchmarks"
	@cargo build --quiet --release --locked --target-dir .twinload/target -p twinload-engine
	@touch $@

$(TARGET): $(TARGET_SOURCES)
	@echo "== Target of the benchmarks"
	@cargo build --quiet --release --locked --target-dir .twinload/target -p bench-target
	@touch $@
