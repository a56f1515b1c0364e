# Thin on purpose: each target calls one program. `make help` lists them.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
BIN := node_modules/.bin
NODE := node --enable-source-maps

.PHONY: help demo test up down bench bench-peers bench-mysql chaos lint format build build-local servers-possible

help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: build servers-possible ## A bank is replicated and survives kills, live (DURATION=seconds ROWS=accounts FROM=… TO=…: postgres, mysql, mariadb)
	@$(NODE) shared/testkit/dist/demo/main.js

test: lint servers-possible ## Lint and every test; leaves nothing running
	@$(BIN)/vitest run

up: build-local ## Start source, target, Kafka and registry; addresses in .millrace/local.env (FROM=… TO=…)
	@$(NODE) deploy/local/dist/up.js

down: build-local ## Stop what `make up` started; its data stays
	@$(NODE) deploy/local/dist/down.js

bench: build servers-possible ## Measure Millrace against PostgreSQL's own replication (20 minutes, machine otherwise idle)
	@$(NODE) shared/testkit/dist/bench/main.js

bench-peers: build servers-possible ## The same, and Debezium
	@$(NODE) shared/testkit/dist/bench/main.js --peers

bench-mysql: build servers-possible ## Measure MariaDB as a source, beside mariadb-binlog
	@$(NODE) shared/testkit/dist/bench/main.js --mysql

chaos: build servers-possible ## Kill everything at random and check what arrives (KILLS=300 SEED=number FROM=… TO=…)
	@$(NODE) shared/testkit/dist/chaos/main.js

lint: build ## Types, Biome, ESLint, and the repository's own rules
	@$(BIN)/tsc -p tsconfig.tests.json
	@$(BIN)/biome check .
	@$(BIN)/eslint .
	@$(BIN)/tsx deploy/lint/src/main.ts

format: node_modules/.package-lock.json ## Format, and fix what is safe to fix
	@$(BIN)/biome check --write .

build: node_modules/.package-lock.json
	@$(BIN)/tsc -b
	@$(NODE) services/cli/bundle.js

build-local: node_modules/.package-lock.json
	@$(BIN)/tsc -b deploy/local

# Says in one sentence what the servers would miss, before anything long begins.
servers-possible: build
	@$(NODE) deploy/local/dist/check-prerequisites.js

node_modules/.package-lock.json: package-lock.json
	@sh deploy/local/bin/check-node.sh
	npm ci --no-audit --no-fund
	@touch $@
