# SPDX-License-Identifier: Apache-2.0
#
# make            build/tokprof; needs no root, no network and nothing of the running kernel
# make demo       set-up, build, a real server, load, record, report
# make test       set-up and all tests, in less than 20 minutes on two cores
# make test-all   the slow checks too;  make bench: timing;  make bench-attribution: shares against measured truth
# make lint | sanitize | fuzz | install | clean
#
# make Q= shows the commands. Sources are found, not listed: a new file in userspace/, collectors/ or output/ is in the program, a new tests/unit/test_*.c
# is a test, a new tests/fuzz/fuzz_*.c a fuzz target.

B ?= build
Q ?= @
PREFIX ?= /usr/local
DESTDIR ?=
CC = gcc
CLANG ?= clang
LLVM_STRIP ?= llvm-strip
# bpftool is in /usr/sbin on Debian, which is not in every user's PATH.
BPFTOOL ?= $(firstword $(shell command -v bpftool 2>/dev/null) /usr/sbin/bpftool)
FUZZ_SECONDS ?= 10

MACHINE := $(shell uname -m)
BPF_ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(MACHINE)))
TRIPLET := $(shell $(CC) -dumpmachine)
VERSION := $(shell cat VERSION)

# -ffp-contract=off: the same recording gives the same bytes on any machine, so no fused multiply-add.
WARNINGS = -Wall -Wextra -Wshadow -Wformat=2 -Wno-format-truncation -Wmissing-prototypes -Wstrict-prototypes -Werror
CPPFLAGS = -D_GNU_SOURCE -I. -I$B/skel -DTOKPROF_VERSION_STRING='"$(VERSION)"' -DTOKPROF_PREFIX='"$(PREFIX)"'
CFLAGS = -std=gnu11 -O2 -g -ffp-contract=off -fstack-protector-strong
LIBS = -lbpf -lpfm -lelf -ldw -llzma -liberty -lz -lsqlite3 -ljansson -lyaml -lhttp_parser -lcurl -lcapstone -lcrypto -lpthread -lm
bpf_cflags = -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Werror \
	-I. -I$(2) -D__TARGET_ARCH_$(1)
BPF_CFLAGS = $(call bpf_cflags,$(BPF_ARCH),/usr/include/$(TRIPLET))
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

