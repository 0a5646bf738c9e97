# The commands of a developer. `make demo` and `make test` each work as the first command in a fresh clone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NODE_STAMP := node_modules/.installed
ROUNDS ?= 20
INPUTS ?= 1000000
EVENTS ?= 1000000
DISKS ?= 40
JOBS ?= 3
PROGRAMS := collector duckwatch exporters grafana
JAVASCRIPT := '*.mjs' 'zonemta-plugin/**/*.js' 'deploy/**/*.js' 'tests/**/*.{js,mjs}'
HAS_NODE := command -v npm >/dev/null && node -e \
	'const [major, minor] = process.versions.node.split(".").map(Number); \
	process.exit(major > 18 || (major === 18 && minor >= 18) ? 0 : 1)' 2>/dev/null

.PHONY: help setup demo test unit servers crash backup dnsbl-storm quiet-week incidents hostile
.PHONY: check check-javascript fix fix-javascript generate pictures bench bench-dnsbl bench-live
.PHONY: audit release lock clean

help:
	@sed -n 's/^## //p' Makefile

## setup      a virtual environment in .venv with everything from requirements.lock (the other targets call it)
setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "duckwatch needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "this Python cannot make virtual environments: apt-get install python3-venv"; exit 1; }
	@echo "installing into $(VENV) (once)" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

## demo       try duckwatch on this machine: PostgreSQL, the collector, the DNSBL exporter, a day of mail (Ctrl-C)
demo: setup
	@$(BIN)/duckwatch-demo $(DEMO)

## test       the whole test suite in three processes (JOBS=3); a test without its server is skipped (see make servers)
test: setup
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST)

## unit       the tests that need no server
unit: setup
	@$(BIN)/python -m pytest tests/unit -q

## servers    install the real servers of the full test suite (as root, on Debian)
servers:
	@bash tests/servers/install.sh

## crash      the long kill and fault campaigns (ROUNDS=20, and as root DISKS=40 full disks); seeds are printed
crash: setup
	@DUCKWATCH_CRASH_ROUNDS=$(ROUNDS) DUCKWATCH_DISK_ROUNDS=$(DISKS) DUCKWATCH_AWAY_SECONDS=60 \
		$(BIN)/python -m pytest tests/acceptance/test_kills.py tests/acceptance/test_road_kills.py \
		tests/integration/process/test_crash.py tests/integration/process/test_full_disks.py \
		tests/integration/database/test_connections.py tests/integration/database/test_failover.py -s --timeout 7200

## backup     back up and restore as docs/backup.md says, after EVENTS=1000000 stored events; prints what was lost
backup: setup
	@DUCKWATCH_BACKUP_EVENTS=$(EVENTS) $(BIN)/python -m pytest tests/integration/backup -s --timeout 7200

## dnsbl-storm  ten minutes: Prometheus scrapes the DNSBL exporter while lists and resolvers stop, refuse and return
dnsbl-storm: setup
	@DUCKWATCH_DNSBL_STORM=long $(BIN)/python -m pytest tests/acceptance/test_blocklists.py -s --timeout 1200

## quiet-week  a made-up house for a week before the alert rules; nothing ordinary may fire (QUIET='--days 1')
quiet-week: setup
	@$(BIN)/python -m tests.quiet_week $(QUIET)

## incidents  half an hour: incidents before Prometheus, Alertmanager, Slack and e-mail (INCIDENTS='database list')
incidents: setup
	@$(BIN)/python -m tests.incidents $(INCIDENTS)

## hostile    generated hostile HTTP input to a running collector (INPUTS=1000000); the seed is printed
hostile: setup
	@DUCKWATCH_HOSTILE_INPUTS=$(INPUTS) \
		$(BIN)/python -m pytest tests/integration/process/test_hostile.py -s --timeout 14400

## check      format, lint, types, import contracts, dead code, names, Markdown, generated files; Python, JavaScript
check: setup
	@$(BIN)/ruff format --check --quiet . || { echo "make fix formats"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/vulture $(PROGRAMS)
	@$(BIN)/vulture $(PROGRAMS) bench release tests
	@$(BIN)/python -m pytest -q tests/contract/sources tests/contract/test_rooms.py tests/contract/test_generated.py
	@$(BIN)/duckwatch-dashboards check
	@$(BIN)/python -m duckwatch.rules check
	@if $(HAS_NODE); then $(MAKE) --no-print-directory check-javascript; \
		else echo "make check: JavaScript is not checked: that needs npm and Node 18.18 or newer" >&2; \
		test -z "$$CI"; fi

## check-javascript  format, lint and types of the plugin and its tests (part of check)
check-javascript: $(NODE_STAMP)
	@node_modules/.bin/prettier --log-level warn --check $(JAVASCRIPT) || { echo "make fix formats"; exit 1; }
	@node_modules/.bin/eslint .
	@node_modules/.bin/tsc --project .
	@node_modules/.bin/tsc --project tests/plugin

$(NODE_STAMP): package.json package-lock.json
	@echo "installing into node_modules (once)" >&2
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $(NODE_STAMP)

## fix        format, and fix what the linters can fix
fix: setup
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --fix .
	@if $(HAS_NODE); then $(MAKE) --no-print-directory fix-javascript; fi

fix-javascript: $(NODE_STAMP)
	@node_modules/.bin/prettier --log-level warn --write $(JAVASCRIPT)
	@node_modules/.bin/eslint --fix .

## generate   generate dashboards, examples/duckwatch.yml, limits of alert-rules/, docs/licences.md, deploy/'s copies
generate: setup
	@$(BIN)/duckwatch-dashboards build
	@$(BIN)/python -m examples.generate
	@$(BIN)/python -m duckwatch.rules.generate
	@$(BIN)/python -m examples.compose
	@$(BIN)/python -m examples.rules
	@$(BIN)/python -m release licences

## pictures   draw each dashboard into docs/pictures, in the Grafana of GRAFANA_HOME or GRAFANA_URL (docs/dashboards.md)
pictures: setup
	@$(BIN)/python -m tests.pictures take $(PICTURES)

## bench      run the benchmarks; prints JSON
bench: setup
	@$(BIN)/python -m bench $(BENCH)

## bench-dnsbl  benchmark the DNSBL exporter against name servers on loopback; prints JSON
bench-dnsbl: setup
	@$(BIN)/python -m bench.dnsbl $(BENCH)

## bench-live  benchmark Grafana Live, in the Grafana of GRAFANA_HOME or GRAFANA_URL (docs/benchmarks.md); prints JSON
bench-live: setup
	@$(BIN)/python -m bench.live $(BENCH)

## audit      known vulnerabilities of all dependencies; AUDIT=--strict fails also if a service is not reached
audit: setup
	@$(BIN)/python -m release audit $(AUDIT)

## release    write wheel, sdist, npm package, SBOM, notes and checksums into dist/
release: setup
	@$(BIN)/python -m release build

## lock       make requirements.lock again from pyproject.toml (newest versions, with hashes)
lock: setup
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --upgrade --all-extras --group dev pyproject.toml -o requirements.lock

clean:
	@rm -rf $(VENV) node_modules build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
