# `make demo` and `make test` prepare everything themselves on Debian or Ubuntu; `make help` lists the targets.
.DEFAULT_GOAL := help
.PHONY: help demo test test-pages test-security test-security-rows test-guards test-faults test-wide bench bench-audit bench-detection bench-dns bench-page \
	bench-plays bench-servers bench-rulebook bench-webhooks bench-viewers screenshots lint \
	types scan sbom format lock compose clean

BIN := .venv/bin
ARGS ?=

# The tests start hundreds of programs: each would compile what it imports if bytecode were not kept. The tests
# themselves are compiled as pytest does it, or each of its workers would.
unexport PYTHONDONTWRITEBYTECODE
COMPILE := $(BIN)/python -m compileall -q -j 0 orchestrator providers tests && $(BIN)/python -m tests.compiled

# For two cores: most tests wait half of their time for what they started.
TOGETHER := 5

# Tests start simulated servers, which are network namespaces: an ordinary user runs them through sudo, and is told so.
# CACHE: where pytest keeps what failed. Nothing in this checkout is to belong to root.
ifeq ($(shell id -u),0)
CACHE ?=
PYTEST := $(BIN)/python -m pytest $(CACHE)
MUTATIONS := $(BIN)/python -m tests.security.mutations
else
CACHE ?= -p no:cacheprovider
PYTEST := sudo PYTHONDONTWRITEBYTECODE=1 $(BIN)/python -m pytest $(CACHE)
MUTATIONS := sudo PYTHONDONTWRITEBYTECODE=1 $(BIN)/python -m tests.security.mutations
endif

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## set up, then rehearse the starter estate's failover against the simulator
	@.ci/setup demo
	@$(BIN)/bascule demo $(ARGS)

test: ## the default test suite (ARGS="-k name" picks)
	@.ci/setup test
	@$(COMPILE)
	$(PYTEST) -n $(TOGETHER) -m "not faults and not wide and not pages and not attacks" --dist loadfile --no-loadscope-reorder $(ARGS)

test-pages: ## every page in a real browser, and the walk from the first sign to the undo (some minutes)
	@.ci/setup test
	@$(COMPILE)
	$(PYTEST) -n 3 -m "pages and not faults" --dist loadfile --no-loadscope-reorder tests/browser $(ARGS)

test-security: test-security-rows test-guards ## attacks by the number of their row, then each guard taken away (half an hour)

test-security-rows: ## the attacks, by the number of their row (ARGS="-k test_37" picks)
	@.ci/setup test
	@$(COMPILE)
	$(PYTEST) -n 3 -m "not faults and not wide" --dist loadfile --no-loadscope-reorder tests/security $(ARGS)

test-guards: ## each guard is taken away in a copy of the tree, and a test must notice (ARGS="--row 37" or "--part 1/12")
	@.ci/setup test
	@$(COMPILE)
	$(MUTATIONS) $(ARGS)

test-faults: ## what the default suite has a sample of, and every crash point (ARGS="--part 1/24": a 24th)
	@.ci/setup test
	@$(COMPILE)
	$(PYTEST) -n 2 -m "faults and not wide" --dist loadfile --no-loadscope-reorder $(ARGS)

test-wide: ## every provider under every policy of chaos, and large copies (half an hour; ARGS="--part 1/36")
	@.ci/setup test
	@$(COMPILE)
	$(PYTEST) -n 2 -m wide --dist loadfile --no-loadscope-reorder $(ARGS)

bench: ## cost per step, one table
	@.ci/setup test
	$(BIN)/python -m tests.bench $(ARGS)

bench-audit: ## verifying a million audit entries, beside plain SHA-256, one table (ARGS=--quick: fewer)
	@.ci/setup test
	$(BIN)/python -m tests.bench.audit $(ARGS)

bench-dns: ## the same change in 200 zones, by a dns.records step and by octodns-sync, one table
	@.ci/setup test
	$(BIN)/python -m tests.bench.dns_zones $(ARGS)

