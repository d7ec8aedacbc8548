# make demo: set up, run the whole workflow on made-up input, print the headline table.
# make test: set up, run the tests.
# make test-slow: set up, train and embed with each architecture at full size (no weights are downloaded).
# make test-slurm: set up, run a slice of the demo on a SLURM of one node; as root on Debian or Ubuntu it installs SLURM where it is missing.
# make test-browser: set up, try the pages in a headless Chromium; as root on Debian it installs that where it is missing.
# make lint: check the style of Python and Snakemake files, and that the rooms of the package import only what lies below them.
# make config-docs: make the tables of config/README.md and docs/outputs.md anew, after a change of workflow/schemas/ or config/config.yaml.
# make docs: make the documentation site, site/index.html, with an environment of its own (.venv-docs).
# Needs Python 3.11; everything else goes into .venv.
.PHONY: demo test test-slow test-slurm test-browser lint config-docs docs
.DELETE_ON_ERROR:

PYTHON ?= python3.11
CORES ?= 2
PIP_FLAGS ?= --quiet --disable-pip-version-check
BIN := .venv/bin

demo: .venv/installed
	$(BIN)/snakemake --cores $(CORES) --configfile config/demo.yaml
	@$(BIN)/python workflow/scripts/show_headline.py results/demo/demo

test: .venv/installed
	$(BIN)/python -m pytest -n $(CORES) --dist worksteal

test-slow: .venv/installed
	$(BIN)/python -m pytest -m slow -s

test-slurm: .venv/installed
	sh tests/slurm/install.sh
	$(BIN)/python -m pytest -m slurm --durations 0 tests/slurm

test-browser: .venv/installed
	sh tests/browser/install.sh
	$(BIN)/python -m pytest -m browser --durations 3 tests/browser

lint: .venv/installed
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	PYTHONPATH=workflow/scripts $(BIN)/lint-imports --no-cache --no-logo

config-docs: .venv/installed
	$(BIN)/python workflow/scripts/describe_config.py
	$(BIN)/python workflow/scripts/describe_outputs.py

docs: .venv-docs/installed
	rm -rf .docs && mkdir -p .docs/benchmarks .docs/profiles
	cp -r README.md CHANGELOG.md CITATION.cff CONTRIBUTING.md LICENSE config docs .docs
	cp benchmarks/README.md benchmarks/*.tsv .docs/benchmarks && cp -r profiles/slurm .docs/profiles
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict
	@echo site/index.html

.venv-docs/installed: envs/docs.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/pip install $(PIP_FLAGS) --requirement envs/docs.txt
	touch $@

# The compiled extension of torchaudio fails at import wherever torch is not built for the very CUDA that it is built for, or
# for none; without it the Python parts of torchaudio, which are all that is used here, work. For conda,
# envs/emofuse.post-deploy.sh does the same.
.venv/installed: envs/requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/pip install $(PIP_FLAGS) --requirement envs/requirements.lock
	rm -f .venv/lib/python3.11/site-packages/torchaudio/lib/*.so
	touch $@
