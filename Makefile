# Every target is a verb; `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := bash

.PHONY: help
help: ## Lists the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Runs a broker and the services until Ctrl-C, and places a first order.
	@deploy/run

.PHONY: broker
broker: ## Runs a broker alone until Ctrl-C.
	@deploy/broker run

.PHONY: test
test: ## Gets what the tests need and runs them all.
	@deploy/test

.PHONY: test-newer
test-newer: ## Runs on RabbitMQ 4.3, where that can be had, the tests that concern the broker and a round of faults.
	@deploy/test newer

.PHONY: mail-test
mail-test: ## Sends mails through Postfix, Exim and OpenSMTPD from Debian's packages, which it unpacks; needs root.
	@for server in postfix exim opensmtpd; do services/journey/mail/serve find $$server || exit; done
	cargo build --locked --bin email
	BINARIES=$${CARGO_TARGET_DIR:-$$PWD/target}/debug cargo test --locked --package journey --test mail -- --test-threads=6

.PHONY: faults
faults: ## Breaks everything under load, and checks that no order is lost: ORDERS, FAULTS, SEED, and FAULT for one kind alone.
	@deploy/test faults

.PHONY: endure
endure: export MINUTES ?= 60
endure: ## Breaks something every minute under a steady load, and looks for services that wear out: MINUTES, RATE (500 orders a second), SEED, FAULT.
	@deploy/test faults

.PHONY: ci
ci: ## Checks all that a change has to pass: formatting, lints, documentation, chart, tests, API, faults, instructions.
	cargo fmt --all --check
	rustfmt --check --edition 2024 services/journey/fuzz/src/lib.rs services/journey/fuzz/targets/*.rs
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked
	$(MAKE) chart-test
	$(MAKE) instructions
	$(MAKE) api-test
	@# The same each time, and one of each kind: a stranger, the mail server (which refuses the sender, and is busy), the topology, a process
	@# (the one that hears and speaks), the broker.
	$(MAKE) faults ORDERS=3000 FAULTS=6 SEED=221899
	$(MAKE) test

.PHONY: api-test
api-test: ## Tests the order API against its own OpenAPI document, with requests made from the document.
	@services/journey/api/test

.PHONY: instructions
instructions: ## Counts the instructions of the hot paths, and fails if there are a tenth more than before.
	@command -v valgrind >/dev/null || { echo "instructions: valgrind is missing: install it, on Debian with apt-get install valgrind" >&2; exit 69; }
	cargo run --quiet --locked --release --package instructions --features inside

.PHONY: fuzz
fuzz: ## Fuzzes every decoder of outside bytes: FUZZ_SECONDS (60) or FUZZ_RUNS each.
	@services/journey/fuzz/run

# Measures the binaries as they are shipped: linked statically, with fat LTO.
target := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
.PHONY: bench
bench: export RUSTFLAGS := -C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs
bench: export BINARIES := $(CURDIR)/target/$(target)/dist
bench: ## Measures speed, memory, start and size, beside bare lapin and the command in GO_BENCH: BENCH_ROUNDS (5), BENCH_ONLY.
	@server=$$(deploy/broker find) && { [ "$$server" != docker ] || { echo "bench: it needs a rabbitmq-server of 4.0 or later that it can start itself" >&2; exit 69; }; }
	@/usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null || { echo "bench: python3-aiosmtpd is missing: install it, on Debian with apt-get install python3-aiosmtpd" >&2; exit 69; }
	cargo build --locked --profile dist --target $(target) --workspace --exclude packing --bins
	cargo bench --locked --profile dist --target $(target) --package journey

.PHONY: audit
audit: ## Checks the licences, duplicate versions and advisories of all dependencies.
	@command -v cargo-deny >/dev/null || { echo "audit: cargo-deny is missing: cargo install --locked cargo-deny" >&2; exit 69; }
	cargo deny check licenses bans sources
	@if cargo deny fetch db 2>/dev/null; then cargo deny check --disable-fetch advisories; \
	else echo "audit: the database of advisories cannot be reached, so advisories are not checked"; fi

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# As the chart asks for them by default.
TAG ?= $(VERSION)
REGISTRY ?=
RUST_IMAGE ?= rust:1
REVISION ?= $(shell git rev-parse --short HEAD 2>/dev/null)
SOURCE ?=

.PHONY: images
images: ## Builds an image for each service: REGISTRY/warren-SERVICE:TAG.
	@docker info >/dev/null 2>&1 || { echo "images: Docker does not answer: install it, start it, and see to it that docker info works" >&2; exit 69; }
	@for service in order email analytics redrive; do \
		image=$(if $(REGISTRY),$(REGISTRY)/)warren-$$service:$(TAG); \
		docker build --quiet --target $$service --tag $$image --build-arg RUST_IMAGE=$(RUST_IMAGE) --build-arg VERSION=$(TAG) \
			--build-arg REVISION=$(REVISION) --build-arg SOURCE=$(SOURCE) . >/dev/null || exit; \
		docker image ls --format '{{.Repository}}:{{.Tag}} {{.Size}}' $$image; \
	done

.PHONY: kind-up
kind-up: ## Runs the shop in a kind cluster on this machine, and places an order. Run again, it upgrades the shop.
	@deploy/kind up

.PHONY: kind-test
kind-test: ## Installs, upgrades, scales and breaks the shop in that cluster while orders flow; TESTS names some alone.
	@deploy/kind test $(TESTS)

.PHONY: kind-down
kind-down: ## Removes the kind cluster and all that is in it.
	@deploy/kind down

.PHONY: release-test
release-test: ## Releases into a registry on this machine, and installs from it with kind; needs crane, and signs with cosign.
	@deploy/release test

.PHONY: chart-test
chart-test: ## Checks the chart, its dashboards and its alerts, without a cluster.
	@helm/warren/ci/chart-test
