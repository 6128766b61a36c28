# One obvious command per chore. `make` or `make help` lists them.

PREFIX ?= /usr/local
DESTDIR ?=
export PREFIX DESTDIR JOBS

.DEFAULT_GOAL := help
.PHONY: help setup run web build test kill kill-deliveries contend install uninstall bench sim fuzz sanitize asan tsan format lint clean

help: ## list the chores
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  JOBS=N limits the compiler processes; PREFIX and DESTDIR steer install; PURGE=1 lets uninstall delete data."

setup: ## install what is missing on Debian 12 (root or sudo)
	@scripts/setup

run: build ## build, then start the server with the sandbox on http://localhost:8480
	@scripts/run

build: setup web ## build the release binary, build/release/latchkey
	@scripts/build release latchkey

web: setup
	@scripts/web

test: ## build and run every test; ends with "N passed, N failed"
	@scripts/setup --tests
	@scripts/web
	@scripts/test

kill: ## kill -9 the real server KILLS times (default 1000) while it refreshes; docs/reliability.md
	@scripts/setup --tests
	@scripts/kill --kills $(or $(KILLS),1000) $(if $(SEED),--seed $(SEED)) $(if $(STORE),--store $(STORE)) $(if $(JOBS),--jobs $(JOBS))

kill-deliveries: ## kill -9 the real server at KILLS points, then every second for a minute while DOCUMENTS go (default 200, 10000; KILLS=0: these alone); docs/design/delivery.md
	@scripts/setup --tests
	@scripts/kill-deliveries --kills $(or $(KILLS),200) --documents $(or $(DOCUMENTS),10000) $(if $(SEED),--seed $(SEED))

contend: ## let two nodes contend for ROUNDS generations (default 10000); docs/reliability.md
	@scripts/setup --tests
	@scripts/contend --rounds $(or $(ROUNDS),10000) $(if $(SEED),--seed $(SEED))

# Built first, so that what is installed is what the sources say; by whoever called sudo, so that root owns no build folder.
install: ## put binary, user, data folder, configuration and systemd unit in place
	@if [ "$$(id -u)" -eq 0 ] && [ -n "$${SUDO_USER:-}" ] && [ "$$SUDO_USER" != root ]; then \
	  sudo -H -u "$$SUDO_USER" $(MAKE) --no-print-directory build; \
	else $(MAKE) --no-print-directory build; fi
	@scripts/install

uninstall: ## remove them; data and a changed configuration stay unless PURGE=1
	@scripts/uninstall

bench: ## measure against nginx in the same run (docs/performance.md)
	@scripts/setup --bench
	@scripts/web
	@scripts/bench

sim: setup ## run simulated worlds on all cores for SIM_SECONDS (default 300), or until SIM_REFRESHES have been made
	@scripts/setup --tests
	@scripts/build release sim
	@build/release/sim $(if $(SIM_REFRESHES),--refreshes $(SIM_REFRESHES),--seconds $(or $(SIM_SECONDS),300)) $(if $(SIM_FROM),--from $(SIM_FROM))

fuzz: setup ## run every fuzz target for FUZZ_SECONDS (default 60) each
	@scripts/fuzz

sanitize: asan tsan ## run the tests under both sanitizer builds

asan: ## run the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/setup --tests
	@scripts/web
	@scripts/test --preset asan

tsan: ## run the tests under ThreadSanitizer
	@scripts/setup --tests
	@scripts/web
	@scripts/test --preset tsan

format: setup ## format the C++ sources
	@scripts/format

lint: setup ## check formatting, then clang-tidy
	@scripts/lint

clean: ## remove build/ and the console's build (keeps .tools/ and .latchkey/)
	rm -rf build web/dist
