# The few commands that people and CI share. They need python3 (3.11 or newer) and make; they are safe to repeat.

PYTHON ?= python3
PORT ?= 8000
export PORT
# How many processes run the tests. 0 is one process without workers, as a debugger needs it.
WORKERS ?= 2

PY := .venv/bin/python
MANAGE := $(PY) manage.py
COMPILE = $(PY) -m uv pip compile --quiet --generate-hashes --no-header --universal --python-version 3.11 pyproject.toml $(ARGS)
CODE := policytracker agreements recommendations
PYTEST := $(PY) -m pytest --numprocesses=$(WORKERS) --dist=loadfile

.PHONY: help run demo-reset test check audit format openapi pins bench python free-port requirements-local.txt.installed \
	requirements-dev.txt.installed database
.NOTPARALLEL:

help:
	@echo "make run         serve the site at 127.0.0.1:$(PORT) (PORT=8001 chooses another port)"
	@echo "make demo-reset  throw the database away and start over with fixtures and demo users"
	@echo "make test        run the tests on a real PostgreSQL (ARGS='-k word' chooses some)"
	@echo "make check       everything that CI checks"
	@echo "make audit       look for known vulnerabilities in the pinned packages"
	@echo "make format      format the code"
	@echo "make openapi     write docs/openapi.yaml anew"
	@echo "make pins        write the hashed pins anew after a change in pyproject.toml (ARGS=--upgrade takes newer versions)"
	@echo "make bench       measure how fast lists and details are (SIZE=250000 for another number of recommendations)"

run demo-reset: export DEBUG = 1
test check openapi bench: export DEBUG = 0
test check openapi bench: export SECRET_KEY = of the tests, and of nothing else

run: python free-port requirements-local.txt.installed database
	@GREETING="$$($(MANAGE) make_demo)" && export GREETING && exec $(PY) -m gunicorn

demo-reset: requirements-local.txt.installed database
	@$(MANAGE) make_demo --reset

test: requirements-dev.txt.installed database
	@$(PYTEST) $(ARGS)

check: requirements-dev.txt.installed database
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy $(CODE)
	$(MANAGE) makemigrations --check --dry-run
	@echo "Comparing docs/openapi.yaml with the code"
	@$(MANAGE) spectacular --validate | diff -u docs/openapi.yaml - \
		|| { echo "docs/openapi.yaml is not what the code says. Write it anew: make openapi" >&2; exit 1; }
	@echo "Checking the settings of a server"
	@SECRET_KEY="$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(50))')" ALLOWED_HOSTS=tracker.example \
		$(MANAGE) check --deploy --fail-level WARNING
	$(PYTEST) $(ARGS)

audit: requirements-dev.txt.installed
	@$(PY) .ci/audit.py

format: requirements-dev.txt.installed
	$(PY) -m ruff check --fix-only --quiet .
	$(PY) -m ruff format .

openapi: requirements-dev.txt.installed database
	$(MANAGE) spectacular --validate --file docs/openapi.yaml

# Production installs requirements.txt alone; each of the other two has all of it, so that one install suffices.
pins: requirements-dev.txt.installed
	$(COMPILE) -o requirements.txt
	$(COMPILE) --extra local -o requirements-local.txt
	$(COMPILE) --extra local --extra dev -o requirements-dev.txt

bench: requirements-local.txt.installed database
	@$(PY) -m benchmarks.reading --write --size $(or $(SIZE),50000)

database:
	@$(MANAGE) pg start

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || { \
		echo "$(PYTHON) is not Python 3.11 or newer. Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }

free-port:
	@$(PYTHON) -c 'import socket, sys; socket.create_server(("127.0.0.1", int(sys.argv[1])))' '$(PORT)' 2> /dev/null || { \
		echo "Port $(PORT) is in use, or none that you may use. Choose another: make run PORT=8001" >&2; exit 1; }

# A copy of the file in .venv says that it is installed. An interrupted install leaves none, and whoever comes second
# waits for the first: the lock on descriptor 9 ends with this shell.
requirements-local.txt.installed requirements-dev.txt.installed: %.installed: python
	@if $(PY) -c '' 2> /dev/null && cmp -s $* .venv/$*; then exit; fi; \
	exec 9> .venv.lock && $(PYTHON) -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' || exit; \
	if $(PY) -c '' 2> /dev/null && cmp -s $* .venv/$*; then exit; fi; \
	if ! $(PY) -m pip --version > /dev/null 2>&1; then \
		echo "Making .venv"; \
		$(PYTHON) -m venv --clear .venv > /dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip .venv || exit; \
	fi; \
	if $(PY) -m pip --version > /dev/null 2>&1; then pip="$(PY) -m pip"; \
	elif $(PYTHON) -m pip --version > /dev/null 2>&1; then pip="$(PYTHON) -m pip --python $(PY)"; \
	else echo "Python has neither venv nor pip. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; fi; \
	echo "Installing $* into .venv; the first time takes a minute or two"; \
	$$pip install --disable-pip-version-check --require-hashes -r $* && cp $* .venv/$*
