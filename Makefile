# Every command installs what is missing into .venv first; nothing else has to be installed by hand.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# checkov pins versions that ours differ from, so it has a virtual environment of its own
CHECKOV := build/checkov
CHECKOV_INSTALLED := $(CHECKOV)/.installed

.PHONY: demo drill test test-long fuzz soak endurance bench bench-full bench-check recovery check fmt sbom lock clean help

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

$(INSTALLED): requirements/dev.lock setup.cfg pyproject.toml
	@echo "installing into $(VENV) (the first time takes a minute or two)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nearview needs Python 3.11 or newer, found " + sys.version)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@$(BIN)/python -m worker.supervisor.jars || { \
	  echo "reinstalling amazon_kclpy without pip's cache: its jars were incomplete"; \
	  sed -n '/^amazon-kclpy==/,/--hash/p' requirements/dev.lock >$(VENV)/kclpy.lock && \
	  $(BIN)/pip install --quiet --disable-pip-version-check --force-reinstall --no-deps --no-cache-dir --require-hashes -r $(VENV)/kclpy.lock && \
	  $(BIN)/python -m worker.supervisor.jars; }
	@$(BIN)/nearview worker archive >/dev/null || echo "going on without it: the daemon will start more slowly"
	@touch $@

$(CHECKOV_INSTALLED): requirements/checkov.lock
	@echo "installing checkov into $(CHECKOV) (the first time takes a minute or two)"
	@$(PYTHON) -m venv --clear $(CHECKOV)
	@$(CHECKOV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/checkov.lock
	@touch $@

## make demo        run the main job on the local stack, print a summary, stop everything (KEEP=1 leaves it running)
demo: $(INSTALLED)
	@$(BIN)/nearview local demo $(if $(KEEP),--keep)

## make drill       lose the primary region of a local stack of two, promote the other, fail back; writes drill.json
drill: $(INSTALLED)
	@$(BIN)/nearview drill region-loss $(if $(KEEP),--keep)

## make test        all tests, about 15 minutes
test: $(INSTALLED)
	@$(BIN)/pytest -m "not long" -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/acceptance $(ARGS)
	@$(BIN)/pytest -m "not long" tests/acceptance $(ARGS)

## make test-long   the long runs as well: more histories, more kills
test-long: $(INSTALLED)
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/acceptance $(ARGS)
	@$(BIN)/pytest tests/acceptance $(ARGS)

## make fuzz        search for inputs that break a parser, MINUTES=10 in all, or TARGET=records alone
fuzz: $(INSTALLED)
	@$(BIN)/pip install --quiet --disable-pip-version-check atheris==3.0.0
	@$(BIN)/python -m tests.fuzz.run --minutes $(or $(MINUTES),10) $(TARGET)

## make soak        composed faults on real child processes, SEEDS=1000 of them (or SECONDS=600, or SEED=17 alone), soak.json
soak: $(INSTALLED)
	@$(BIN)/python -m tests.soak.run --json soak.json --jobs $(or $(JOBS),1) $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000) --seconds $(or $(SECONDS),0)) $(ARGS)

## make endurance   the whole worker under load, MINUTES=60 left alone and as long with a kill every minute
endurance: $(INSTALLED)
	@$(BIN)/python -m tests.soak.endurance --minutes $(or $(MINUTES),60) --json endurance.json $(ARGS)

## make bench       all benchmarks, medians of 5 runs, about 20 minutes; RUNS=7 for more
bench: $(INSTALLED)
	@$(BIN)/python -m bench run --runs $(or $(RUNS),5)
	@$(BIN)/python -m bench figures

## make bench-full  the same with larger sizes and 11 runs, into bench/results/full.json
bench-full: $(INSTALLED)
	@$(BIN)/python -m bench run --sizes full --runs $(or $(RUNS),11) --output bench/results/full.json

## make recovery    seconds until documents follow again after each fault, beside plain KCL: half an hour
recovery: $(INSTALLED)
	@$(BIN)/python -m bench recovery

## make bench-check has a key stage become slower than bench/reference.json says?
bench-check: $(INSTALLED)
	@$(BIN)/python -m bench check

## make check       formatting, lint, types, templates
check: $(INSTALLED) $(CHECKOV_INSTALLED)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/cfn-lint
	@$(CHECKOV)/bin/checkov --config-file .checkov.yaml

## make fmt         format the code
fmt: $(INSTALLED)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

## make sbom       what is in the worker's image, as CycloneDX: requirements/sbom.json
sbom: $(INSTALLED)
	@$(BIN)/python -m local.sbom >requirements/sbom.json

## make lock        pin the dependencies anew
lock:
	@$(BIN)/pip install --quiet pip-tools
	@$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-options --output-file requirements/worker.lock requirements/worker.in
	@$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-options --output-file requirements/dev.lock requirements/dev.in
	@$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-options --output-file requirements/checkov.lock requirements/checkov.in

## make clean       remove the virtual environment and the local state
clean:
	@rm -rf $(VENV) .nearview build
