# Two commands: `make bench` runs the spike and writes a report, `make test` runs every check.
# Both make .venv first, on a machine that has only Python 3.11 or newer.

PYTHON ?= python3
WORKLOAD ?= spike
REPEAT ?= 1
VENV := .venv
BIN := $(VENV)/bin
# What pip and uv are told to install.
WANTED := -c constraints.txt -e '.[local,loadtest,simulator,reports,dev]'

.DEFAULT_GOAL := help
.PHONY: help bench faults test check chromium clean

help:  ## this text
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

bench: $(VENV)/installed  ## one spike through all four buffers on this machine, and its report (WORKLOAD=smoke: a minute; REPEAT=3: and how far they part)
	$(BIN)/locust -f loadtest/ --headless --workload $(WORKLOAD) --repeat $(REPEAT)

faults: $(VENV)/installed  ## every fault through SNS, SQS and Kinesis, what becomes of each request, and its page (half an hour)
	$(BIN)/forebay faults

# Four at a time on two cores: many a test waits for a process. Their files go where `make clean` finds them.
test: $(VENV)/installed check chromium  ## lint, types and every test
	$(BIN)/pytest -n 4 --dist loadscope --no-loadscope-reorder --basetemp=$(VENV)/tests

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/cfn-lint infra.yaml

# The browser tests need Chromium. It is a Debian package, so only root can add it; otherwise those tests skip and say so.
chromium:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get -qq update >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y chromium >/dev/null; } \
	  || echo 'Chromium is not installed: browser tests will be skipped (as root: apt-get install chromium)'

clean:  ## remove what was installed and every run
	rm -rf $(VENV) build reports/runs reports/latest

# uv installs in half a minute what takes the pip that comes with Python more than two. Where uv cannot (an index that only pip is
# configured for), pip does it. uv leaves its locks where temporary files go.
$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Forebay needs Python 3.11 or newer, and \
	'$(PYTHON)' is none: name one, as in make $(MAKECMDGOALS) PYTHON=python3.13" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt uv
	TMPDIR=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode $(WANTED) \
	  || $(BIN)/pip install --quiet --disable-pip-version-check $(WANTED)
	touch $@