bench-page: ## the page of a run at 20, 200 and 2,000 steps, beside its JSON and a plain page, tables (ARGS=--quick: fewer)
	@.ci/setup test
	$(BIN)/python -m tests.bench.run_page $(ARGS)

bench-plays: ## the same play with and without its sandbox, one table
	@.ci/setup test
	$(BIN)/python -m tests.bench.plays $(ARGS)

bench-servers: ## 100 servers at each simulated cloud, beside plain libcloud, one table
	@.ci/setup test
	$(BIN)/python -m tests.bench.servers $(ARGS)

bench-webhooks: ## 10,000 webhooks a minute for two minutes across kill -9, beside a bare endpoint, one table
	@.ci/setup test
	$(BIN)/python -m tests.bench.webhooks $(ARGS)

bench-viewers: ## one viewer and 200 of the same run: how soon each is told, one table (ARGS=--quick: fewer)
	@.ci/setup test
	$(BIN)/python -m tests.bench.viewers $(ARGS)

bench-rulebook: ## from an event to the first action, beside ansible-rulebook, one table
	@.ci/setup rulebook
	$(BIN)/python -m tests.bench.rulebook $(ARGS)

bench-detection: ## delays and false alarms of verdicts on a million generated hours (ARGS=--quick: a sample)
	@.ci/setup test
	$(BIN)/python -m tests.bench.detection $(ARGS)

screenshots: ## pictures of every page into docs/screenshots, from the simulated town hall (ARGS="--only run")
	@.ci/setup test
	$(BIN)/python -m tests.browser.screenshots $(ARGS)

lint: ## ruff, import contracts, the starter estate
	@.ci/setup test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/bascule validate playbooks

types: ## mypy --strict
	@.ci/setup test
	$(BIN)/mypy

scan: ## known problems of the locked packages, bandit, the house's own rules
	@.ci/setup scan
	@.ci/scan

sbom: ## the bill of materials, dist/bascule.cdx.json: what Bascule runs with, and its licences
	@.ci/setup scan
	@.venv-scan/bin/python .ci/sbom requirements.lock .venv dist/bascule.cdx.json

format: ## let ruff mend what it can
	@.ci/setup test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

compose: ## check docker-compose.yml; needs no engine
	@.ci/setup compose
	@.ci/compose config -q
	@echo "docker-compose.yml is valid"

# The resolver is a tool of the maintainers only and lives in an environment of its own.
# No header and no index address: the lock says what, never from where.
UV := .venv-lock/bin/uv
RESOLVE = $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-emit-index-url --no-header --no-annotate
# What plays AWS in the tests: moto's server, in an environment of its own because its requirements contradict ours.
MOTO := moto[server,ec2,route53,s3]>=5.2
# What a benchmark stands beside, with the Ansible that it runs; its requirements are none of ours.
RULEBOOK := ansible-rulebook>=1.3 ansible-core>=2.19
# What looks for security problems and writes the bill of materials.
SCAN := bandit>=1.9 cyclonedx-bom>=7.5 pip-audit>=2.10 semgrep>=1.180
lock: ## resolve pyproject.toml, and what has an environment of its own, anew into the lock files
	@test -x $(UV) || { python3 -m venv .venv-lock && .venv-lock/bin/pip install --quiet 'uv>=0.9'; }
	$(RESOLVE) pyproject.toml --group build --output-file requirements.lock
	$(RESOLVE) pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock
	echo '$(MOTO)' | $(RESOLVE) - --output-file requirements-moto.lock
	printf '%s\n' $(foreach one,$(RULEBOOK),'$(one)') | $(RESOLVE) - --output-file requirements-rulebook.lock
	printf '%s\n' $(foreach one,$(SCAN),'$(one)') | $(RESOLVE) - --output-file requirements-scan.lock

clean: ## remove what the other targets made here
	rm -rf .venv .venv.lock .venv-lock .venv-moto .venv-rulebook .venv-scan
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
