# What a newcomer types. `make demo` and `make test` need Python 3.11+ and make, nothing else:
# .ci/venv sets up .venv the first time and leaves it alone, without a network, from then on.

PYTHON ?= python3
ARGS ?=
export PYTHON

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test drill check audit format pins clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

demo: ## judge the sample conversations and show the dashboard (ARGS=--once ends afterwards)
	@sh .ci/venv run
	@.venv/bin/goalline demo $(ARGS)

test: ## run every test (ARGS= is passed to pytest: make test ARGS=tests/test_story.py)
	@sh .ci/venv dev
	@.venv/bin/python -m pytest $(ARGS)

drill: ## break everything while work comes in and see that nothing is lost (ARGS="--seed 7", ARGS=--embedded)
	@sh .ci/venv dev
	@.venv/bin/python -m bench.drill $(ARGS)

check: ## check format, lint, types, the import rule and for insecure code
	@sh .ci/venv dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/bandit --quiet --configfile pyproject.toml --recursive src

audit: ## look for known vulnerabilities in what is pinned in requirements.txt (needs the network)
	@sh .ci/venv audit
	@sh .ci/audit

format: ## format the code and fix what the linter can fix
	@sh .ci/venv dev
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

PIN = uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links $(ARGS)

pins: ## pin the dependencies anew (needs uv; ARGS=--upgrade takes newer versions)
	@command -v uv > /dev/null || { echo "make pins needs uv: python3 -m pip install uv" >&2; exit 1; }
	$(PIN) --group build --output-file requirements.txt
	$(PIN) --group dev --constraint requirements.txt --output-file requirements-dev.txt
	$(subst compile pyproject.toml,compile,$(PIN)) --group pyproject.toml:audit --output-file requirements-audit.txt

clean: ## remove .venv, caches and built files
	rm -rf .venv .venv-audit .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
