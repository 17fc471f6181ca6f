# Lectern: `make run` on a fresh machine with Python 3.11 or later. `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help run test test-faults check bench messages lock

BIN := .venv/bin
# Trust what the machine trusts: its proxy may have a certificate of its own.
export UV_NATIVE_TLS := true
# 3.12 and 3.11 first: for them there is a wheel that brings Redis along.
PYTHONS := python3.12 python3.11 python3.13 python3.14 python3
SYNC := $(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python
LOCK := UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --quiet --group local

help:
	@echo "make run    start Lectern on this machine"
	@echo "make test   run the tests"
	@echo "make test-faults  kill and starve it, and see that nothing is lost"
	@echo "make check  format, lint, types, layers, migrations"
	@echo "make bench  measure search and answers"
	@echo "make messages  find the sentences of the interface, compile their translations"
	@echo "make lock   resolve the dependencies anew"

# What the tests need holds what running needs, so after `make test` there is nothing to do here.
run:
	@test $(BIN)/.tests -nt requirements-dev.lock || $(MAKE) --silent --no-print-directory $(BIN)/.runs
	@exec $(BIN)/python manage.py start

# Each process has a Postgres and a Redis of its own; a file's tests stay together, and what it prepares is prepared once.
test: $(BIN)/.tests
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-faults: $(BIN)/.tests
	@$(BIN)/python -m pytest -m faults

check: $(BIN)/.tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy project documents chat
	@$(BIN)/python -m pytest tests/test_layers.py
	@$(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

messages: $(BIN)/.python
	@$(BIN)/python manage.py messages

bench: $(BIN)/.benches
	@$(BIN)/python -m tests.bench

lock: $(BIN)/.python
	$(LOCK) --output-file requirements.lock
	$(LOCK) --group dev --output-file requirements-dev.lock
	$(LOCK) --group dev --group bench --output-file requirements-bench.lock

$(BIN)/.runs: requirements.lock | $(BIN)/.python
	@echo "Installing what Lectern needs …"
	@$(SYNC) requirements.lock
	@rm -f $(BIN)/.tests
	@touch $@

$(BIN)/.tests: requirements-dev.lock | $(BIN)/.python
	@echo "Installing what Lectern and its tests need …"
	@$(SYNC) requirements-dev.lock
	@touch $@

# It holds what the tests need too.
$(BIN)/.benches: requirements-bench.lock | $(BIN)/.python
	@echo "Installing what the measurements compare with …"
	@$(SYNC) requirements-bench.lock
	@touch $(BIN)/.tests $@

$(BIN)/.python:
	@for python in $(PYTHONS); do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if test -z "$$found"; then \
		echo "Lectern needs Python 3.11 or later, and none of $(PYTHONS) is that. Install one." >&2; exit 1; \
	fi; \
	if ! $$found -c 'import venv, ensurepip' 2>/dev/null; then \
		echo "The venv module of $$found is missing. On Debian or Ubuntu: apt install python3-venv" >&2; exit 1; \
	fi; \
	echo "Making .venv with $$($$found --version) …"; \
	$$found -m venv .venv && $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@touch $@
