# SPDX-License-Identifier: MIT
#
# The menu; CMakeLists.txt and tools/ do the work. Type make and read.
.POSIX:
.DEFAULT_GOAL := menu
.PHONY: menu debug test sim mutants check fmt tidy bench run release install uninstall dist cover \
	crash clean

PREFIX ?= /usr/local
T =
SEED =
SECONDS = 60
VERSION = $$(sed -n 's/.*PD_VERSION_\(MAJOR\|MINOR\|PATCH\) *\([0-9]*\).*/\2/p' \
	include/perdure.h | paste -sd.)

menu: debug
	@printf '%s\n' \
	  '' \
	  'make             build everything, debug, and print this menu' \
	  'make test        unit, store, golden and API tests, every wait replayed' \
	  'make test T=x    those with x in their name' \
	  'make sim         random seeds for 60 s (SECONDS=n); SEED=n runs one again' \
	  'make mutants     plant bugs, and see the simulation find each of them' \
	  'make crash       kill -9 again and again, and look for what was lost' \
	  'make check       what CI runs: all of ./test' \
	  'make fmt         format the code' \
	  'make tidy        rooms and arrows, banned calls, lengths' \
	  'make cover       which lines the tests run' \
	  'make bench       throughput and latency' \
	  'make run         hello_cities on a SQLite file' \
	  'make release     what is shipped: build/release/bin and lib' \
	  'make install     into PREFIX=/usr/local, below DESTDIR' \
	  'make uninstall   remove what was installed last, below DESTDIR' \
	  'make dist        the sources as a tar file' \
	  '' \
	  'Programs are in build/debug/bin. docs/HACKING.md says where things go.'

debug:
	@. tools/deps.sh && build debug

test:
	@tools/run-tests --quick "$(T)"

sim:
	@. tools/deps.sh && build asan
	@if [ -n "$(SEED)" ]; then build/asan/tests/sim/test_sim --seed "$(SEED)"; \
	else build/asan/tests/sim/test_sim --seconds "$(SECONDS)"; fi

crash:
	@tools/run-tests crash/

mutants:
	@. tools/deps.sh && need build test && tests/sim/mutants/run

check:
	@./test

fmt:
	@tools/format

tidy:
	@tools/tidy

run:
	@./run

release:
	@. tools/deps.sh && build release
	@size build/release/bin/perdure build/release/lib/libperdure.so 2>/dev/null || true

install: release
	@DESTDIR="$(DESTDIR)" cmake --install build/release --prefix "$(PREFIX)"

# The list is what the last install wrote; folders that it leaves empty and that are ours go too.
uninstall:
	@list=build/release/install_manifest.txt; [ -f "$$list" ] || { \
	  echo "Nothing was installed from here: there is no $$list"; exit 1; }
	@while IFS= read -r file || [ -n "$$file" ]; do rm -f "$(DESTDIR)$$file"; done \
	  <build/release/install_manifest.txt
	@sed -n 's,\(.*/perdure\)/[^/]*$$,\1,p' build/release/install_manifest.txt | sort -u | \
	  while IFS= read -r folder; do rmdir "$(DESTDIR)$$folder" 2>/dev/null || true; done
	@echo "removed $$(grep -c . build/release/install_manifest.txt) files"

dist:
	@mkdir -p build && v=$(VERSION) && \
	  git archive --prefix="perdure-$$v/" -o "build/perdure-$$v.tar.gz" HEAD && \
	  echo "build/perdure-$$v.tar.gz"

cover:
	@command -v gcovr >/dev/null || { echo "make cover needs: apt-get install gcovr"; exit 1; }
	@. tools/deps.sh && build cover
	@find build/cover -name '*.gcda' -delete
	@for t in $$(find build/cover/tests -name 'test_*' -type f -perm -u+x ! -path '*/sim/*' \
	  ! -path '*/crash/*'); do "$$t" >/dev/null 2>&1 || echo "failed: $$t"; done
	@mkdir -p build/cover/html
	@gcovr -r . --object-directory build/cover -f 'src/' --print-summary \
	  --html-details build/cover/html/index.html | tail -n 3
	@echo build/cover/html/index.html

bench:
	@. tools/deps.sh && build release
	@found=; for b in build/release/bin/bench_*; do \
	  [ ! -x "$$b" ] || { found=1; "$$b" || exit 1; }; done; \
	  [ -n "$$found" ] || echo "There are no benchmarks in tests/bench yet."

clean:
	rm -rf build
