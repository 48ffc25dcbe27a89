# The two commands that a newcomer needs:  make demo   and   make check;  make quick  while you work

.DEFAULT_GOAL := help
.PHONY: help demo test quick check lock schema migration bench clients console clean

BIN := .venv/bin
PORT ?= 8000
# All tests run side by side, those of the page on one worker (see tests/conftest.py). A choice of them does not:
#   make test ARGS="tests/domain -k cancel"
# A worker that dies fails the run at once: with one in its place pytest-xdist 3.8 waits forever at the end of the groups.
WHOLE_SUITE := -n auto --maxprocesses 4 --dist loadgroup --max-worker-restart 0
# The rules, what is pure around them, and a part of the SQL: half a minute.
QUICK := $(addprefix tests/, domain db/sql db/log db/search/test_criteria.py schema/documents schema/described resolvers/request \
	resolvers/mutations delivery/gateways/twilio delivery/gateways/mailgun server/http server/auth server/settings \
	test_words.py test_documents.py test_decisions.py test_private_apis.py)

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.made console ## the log with sample data; opens on http://127.0.0.1:8000 (or PORT=...)
	$(BIN)/sentlog demo --port $(PORT)

test: .venv/.made console clients ## all tests, on SQLite, PostgreSQL and in a browser (ARGS=... goes to pytest)
	@scripts/programs.sh
	$(BIN)/python -m pytest $(or $(ARGS),$(WHOLE_SUITE))

quick: .venv/.made ## lint, types, layers, and the fast tests on SQLite: under a minute
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	SENTLOG_TEST_PROFILE=quick $(BIN)/python -m pytest -q -n auto --maxprocesses 4 -m "not postgres and not browser and not slow" $(QUICK)

check: .venv/.made ## lint, format check, types, layers, known vulnerabilities, tests: all that CI asks for
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@$(BIN)/python scripts/supply.py
	@$(MAKE) --no-print-directory test
	@echo 'Once more, each operation executed as Strawberry does:'
	SENTLOG_TEST_EXECUTOR=stock $(BIN)/python -m pytest $(WHOLE_SUITE)

lock: .venv/.made ## renew the pinned requirements from pyproject.toml (ARGS="--upgrade-package NAME")
	scripts/lock.sh $(or $(ARGS),--upgrade)

schema: .venv/.made ## write schema/schema.graphql from the code
	@sdl=$$($(BIN)/sentlog schema) && printf '%s\n' "$$sdl" > schema/schema.graphql

migration: .venv/.made ## a new Alembic revision from the tables: NAME="what it does"
	@test -n "$(NAME)" || { echo 'error: say what it does: make migration NAME="add the audit table"' >&2; exit 2; }
	$(BIN)/python -m db.migrations "$(NAME)"

bench: .venv/.made ## run the benchmarks (ARGS=... goes to them)
	$(BIN)/python -m benchmarks $(ARGS)

clients: ## install the clients that tests run against the server (a note where Node.js is missing)
	@scripts/clients.sh

console: server/static/index.html ## build GraphiQL (a note where Node.js is missing)

clean: ## remove all that the other targets made
	rm -rf .venv console/node_modules tests/clients/node_modules server/static build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

.venv/.made: requirements-dev.txt pyproject.toml scripts/venv.sh
	scripts/venv.sh
	@touch $@

server/static/index.html: scripts/console.sh $(shell find console -path console/node_modules -prune -o -type f -print)
	@scripts/console.sh
