# GPU shared virtual memory for Linux 6.12 LTS.  'make help' lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Targets share the kernel tree and the machine's two cores: one after the other
.NOTPARALLEL:

# What can be set on the command line, as in 'make run FLUSH=5ms'
export KERNEL VARIANT FLUSH FENCE ROUNDS FORCE

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
run: deps ## munmap() with 1 to 8 software GPUs: FLUSH=5ms FENCE=0 ROUNDS=9
	@scripts/run
test: deps ## everything that CI runs
	@scripts/test
test-full: deps ## the same, and what takes longer
	@scripts/test full

## Parts of the test
.PHONY: kunit kunit-x86 series check-series lint scripts-test mutants
kunit: deps ## KUnit on UML: our suites, and drm, ttm and xe against the base
	@scripts/test kunit
kunit-x86: deps ## KUnit on x86_64 in QEMU: our suites, debug and lean kernel
	@scripts/test kunit-x86
series: deps ## out/series: the series as mails, checked by git am
	@scripts/series render
check-series: deps ## every step of the series compiles without a new warning
	@scripts/series check
lint: deps ## checkpatch, sparse, W=1, kernel-doc, clang-format, shellcheck
	@scripts/lint
scripts-test: deps ## the tests of our own scripts
	@scripts/test scripts
mutants: deps ## break the notifiers on purpose: the suite must notice
	@scripts/mutants

## The kernel
.PHONY: tree refresh kernel boot
tree: deps ## the base plus the series as commits, as a git tree
	@scripts/tree tree
refresh: deps ## write the tree's commits back to patches/ and the new files
	@scripts/tree refresh
kernel: deps ## build KERNEL=ours|base|peer VARIANT=lean|debug|uml
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
