# Each target sets up the environment and calls one command. `make help` is made from this file: `##` after a target
# describes it, and a line that begins with `##` is printed as it stands.

SHELL := bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory
export PIP_DISABLE_PIP_VERSION_CHECK := 1

VENV ?= .venv
VARIANT ?= nex_rgb
PRESET ?= fast
SET ?= development
WORKERS ?= 2
# From the command line alone: some systems keep the computer's name in this variable.
ifneq ($(origin NAME),command line)
NAME :=
endif

ifneq ($(words $(VENV)),1)
$(error VENV must be one path without spaces, not "$(VENV)")
endif

# A variable as one word of the shell, after a prefix: $(call word_of,--scene=,SCENE).
# `value` keeps make from expanding a $ that the user typed.
word_of = '$(1)$(subst ','\'',$(value $(2)))'
# Those of the named variables that have a value, as options of the same names: $(call options,OUT WIDTH).
options = $(foreach name,$(1),$(if $(value $(name)),$(call word_of,--$(shell echo $(name) | tr A-Z a-z)=,$(name))))

NORMNEX := $(VENV)/bin/normnex
KNOWN_LOGGERS := $(sort $(basename $(notdir $(wildcard experiments/loggers/*.yaml))))
KNOWN_VARIANTS := $(sort $(basename $(notdir $(wildcard experiments/variants/*.yaml))))
PRESETS := $(sort $(basename $(notdir $(wildcard experiments/presets/*.yaml))))
# Where the demo trains to, for what follows; ARGS may say otherwise.
DEMO_RUN = $(or $(patsubst --run.folder=%,%,$(filter --run.folder=%,$(ARGS))),runs/demo/nex_rgb-tiny)

# So that the notebooks can show how the runs got on: left-out training views, looked at every 50 steps.
WATCHED := --data.num_validation_views=2 --trainer.check_val_every_n_epoch=null --trainer.val_check_interval=50
# Paths for what runs in notebooks/: from the root, as the other targets take them.
in_notebooks = $(foreach name,RUNS SWEEP SCENE,$(if $(value $(name)),$(name)="$$(realpath $(call word_of,,$(name)))"))

# An installation leaves a stamp in the environment, named after the extras that it brought and the folder
# that it was made for. Without the stamp, or when the stamp is older than the files that say what to
# install, the next target installs again; otherwise the environment is used as it is.
HERE := $(shell pwd | cksum | cut -d' ' -f1)
TEST_EXTRAS := dev,scenes,capture,video,exr,notebooks,postgresql
STAMP := $(VENV)/.stamp-$(HERE)-
FOR_RUNS := $(STAMP)runtime
FOR_SCENES := $(STAMP)scenes
FOR_VIDEOS := $(STAMP)video
FOR_PHOTOS := $(STAMP)capture
FOR_NOTEBOOKS := $(STAMP)notebooks
FOR_DOCS := $(STAMP)docs
FOR_TESTS := $(STAMP)$(TEST_EXTRAS)

## Usage: make TARGET [NAME=value ...]. Each target first sets up what it needs, once, in .venv.
##
## Train and evaluate:

.PHONY: demo
demo: $(FOR_RUNS) ## train on the shipped scene, evaluate, bake, print where to look
	$(NORMNEX) train scenes/demo --preset=tiny --run.folder=$(DEMO_RUN) $(ARGS)
	$(NORMNEX) bake $(DEMO_RUN)

.PHONY: inspect
inspect: USAGE = make inspect SCENE=path [VARIANT=nex_rgb] [PRESET=fast] [ARGS="--write_planes ..."]
inspect: needs-scene $(FOR_RUNS) ## SCENE=path [PRESET=fast] [ARGS="--write_planes"]: what a scene is, before training
	$(NORMNEX) inspect $(call word_of,,SCENE) --variant=$(VARIANT) --preset=$(PRESET) $(ARGS)

.PHONY: train
train: USAGE = make train SCENE=path [VARIANT=nex_rgb] [PRESET=fast] [GPUS=n] [LOGGERS=wandb] [ARGS="..."]
train: needs-scene $(FOR_RUNS) ## SCENE=path [VARIANT=nex_rgb] [PRESET=fast] [GPUS=n]: train, then evaluate
	$(NORMNEX) train $(call word_of,,SCENE) --variant=$(VARIANT) --preset=$(PRESET) \
	  $(call options,LOGGERS GPUS) $(ARGS)

.PHONY: eval
eval: USAGE = make eval RUN=runs/<scene>/<variant>-<preset> [SCENE=path]
eval: needs-run $(FOR_RUNS) ## RUN=runs/<scene>/<variant>-<preset> [SCENE=path if it moved]: evaluate again
	$(NORMNEX) eval $(call word_of,,RUN) $(call options,SCENE) $(ARGS)

.PHONY: bake
bake: USAGE = make bake RUN=runs/<scene>/<variant>-<preset> [SCENE=path] [ARGS="--quality=90 ..."]
bake: needs-run $(FOR_RUNS) ## RUN=path [SCENE=path if it moved]: write the run's mpi/ for viewers, score it
	$(NORMNEX) bake $(call word_of,,RUN) $(call options,SCENE) $(ARGS)

.PHONY: view
view: USAGE = make view RUN=runs/<scene>/<variant>-<preset> [ARGS="--port=8080 ..."]
view: needs-run $(FOR_RUNS) ## RUN=path [ARGS="--export=folder"]: look at the run's mpi/ in a browser, or publish it
	$(NORMNEX) view $(call word_of,,RUN) $(ARGS)

.PHONY: video
video: USAGE = make video RUN=runs/<scene>/<variant>-<preset> [SCENE=path] [ARGS="--path=orbit ..."]
video: needs-run $(FOR_VIDEOS) ## RUN=path [SCENE=path if it moved] [ARGS="--components render disparity"]: a video
	$(NORMNEX) video $(call word_of,,RUN) $(call options,SCENE) $(ARGS)

.PHONY: export
export: USAGE = make export RUN=runs/<scene>/<variant>-<preset> [FORMAT=mpi] [OUTPUT=path]
export: needs-run $(FOR_RUNS) ## RUN=path [FORMAT=mpi] [OUTPUT=path]: write a baked run for other programs
	$(NORMNEX) export $(call word_of,,RUN) $(call options,FORMAT OUTPUT) $(ARGS)

.PHONY: compare
compare: USAGE = make compare SCENE=path [VARIANTS="nex_rgb ..."] [ROWS=file] [PRESET=fast] [SEEDS="0 1"] \
  [JOBS=n] [OUT=path] [STORAGE=postgresql://...] [ARGS="..."]
compare: needs-scene $(FOR_RUNS) ## SCENE=path [VARIANTS="nex_rgb ..."] [PRESET=fast]: train them, write one table
	$(NORMNEX) compare $(call word_of,,SCENE) --preset=$(PRESET) \
	  $(call options,VARIANTS ROWS SEEDS JOBS OUT STORAGE) $(if $(value ARGS),-- $(ARGS))

.PHONY: sweep
sweep: USAGE = make sweep SWEEP=experiments/sweeps/regularizers.yaml SCENE=path [COUNT=n] [PRESET=fast] \
  [JOBS=n] [OUT=path] [STORAGE=postgresql://...] [ARGS="..."]
sweep: needs-sweep needs-scene $(FOR_RUNS) ## SWEEP=file SCENE=path [COUNT=n] [PRESET=fast]: search settings, at W&B or here
	$(NORMNEX) sweep $(call word_of,,SWEEP) $(call word_of,,SCENE) --preset=$(PRESET) \
	  $(call options,COUNT JOBS OUT STORAGE) $(if $(value ARGS),-- $(ARGS))

.PHONY: bench
bench: needs-old-bench $(FOR_RUNS) ## [COMPARE=old.json] [SCENE=path] [ARGS="--quick"]: time training and rendering here
	$(VENV)/bin/python experiments/benchmarks/bench.py $(call options,SCENE OUT COMPARE) $(ARGS)

.PHONY: notebooks
notebooks: needs-runs-of-scene $(FOR_NOTEBOOKS) ## [RUNS=folder SCENE=path] [SWEEP=folder]: execute them; train first what they show
	$(if $(value RUNS),,$(MAKE) compare SCENE=scenes/demo PRESET=tiny ARGS="$(WATCHED)")
	$(if $(value SWEEP),,$(MAKE) sweep SWEEP=experiments/sweeps/regularizers.yaml SCENE=scenes/demo PRESET=tiny \
	  COUNT=12 ARGS="--trainer.max_steps=300")
	$(in_notebooks) $(VENV)/bin/jupyter execute --inplace notebooks/*.ipynb

.PHONY: prepare
prepare: USAGE = make prepare PHOTOS=folder|video SCENE=path [ARGS="--longest=3024 ..."]
prepare: needs-photos $(FOR_PHOTOS) ## PHOTOS=folder SCENE=path: a scene of your own photos, or of a video
	$(NORMNEX) prepare $(call word_of,,PHOTOS) $(call word_of,,SCENE) $(ARGS)

.PHONY: cluster-report
cluster-report: $(FOR_RUNS) ## [RUNS=runs] [OUT=runs/report.csv]: where all runs in a folder stand, as a table
	$(NORMNEX) report $(call options,RUNS OUT) $(ARGS)

.PHONY: scene
scene: USAGE = make scene OUT=path [NAME=dev_1] [WIDTH=pixels] [ARGS="..."]
scene: needs-out $(FOR_SCENES) ## OUT=path [NAME=dev_1] [WIDTH=1008]: render a scene of the family, or the demo at another size
	$(VENV)/bin/python experiments/scenes/make_$(if $(value NAME),family,demo).py $(call word_of,--output=,OUT) \
	  $(call options,NAME WIDTH) $(ARGS)

.PHONY: scenes
scenes: USAGE = make scenes OUT=folder [SET=development] [WIDTH=504] [ARGS="..."]
scenes: needs-out $(FOR_SCENES) ## OUT=folder [SET=development]: render four scenes of the family; SET=final: the others
	$(VENV)/bin/python experiments/scenes/make_family.py $(call word_of,--output=,OUT) \
	  $(call options,SET WIDTH) $(ARGS)

##
## Work on the code:

# By files, whose tests share runs that are trained for them.
.PHONY: test
test: $(FOR_TESTS) ## [PYTEST_ARGS="-k name"] [WORKERS=2]: run the tests, in so many processes
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
	  $(PYTEST_ARGS)

.PHONY: check
check: $(FOR_TESTS) ## lint, formatting, types and layers, changing nothing
	@status=0; \
	for tool in "ruff check" "ruff format --check" mypy lint-imports; do \
	  echo "$(VENV)/bin/$$tool"; \
	  $(VENV)/bin/$$tool || status=1; \
	done; \
	exit $$status

.PHONY: format
format: $(FOR_TESTS) ## format the code and fix what the linter can fix
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

.PHONY: docs
docs: $(FOR_DOCS) ## build the documentation site into site/; a broken link or reference fails
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --strict $(ARGS)

.PHONY: setup
setup: $(FOR_TESTS) ## only set up, with what tests, scenes and photos need

.PHONY: clean
clean: ## remove .venv, build products and caches; runs/ stays
	rm -rf .venv .cache build dist site src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	rm -rf tests/node_modules
	find src tests experiments -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help
help: ## this text
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##/ { sub(/^## ?/, ""); print } \
	  /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "Configurations in experiments/:"
	@echo "  VARIANT       $(KNOWN_VARIANTS)"
	@echo "  PRESET        $(PRESETS)"
	@echo "  LOGGERS       $(KNOWN_LOGGERS)"

##
## For every target:
##   ARGS="..."    more options for the program, e.g. ARGS="--trainer.max_epochs=10"
##   VENV=path     another environment, also one that exists (VENV=$CONDA_PREFIX)
##   PYTHON=path   the Python (3.11 or newer) to make the environment with

# Guards come before the environment in a target's prerequisites: who forgot a word should not wait for an
# installation to hear of it.

.PHONY: needs-scene
needs-scene:
	$(if $(value SCENE),,$(error SCENE is missing. Usage: $(USAGE)))
	$(if $(filter $(VARIANT),$(KNOWN_VARIANTS)),,$(error \
	  There is no VARIANT "$(VARIANT)". Choose from: $(KNOWN_VARIANTS)))
	$(foreach name,$(filter-out $(KNOWN_VARIANTS),$(VARIANTS)),$(error \
	  There is no "$(name)" for VARIANTS. Choose from: $(KNOWN_VARIANTS)))
	$(if $(filter $(PRESET),$(PRESETS)),,$(error There is no PRESET "$(PRESET)". Choose from: $(PRESETS)))
	$(foreach name,$(filter-out $(KNOWN_LOGGERS),$(LOGGERS)),$(error \
	  There is no "$(name)" for LOGGERS. Choose from: $(KNOWN_LOGGERS)))

.PHONY: needs-sweep
needs-sweep:
	$(if $(value SWEEP),,$(error SWEEP is missing. Usage: $(USAGE)))
	@test -f $(call word_of,,SWEEP) || { \
	  echo $(call word_of,,SWEEP): no such file. There are: $(wildcard experiments/sweeps/*.yaml) >&2; exit 2; }

.PHONY: needs-run
needs-run:
	$(if $(value RUN),,$(error RUN is missing. Usage: $(USAGE)))
	@test -f $(call word_of,,RUN)/config.yaml || { \
	  echo $(call word_of,,RUN): no config.yaml there. RUN is the folder of a run, such as runs/demo/nex_rgb-tiny. >&2; \
	  exit 2; }

.PHONY: needs-runs-of-scene
needs-runs-of-scene:
	$(if $(value SCENE),$(if $(value RUNS),,$(error RUNS is missing: what make compare SCENE=$(value SCENE) wrote)))

.PHONY: needs-photos
needs-photos:
	$(if $(value PHOTOS),,$(error PHOTOS is missing. Usage: $(USAGE)))
	$(if $(value SCENE),,$(error SCENE is missing. Usage: $(USAGE)))

.PHONY: needs-old-bench
needs-old-bench:
	$(if $(value COMPARE),@test -f $(call word_of,,COMPARE) || { \
	  echo $(call word_of,,COMPARE): no such file. COMPARE is what an earlier make bench stored. >&2; \
	  exit 2; })

.PHONY: needs-out
needs-out:
	$(if $(value OUT),,$(error OUT is missing. Usage: $(USAGE)))

# The stamp is touched last: an interrupted installation leaves none. `venv` without --clear repairs a
# half-made environment and harms no whole one.
$(STAMP)%: setup.cfg setup.py pyproject.toml constraints.txt
	@set -eu; \
	echo "Setting up $(VENV) (a few minutes the first time)"; \
	if ! $(VENV)/bin/python -m pip --version >/dev/null 2>&1; then \
	  python=; \
	  for candidate in $(or $(PYTHON),python3.11 python3 python); do \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	      python=$$candidate; break; \
	    fi; \
	  done; \
	  if test -z "$$python"; then \
	    echo "Python 3.11 or newer is needed, and is none of: $(or $(PYTHON),python3.11 python3 python)." >&2; \
	    echo "Say where it is: make $(MAKECMDGOALS) PYTHON=path" >&2; \
	    exit 2; \
	  fi; \
	  "$$python" -m venv $(VENV); \
	fi; \
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt \
	  --editable '.$(if $(filter runtime,$*),,[$*])'; \
	touch $(if $(filter $(TEST_EXTRAS),$*),$(FOR_RUNS) $(FOR_SCENES) $(FOR_VIDEOS) $(FOR_PHOTOS)) $@; \
	echo "$(VENV) is ready ($$SECONDS s)"
