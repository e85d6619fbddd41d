# Commands for developers and CI. They require make and python3 (3.11 or newer), and can be repeated safely.

PYTHON ?= python3
PORT ?= 8000
export PORT
# Otherwise each test process, and each command that a test starts, compiles all modules again.
unexport PYTHONDONTWRITEBYTECODE
# Number of test processes. 0 runs the tests without worker processes, which a debugger requires.
WORKERS ?= 2

PY := .venv/bin/python
MANAGE := $(PY) manage.py
COMPILE = $(PY) -m uv pip compile --quiet --generate-hashes --no-header --universal --python-version 3.11 pyproject.toml $(ARGS)
CODE := policytracker agreements recommendations tools
PYTEST := $(PY) -m pytest --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder --durations=10 --durations-min=1

.PHONY: help run demo-reset screenshots test check check-code audit format openapi pins bench bench-load python free-port requirements-local.txt.installed \
	requirements-dev.txt.installed database
.NOTPARALLEL:

help:
	@echo "make run         serve the site at 127.0.0.1:$(PORT) (PORT=8001 uses another port, DEMO=0 loads no demonstration data)"
	@echo "make demo-reset  drop the database and start again with fixtures, demonstration data and demo users"
	@echo "make test        run the tests on a real PostgreSQL, except slow ones (ARGS='-k word' selects tests)"
	@echo "make check       run all checks of CI, including slow tests"
	@echo "make audit       check the pinned packages for known vulnerabilities"
	@echo "make format      format the code"
	@echo "make screenshots update the images of the README (needs chromium; after make demo-reset)"
	@echo "make openapi     update docs/openapi.yaml"
	@echo "make pins        update the pinned requirements after a change in pyproject.toml (ARGS=--upgrade upgrades packages)"
	@echo "make bench       measure the site over HTTP at 1 %, 10 % and 100 % of a national register (QUICK=1 takes 3 minutes: without 100 %, as an administrator)"
	@echo "make bench-load  measure fairness while many clients ask for expensive responses (MINUTES=10 takes longer; default 1)"

run demo-reset screenshots: export DEBUG = 1
test check check-code openapi bench bench-load: export DEBUG = 0
test check check-code openapi bench bench-load: export SECRET_KEY = only for tests

run: python free-port requirements-local.txt.installed database
	@GREETING="$$($(MANAGE) make_demo)" && export GREETING && exec $(PY) -m gunicorn

demo-reset: requirements-local.txt.installed database
	@$(MANAGE) make_demo --reset

screenshots: free-port requirements-dev.txt.installed database
	@$(MANAGE) make_demo > /dev/null && $(PY) .ci/screenshots.py

test: requirements-dev.txt.installed database
	@$(if $(findstring -m ,$(ARGS) ),,echo "Slow tests are skipped. Run them with: make test ARGS='-m slow' (make check includes them)")
	@$(PYTEST) -m "not slow" $(ARGS)

check: requirements-dev.txt.installed database
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	@echo "Running the tests, and beside them mypy and the checks of migrations, schema and settings, whose output is shown at the end"
	@output=$$(mktemp) && trap 'rm -f "$$output"' EXIT; \
	$(MAKE_COMMAND) --no-print-directory check-code > "$$output" 2>&1 & checking=$$!; \
	tests=0 code=0; \
	$(PYTEST) $(ARGS) || tests=$$?; \
	wait $$checking || code=$$?; \
	cat "$$output"; exit $$((tests + code))

check-code:
	$(PY) -m mypy $(CODE)
	$(MANAGE) makemigrations --check --dry-run
	@echo "Comparing docs/openapi.yaml with the code"
	@$(MANAGE) spectacular --validate | diff -u docs/openapi.yaml - \
		|| { echo "docs/openapi.yaml does not match the code. Update it: make openapi" >&2; exit 1; }
	@echo "Checking the production settings"
	@SECRET_KEY="$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(50))')" ALLOWED_HOSTS=tracker.example \
		$(MANAGE) check --deploy --fail-level WARNING

audit: requirements-dev.txt.installed
	@$(PY) .ci/audit.py

format: requirements-dev.txt.installed
	$(PY) -m ruff check --fix-only --quiet .
	$(PY) -m ruff format .

openapi: requirements-dev.txt.installed database
	$(MANAGE) spectacular --validate --file docs/openapi.yaml

# Production installs requirements.txt. Each of the other two files includes it.
pins: requirements-dev.txt.installed
	$(COMPILE) -o requirements.txt
	$(COMPILE) --extra local -o requirements-local.txt
	$(COMPILE) --extra local --extra dev -o requirements-dev.txt

bench: requirements-local.txt.installed database
	@$(PY) -m benchmarks $(if $(QUICK),--quick) $(ARGS)

bench-load: requirements-local.txt.installed database
	@$(PY) -m benchmarks load --minutes $(or $(MINUTES),1) --percent $(or $(PERCENT),10) $(ARGS)

database:
	@$(MANAGE) pg start

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || { \
		echo "$(PYTHON) is not Python 3.11 or newer. Install it, or set its path: make PYTHON=/path/to/python3" >&2; exit 1; }

free-port:
	@$(PYTHON) -c 'import socket, sys; socket.create_server(("127.0.0.1", int(sys.argv[1])))' '$(PORT)' 2> /dev/null || { \
		echo "Port $(PORT) is in use or not permitted. Use another: make run PORT=8001" >&2; exit 1; }

# The file names all packages with their hashes, so pip need not look for others. Python compiles what is used.
# A copy of the file in .venv means that its packages are installed. The lock on descriptor 9 makes a second make wait; it ends with
# this shell.
requirements-local.txt.installed requirements-dev.txt.installed: %.installed: python
	@if $(PY) -c '' 2> /dev/null && cmp -s $* .venv/$*; then exit; fi; \
	exec 9> .venv.lock && $(PYTHON) -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' || exit; \
	if $(PY) -c '' 2> /dev/null && cmp -s $* .venv/$*; then exit; fi; \
	if ! $(PY) -m pip --version > /dev/null 2>&1; then \
		echo "Creating .venv"; \
		$(PYTHON) -m venv --clear .venv > /dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip .venv || exit; \
	fi; \
	if $(PY) -m pip --version > /dev/null 2>&1; then pip="$(PY) -m pip"; \
	elif $(PYTHON) -m pip --version > /dev/null 2>&1; then pip="$(PYTHON) -m pip --python $(PY)"; \
	else echo "Python has neither venv nor pip. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; fi; \
	echo "Installing $* into .venv; the first time takes a minute or two"; \
	$$pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r $* && cp $* .venv/$*
