# Two commands: `make bench` runs the spike and writes a report, `make test` runs every check.
# Both make .venv first, on a machine that has only Python 3.11 or newer.

PYTHON ?= python3
WORKLOAD ?= spike
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help bench test check clean

help:  ## this text
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

bench: $(VENV)/installed  ## one spike through SNS, SQS and Kinesis on this machine, and its report (WORKLOAD=smoke: a minute)
	$(BIN)/locust -f loadtest/ --headless --workload $(WORKLOAD)

test: $(VENV)/installed check  ## lint, types and every test
	$(BIN)/pytest

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/cfn-lint infra.yaml

clean:  ## remove what was installed and every run
	rm -rf $(VENV) build reports/runs reports/latest

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[local,loadtest,reports,dev]'
	touch $@
