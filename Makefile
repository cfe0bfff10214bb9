# GPU shared virtual memory for Linux 6.12 LTS.  'make help' lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Targets share the kernel tree and the machine's two cores: one after the other
.NOTPARALLEL:

# What can be set on the command line, as in 'make run FLUSH=5ms'
export KERNEL VARIANT FLUSH FENCE ROUNDS FORCE COUNT SEED
export LIST GPUS PROFILE SIM CPU CCS TRACE TIMEOUT TEST_TIMEOUT MEM A B REUSE

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/gpusvm

.PHONY: help
help: ## this list
	@echo 'GPU shared virtual memory for Linux 6.12 LTS'
	@echo
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 } \
		/^## / { sub(/^## /, ""); print "\n" $$0 }' $(MAKEFILE_LIST)
	@echo
	@echo 'Kernels, QEMU and downloads are kept in $(CACHE),'
	@echo 'results in out/. Set XDG_CACHE_HOME to keep the former elsewhere.'

## See it and test it
.PHONY: run test test-full
run: deps ## munmap() with 1 to 8 software GPUs: FLUSH=5ms FENCE=0 ROUNDS=9; a simulated GPU
	@scripts/run
test: deps ## everything that CI runs
	@scripts/test
test-full: deps ## the same, and what takes longer
	@scripts/test full

## Parts of the test
.PHONY: kunit kunit-x86 stress hmm-tests interval-fuzz series check-series configs lint docs scripts-test coverage mutants bench-gpusvm
kunit: deps ## KUnit on UML: our suites, and drm, ttm and xe against the base
	@scripts/test kunit
kunit-x86: deps ## KUnit on x86_64 in QEMU: our suites, debug and lean kernel
	@scripts/test kunit-x86
stress: deps ## many threads at the same memory for a minute: debug kernel, and one with KCSAN
	@scripts/test stress
hmm-tests: deps ## the kernel's selftest of device memory, on ours and on the base
	@scripts/test hmm hmm-debug
interval-fuzz: deps ## the interval arithmetic against a model, in user space: COUNT=1000000 SEED=1
	@scripts/test interval
series: deps ## out/series: the series as mails, checked by git am
	@scripts/series render
check-series: deps ## every step of the series compiles without a new warning
	@scripts/series check
configs: deps ## our files compile, whatever is configured
	@scripts/configs
lint: deps ## checkpatch, sparse, W=1, kernel-doc, clang-format, shellcheck
	@scripts/lint
docs: deps ## out/docs: our pages of the kernel's documentation, without a warning
	@scripts/docs
scripts-test: deps ## the tests of our own scripts
	@scripts/test scripts
coverage: deps ## which lines of drm_gpusvm and drm_pagemap the suites run: 90 % or more
	@scripts/test coverage
mutants: deps ## break notifiers, drm_gpusvm and drm_pagemap on purpose: the suites must notice
	@scripts/mutants
bench-gpusvm: deps ## what lookups, page lists, migration and invalidation cost, as ratios
	@scripts/bench-gpusvm

## The Xe driver on simulated GPUs
.PHONY: sim igt igt-compare convict sim-test bench sync-bind timeline
sim: deps ## build the GPU simulator
	@scripts/sim build
igt: deps ## run IGT: LIST=basic|full|'xe_vm@*bind*' KERNEL=ours GPUS=1 PROFILE=bmg|pvc|pvc2
	@scripts/kernel build "$(or $(KERNEL),ours)" "$(VARIANT)"
	@scripts/qemu fetch
	@scripts/igt fetch
	@scripts/sim build
	@scripts/igt run
convict: deps ## break the GPU on purpose: IGT, the driver or the simulator must notice
	@scripts/kernel build "$(or $(KERNEL),base)" lean
	@scripts/qemu fetch
	@scripts/igt fetch
	@scripts/sim build
	@scripts/convict $(FAULTS)
sim-test: deps ## the simulator's own tests and fuzzers
	@scripts/test sim
igt-compare: deps ## run IGT on two kernels, show what differs: A=base B=ours
	@scripts/kernel build "$(or $(A),base)" "$(VARIANT)"
	@scripts/kernel build "$(or $(B),ours)" "$(VARIANT)"
	@scripts/qemu fetch
	@scripts/igt fetch
	@scripts/sim build
	@scripts/igt compare

bench: deps ## page faults, prefetch, munmap() with 1, 2 and 4 GPUs: KERNEL=ours FLUSH=5ms
	@scripts/kernel build "$(or $(KERNEL),ours)" "$(or $(VARIANT),lean)"
	@scripts/qemu fetch
	@scripts/sim build
	@scripts/bench
sync-bind: deps ## binds that are synchronous or not, and what they cost: KERNEL=ours|base FLUSH=30ms
	@scripts/kernel build "$(or $(KERNEL),ours)" "$(VARIANT)"
	@scripts/qemu fetch
	@scripts/sim build
	@scripts/sync-bind
timeline: ## draw a run with TRACE=1: RUN=out/igt/ours-basic FROM=1.5 TO=2 OUT=picture.svg
	@scripts/timeline.py '$(RUN)' --from '$(FROM)' --to '$(TO)' --out '$(OUT)'

## The kernel
.PHONY: tree refresh kernel boot
tree: deps ## the base plus the series as commits, as a git tree
	@scripts/tree tree
refresh: deps ## write the tree's commits back to patches/ and the new files
	@scripts/tree refresh
kernel: deps ## build KERNEL=ours|base|peer VARIANT=lean|debug|uml|kcsan|pvc
	@scripts/kernel build "$(or $(KERNEL),ours)" "$(or $(VARIANT),lean)"
boot: deps ## boot KERNEL= VARIANT= in QEMU and run CMD='uname -a'
	@scripts/kernel build "$(or $(KERNEL),ours)" "$(or $(VARIANT),lean)"
	@scripts/qemu fetch
	@scripts/guest --kernel "$(or $(KERNEL),ours)" --variant "$(or $(VARIANT),lean)" -- \
		sh -c '$(or $(CMD),uname -a)'

## The machine
.PHONY: deps clean distclean
deps: ## install the Debian packages that are missing
	@scripts/deps
clean: ## remove out/
	@echo 'removing out/ (results)'
	@rm -rf out
distclean: clean ## remove the cache as well: trees, builds, downloads
	@scripts/tree unsaved
	@echo 'removing $(CACHE) (trees, builds, downloads)'
	@rm -rf '$(CACHE)'