SKELETONS := $(patsubst bpf/%.bpf.c,$B/skel/%.skel.h,$(wildcard bpf/*.bpf.c)) $B/skel/syscall_names.h
SOURCES := $(filter-out userspace/main.c,$(shell find userspace collectors output -name '*.c' | sort)) $B/embedded.c
PROFILES := $(wildcard collectors/engines/*.profile)
PAGES := $(sort $(wildcard output/*.css output/*.js))
TEST_HELPERS := $(filter-out $(wildcard tests/unit/test_*.c),$(wildcard tests/unit/*.c))
TESTS := $(patsubst tests/unit/%.c,$B/tests/%,$(wildcard tests/unit/test_*.c))
ASAN_TESTS := $(patsubst tests/unit/%.c,$B/asan/tests/%,$(wildcard tests/unit/test_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$B/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
BENCHES := $(patsubst tests/bench/%.c,$B/bench/%,$(wildcard tests/bench/bench_*.c))
objects = $(patsubst %.c,$B/$(1)/%.o,$(patsubst $B/embedded.c,embedded.c,$(2)))

.PHONY: all bpf-arm64 format test test-all bench bench-attribution demo lint sanitize unit-tests fuzzers benches install uninstall clean help
.DELETE_ON_ERROR:
all: $B/tokprof

# --- BPF ---------------------------------------------------------------------------------------------------------------
$B/skel/%.skel.h: bpf/%.bpf.c $(wildcard bpf/*.h)
	@mkdir -p $(@D) $B/bpf
	@echo "  CLANG $@"
	$Q$(CLANG) $(BPF_CFLAGS) -c $< -o $B/bpf/$*.bpf.o
	$Q$(LLVM_STRIP) -g $B/bpf/$*.bpf.o
	$Q$(BPFTOOL) gen skeleton $B/bpf/$*.bpf.o name $*_bpf > $@

# Only a check that they build: with the kernel headers of arm64 (linux-libc-dev-arm64-cross), whose system calls have other numbers.
$B/bpf-arm64/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h)
	@mkdir -p $(@D)
	@echo "  CLANG $@"
	$Q$(CLANG) $(call bpf_cflags,arm64,/usr/aarch64-linux-gnu/include) -c $< -o $@
bpf-arm64: $(patsubst bpf/%.c,$B/bpf-arm64/%.o,$(wildcard bpf/*.bpf.c))

# --- data in the binary ------------------------------------------------------------------------------------------------
$B/embedded.c: scripts/embed.sh $(PROFILES) data/devices.tsv data/counters.tsv data/ioctls.tsv data/uncore.tsv $(PAGES)
	@mkdir -p $(@D)
	$Qsh scripts/embed.sh -t embedded_profiles $(PROFILES) -t embedded_devices data/devices.tsv -t embedded_counters data/counters.tsv -t embedded_ioctls data/ioctls.tsv -t embedded_uncore data/uncore.tsv -t embedded_pages $(PAGES) > $@

# --- the program -------------------------------------------------------------------------------------------------------
$B/obj/embedded.o: $B/embedded.c
	@mkdir -p $(@D)
	@echo "  CC $@"
	$Q$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@
$B/skel/syscall_names.h: scripts/syscall_names.sh
	@mkdir -p $(@D)
	$Qsh $< $(CC) > $@
$B/obj/%.o: %.c | $(SKELETONS)
	@mkdir -p $(@D)
	@echo "  CC $@"
	$Q$(CC) $(CPPFLAGS) $(CFLAGS) $(WARNINGS) -MMD -MP -c $< -o $@
$B/libtokprof.a: $(call objects,obj,$(SOURCES))
	$Qrm -f $@
	$Qar rcs $@ $^
$B/tokprof: $B/obj/userspace/main.o $B/libtokprof.a
	@echo "  CC $@"
	$Q$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# --- unit tests, plain and with sanitizers -----------------------------------------------------------------------------
$B/tests/%: tests/unit/%.c $(call objects,obj,$(TEST_HELPERS)) $B/libtokprof.a
	@mkdir -p $(@D)
	@echo "  CC $@"
	$Q$(CC) $(CPPFLAGS) -Itests/unit $(CFLAGS) $(WARNINGS) -MMD -MP -MF $@.d -o $@ $(filter-out %.h,$^) -lcmocka $(LIBS)
$B/asan/obj/embedded.o: $B/embedded.c
	@mkdir -p $(@D)
	@echo "  CC $@"
	$Q$(CC) $(CPPFLAGS) $(CFLAGS) $(SANITIZE) -c $< -o $@
$B/asan/obj/%.o: %.c | $(SKELETONS)
	@mkdir -p $(@D)
	@echo "  CC $@"
	$Q$(CC) $(CPPFLAGS) $(CFLAGS) -O1 $(SANITIZE) -MMD -MP -c $< -o $@
$B/asan/libtokprof.a: $(call objects,asan/obj,$(SOURCES))
	$Qrm -f $@
	$Qar rcs $@ $^
$B/asan/tests/%: tests/unit/%.c $(call objects,asan/obj,$(TEST_HELPERS)) $B/asan/libtokprof.a
	@mkdir -p $(@D)
	@echo "  CC $@"
	$Q$(CC) $(CPPFLAGS) -Itests/unit $(CFLAGS) -O1 $(SANITIZE) -MMD -MP -MF $@.d -o $@ $(filter-out %.h,$^) -lcmocka $(LIBS)
unit-tests: $(TESTS)
sanitize: $(ASAN_TESTS)

# --- fuzz targets (clang: libFuzzer) -----------------------------------------------------------------------------------
$B/fuzz/obj/embedded.o: $B/embedded.c
	@mkdir -p $(@D)
	@echo "  CLANG $@"
	$Q$(CLANG) $(CPPFLAGS) -std=gnu11 -g -O1 -c $< -o $@
$B/fuzz/obj/%.o: %.c | $(SKELETONS)
	@mkdir -p $(@D)
	@echo "  CLANG $@"
	$Q$(CLANG) $(CPPFLAGS) -std=gnu11 -g -O1 -w -ffp-contract=off -fsanitize=address,undefined,fuzzer-no-link -MMD -MP -c $< -o $@
$B/fuzz/libtokprof.a: $(call objects,fuzz/obj,$(SOURCES))
	$Qrm -f $@
	$Qar rcs $@ $^
$B/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $B/fuzz/libtokprof.a
	@mkdir -p $(@D)
	@echo "  CLANG $@"
	$Q$(CLANG) $(CPPFLAGS) -std=gnu11 -g -O1 -fsanitize=address,undefined,fuzzer -o $@ $^ $(LIBS)
fuzzers: $(FUZZERS)

# --- benches -----------------------------------------------------------------------------------------------------------
$B/bench/%: tests/bench/%.c $(call objects,obj,$(TEST_HELPERS)) $B/libtokprof.a
	@mkdir -p $(@D)
	@echo "  CC $@"
	$Q$(CC) $(CPPFLAGS) -Itests/unit $(CFLAGS) $(WARNINGS) -o $@ $^ -lcmocka $(LIBS)
benches: $(BENCHES)

# --- commands ----------------------------------------------------------------------------------------------------------
format:
	git ls-files "*.c" "*.h" | xargs python3 scripts/format.py
lint: $(SKELETONS) bpf-arm64
	scripts/lint.sh
test:
	scripts/test.sh
test-all:
	scripts/test.sh --all
bench:
	scripts/bench.sh
bench-attribution:
	scripts/bench_attribution.sh
demo:
	scripts/demo.sh
fuzz: fuzzers
	scripts/fuzz.sh $(FUZZ_SECONDS)

install: $B/tokprof
	install -D -m 755 $B/tokprof $(DESTDIR)$(PREFIX)/bin/tokprof
	for f in man/*.1; do install -D -m 644 $$f $(DESTDIR)$(PREFIX)/share/man/man1/$$(basename $$f); done
	for f in $(PROFILES); do install -D -m 644 $$f $(DESTDIR)$(PREFIX)/share/tokprof/engines/$$(basename $$f); done
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/tokprof $(DESTDIR)$(PREFIX)/share/man/man1/tokprof*.1
	rm -rf $(DESTDIR)$(PREFIX)/share/tokprof

# What took long to make (models, virtual environments, measured truth) stays; `rm -rf build` removes that too.
clean:
	rm -rf $B/obj $B/asan $B/fuzz $B/tests $B/bench/bench_* $B/bpf $B/bpf-arm64 $B/skel $B/embedded.c $B/libtokprof.a $B/tokprof
help:
	@sed -n '3,7s/^# \{0,1\}//p' Makefile

-include $(shell find $B/obj $B/asan/obj $B/fuzz/obj $B/tests $B/asan/tests -name '*.d' 2>/dev/null)
