# rsyslog-zmq: rsyslog's ZeroMQ modules and the program that tails them. `make` alone prints the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

CARGO      ?= cargo
CARGO_FLAGS ?= --locked
TARGET_DIR := $(or $(CARGO_TARGET_DIR),$(CARGO_BUILD_TARGET_DIR),target)
RELEASE    := $(TARGET_DIR)/release
MODULES    := $(RELEASE)/modules

PREFIX  ?= /usr/local
DESTDIR ?=
# Where the installed rsyslogd looks for its modules: the directory that holds its own lmnet.so.
MODDIR  ?= $(shell { dpkg -L rsyslog || rpm -ql rsyslog || \
	ls -d /usr/lib/*/rsyslog/lmnet.so /usr/lib64/rsyslog/lmnet.so /usr/lib/rsyslog/lmnet.so; } 2>/dev/null \
	| sed -n 's|/lmnet\.so$$||p' | head -n 1)
DOCDIR  := $(PREFIX)/share/doc/rsyslog-zmq
MANDIR  := $(PREFIX)/share/man/man1
UNITDIR := $(PREFIX)/lib/systemd/system
BASH_COMPLETIONS := $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETIONS  := $(PREFIX)/share/zsh/site-functions
FISH_COMPLETIONS := $(PREFIX)/share/fish/vendor_completions.d

# What building, the demo and the tests need on Debian and Ubuntu, Rust aside.
PACKAGES := gcc make pkg-config binutils libclang-dev libzmq3-dev libczmq-dev \
	rsyslog rsyslog-czmq python3-zmq valgrind bsdutils

# A real Prometheus that scrapes `rsyslog-zmq metrics`; for the tests alone, because the package starts a server.
TEST_PACKAGES := prometheus

# A libzmq with drafts is built for tests/drafts.rs.
TEST_PACKAGES += g++ libsodium-dev

.PHONY: help
help:
	@echo "make build     build the modules and the program into $(RELEASE)"
	@echo "make demo      watch logs go from one rsyslogd to a terminal and to another rsyslogd, encrypted; under a minute"
	@echo "make test      build and run every test, against the installed rsyslogd"
	@echo "make soak      everything at once, peers coming and going, for MINUTES= (15): memory, descriptors, threads"
	@echo "make test-connections  connections in bad company: 200 rounds, 30,000 strangers; minutes"
	@echo "make test-hosts  run the host tests on each rsyslogd that RSYSLOGD_UNDER_TEST=/path[:/path..] names"
	@echo "make check-cross check the code for other machines: $(CROSS_TARGETS)"
	@echo "make bench     measure ours beside the distribution's C pair; PAIRS= (5), MESSAGES= (1000000), ONLY=push,pull,.."
	@echo "make install   install what was built; DESTDIR=, PREFIX= ($(PREFIX)), MODDIR= ($(or $(MODDIR),not found))"
	@echo "make uninstall remove it again"
	@echo "make deb       build Debian packages in $(TARGET_DIR)/deb; make test-deb tries them in a chroot: SUITES= (bookworm)"
	@echo "make rpm       build RPM packages in $(TARGET_DIR)/rpm"
	@echo "make test-hardened  tests and demo under the restrictions of Debian 13's and Ubuntu 24.04's rsyslog.service"
	@echo "make deps      install the Debian packages that building and testing need, if any is missing"
	@echo "make clean     remove what was built"

# --- building -------------------------------------------------------------------------------------------------------

# The library is built without the program's feature, so that it holds nothing of the program, and in a profile of its
# own: Cargo gives it one file name whatever its features, and the two builds would overwrite each other's every time.
.PHONY: build
build: build-deps
	$(CARGO) build $(CARGO_FLAGS) --release --bin rsyslog-zmq
	$(CARGO) build $(CARGO_FLAGS) --profile module --lib --no-default-features
	@install -m 0755 $(TARGET_DIR)/module/librsyslog_zmq.so $(RELEASE)/librsyslog_zmq.so
	@$(MAKE) --no-print-directory stage

# rsyslogd loads each module from a file of its own. The two differ in a section that nobody reads, so that no
# deduplicating file system or package builder makes one file of them.
.PHONY: stage
stage:
	@mkdir -p $(MODULES)
	@for role in im om; do \
		echo "$${role}czmq" > $(MODULES)/.role; \
		objcopy --add-section .rsyslog_zmq_role=$(MODULES)/.role \
			--set-section-flags .rsyslog_zmq_role=readonly,contents \
			$(RELEASE)/librsyslog_zmq.so $(MODULES)/.$${role}czmq.so; \
		chmod 0644 $(MODULES)/.$${role}czmq.so; \
		mv -f $(MODULES)/.$${role}czmq.so $(MODULES)/$${role}czmq.so; \
	done; rm -f $(MODULES)/.role
	@echo "built $(RELEASE)/rsyslog-zmq, $(MODULES)/imczmq.so and $(MODULES)/omczmq.so"

$(RELEASE)/rsyslog-zmq $(MODULES)/imczmq.so $(MODULES)/omczmq.so:
	@$(MAKE) --no-print-directory build

# --- what has to be there first -------------------------------------------------------------------------------------

# Installs the packages in $(1) that are missing, and does nothing at all when none is.
define install_packages
	@if ! command -v dpkg-query > /dev/null; then \
		echo "not a Debian system: please see to the equivalents of these packages: $(1)"; exit 0; \
	fi; \
	missing=(); \
	for package in $(1); do \
		[[ "$$(dpkg-query -W -f '$${Status}' $$package 2> /dev/null)" == *" installed" ]] || missing+=($$package); \
	done; \
	[[ $${#missing[@]} -gt 0 ]] || exit 0; \
	as_root=(); \
	[[ $$(id -u) -eq 0 ]] || as_root=(sudo); \
	echo "installing missing packages with apt-get$${as_root[*]:+ (as root, by sudo)}: $${missing[*]}"; \
	"$${as_root[@]}" apt-get update -qq; \
	"$${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$${missing[@]}"
endef

.PHONY: deps build-deps
deps:
	$(call install_packages,$(PACKAGES))

build-deps:
	$(call install_packages,gcc pkg-config binutils libclang-dev libzmq3-dev)

# --- showing and testing --------------------------------------------------------------------------------------------

.PHONY: demo
demo: deps build
	@RSYSLOG_ZMQ_PROGRAM=$(abspath $(RELEASE)/rsyslog-zmq) RSYSLOG_ZMQ_MODULES=$(abspath $(MODULES)) bash tests/demo.sh

# The tests themselves are built without optimisation, which is quicker; what they load into rsyslogd is what is shipped.
.PHONY: test
test: deps build
	$(call install_packages,$(TEST_PACKAGES))
	RSYSLOG_ZMQ_MODULES=$(abspath $(MODULES)) $(CARGO) test $(CARGO_FLAGS) --no-fail-fast

# What only shows with time; it prints what it sees every ten seconds.
MINUTES ?= 15
.PHONY: soak
soak: deps build
	RSYSLOG_ZMQ_MODULES=$(abspath $(MODULES)) RSYSLOG_ZMQ_SOAK=$$(( $(MINUTES) * 60 )) \
		$(CARGO) test $(CARGO_FLAGS) --test endurance -- --include-ignored --nocapture --test-threads=1

# The life of connections in bad company: two hundred rounds at a mixed socket, a minute of strangers at an input that is held up.
.PHONY: test-connections
test-connections: deps build
	RSYSLOG_ZMQ_MODULES=$(abspath $(MODULES)) $(CARGO) test $(CARGO_FLAGS) --test connections --test mixed_socket -- \
		--include-ignored --nocapture --test-threads=1

# --- other hosts ----------------------------------------------------------------------------------------------------

# What has to work in each release, and then every other test that is about the host, on each daemon in turn.
HOST_TESTS ?= loading round_trip delivery counters shutdown admission authentication configuration intake flow \
	defects_input defects_output defects_output_security foreign_peers local_logging topics_in_the_log

.PHONY: test-hosts
test-hosts: build
	@[[ -n "$${RSYSLOGD_UNDER_TEST:-}" ]] || { echo "RSYSLOGD_UNDER_TEST names no rsyslogd to test" >&2; exit 1; }
	RSYSLOG_ZMQ_MODULES=$(abspath $(MODULES)) $(CARGO) test $(CARGO_FLAGS) --test hosts
	@failed=(); \
	IFS=: read -r -a daemons <<< "$$RSYSLOGD_UNDER_TEST"; \
	for daemon in "$${daemons[@]}"; do \
		echo "--- $$daemon: $$("$$daemon" -v | head -n 1)"; \
		RSYSLOGD="$$daemon" RSYSLOG_ZMQ_MODULES=$(abspath $(MODULES)) \
			$(CARGO) test $(CARGO_FLAGS) --no-fail-fast $(addprefix --test ,$(HOST_TESTS)) || failed+=("$$daemon"); \
	done; \
	echo "host tests ran on:"; printf '  %s\n' "$${daemons[@]}"; \
	[[ $${#failed[@]} -eq 0 ]] || { echo "failed on:"; printf '  %s\n' "$${failed[@]}"; exit 1; }

# What a 64-bit little-endian machine does not show: other widths, other alignments, a char without a sign. No C library of the
# target is needed, because nothing is linked. A target is added with `rustup target add`.
CROSS_TARGETS ?= aarch64-unknown-linux-gnu armv7-unknown-linux-gnueabihf i686-unknown-linux-gnu

.PHONY: check-cross
check-cross: build-deps
	@for target in $(CROSS_TARGETS); do \
		if [[ ! -d "$$(rustc --print sysroot)/lib/rustlib/$$target" ]]; then \
			echo "skipped: $$target is not installed (rustup target add $$target)"; continue; \
		fi; \
		echo "checking for $$target"; \
		PKG_CONFIG_ALLOW_CROSS=1 $(CARGO) check $(CARGO_FLAGS) --target $$target --lib --bins || exit 1; \
		PKG_CONFIG_ALLOW_CROSS=1 $(CARGO) check $(CARGO_FLAGS) --target $$target --lib --no-default-features || exit 1; \
	done

# --- measuring ------------------------------------------------------------------------------------------------------

# ONLY= takes cases of the daemon bench (`cargo bench --bench daemon -- --help` lists them), queue and commit.
comma := ,
BENCH_ONLY      := $(subst $(comma), ,$(ONLY))
BENCH_CRITERION := $(if $(BENCH_ONLY),$(filter queue commit,$(BENCH_ONLY)),queue commit)
BENCH_DAEMON    := $(filter-out queue commit,$(BENCH_ONLY))
BENCH_OPTIONS   := $(if $(PAIRS),--pairs $(PAIRS)) $(if $(MESSAGES),--messages $(MESSAGES)) \
	$(if $(SENDERS),--senders $(SENDERS)) $(if $(SIZES),--sizes $(SIZES)) $(addprefix --only ,$(BENCH_DAEMON))

.PHONY: bench
bench: deps build
ifneq ($(if $(BENCH_ONLY),$(BENCH_DAEMON),all),)
	RSYSLOG_ZMQ_MODULES=$(abspath $(MODULES)) $(CARGO) bench $(CARGO_FLAGS) --bench daemon -- $(BENCH_OPTIONS)
endif
ifneq ($(BENCH_CRITERION),)
	$(CARGO) bench $(CARGO_FLAGS) $(addprefix --bench ,$(BENCH_CRITERION))
endif

# --- installing -----------------------------------------------------------------------------------------------------

.PHONY: install
install: $(RELEASE)/rsyslog-zmq $(MODULES)/imczmq.so $(MODULES)/omczmq.so
	@[[ -n "$(MODDIR)" ]] || { echo "cannot find rsyslog's module directory; give it with MODDIR=" >&2; exit 1; }
	install -d $(DESTDIR)$(MODDIR) $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(DOCDIR)/examples
	@# A file of the distribution's rsyslog-czmq is put aside, not lost, and does not come back with its next update.
	@if [[ -z "$(DESTDIR)" ]] && command -v dpkg-divert > /dev/null; then \
		for module in imczmq omczmq; do \
			file=$(MODDIR)/$$module.so; \
			if dpkg -S $$file > /dev/null 2>&1 && [[ -z "$$(dpkg-divert --list $$file)" ]]; then \
				dpkg-divert --local --rename --divert $$file.distrib --add $$file; \
			fi; \
		done; \
	fi
	install -m 0644 $(MODULES)/imczmq.so $(MODULES)/omczmq.so $(DESTDIR)$(MODDIR)
	install -m 0755 $(RELEASE)/rsyslog-zmq $(DESTDIR)$(PREFIX)/bin
	install -m 0644 $(wildcard README.md CHANGELOG.md ARCHITECTURE.md SECURITY.md LICENSE) $(DESTDIR)$(DOCDIR)
	install -D -m 0644 -t $(DESTDIR)$(DOCDIR)/docs docs/*.md
	install -m 0644 $(wildcard rsyslog-conf/*) $(DESTDIR)$(DOCDIR)/examples
	install -D -m 0644 -t $(DESTDIR)$(MANDIR) packaging/man/*.1
	install -D -m 0644 packaging/completions/rsyslog-zmq.bash $(DESTDIR)$(BASH_COMPLETIONS)/rsyslog-zmq
	install -D -m 0644 packaging/completions/_rsyslog-zmq $(DESTDIR)$(ZSH_COMPLETIONS)/_rsyslog-zmq
	install -D -m 0644 packaging/completions/rsyslog-zmq.fish $(DESTDIR)$(FISH_COMPLETIONS)/rsyslog-zmq.fish
	install -D -m 0644 packaging/systemd/rsyslog-zmq-metrics.service $(DESTDIR)$(UNITDIR)/rsyslog-zmq-metrics.service
	sed -i 's|/usr/bin/rsyslog-zmq|$(PREFIX)/bin/rsyslog-zmq|' $(DESTDIR)$(UNITDIR)/rsyslog-zmq-metrics.service

.PHONY: uninstall
uninstall:
	@[[ -n "$(MODDIR)" ]] || { echo "cannot find rsyslog's module directory; give it with MODDIR=" >&2; exit 1; }
	@# Only files of ours go away: the distribution's pair has no such section.
	@for module in imczmq omczmq; do \
		file=$(DESTDIR)$(MODDIR)/$$module.so; \
		[[ -e $$file ]] || continue; \
		if ! objdump -h $$file | grep -q '\.rsyslog_zmq_role'; then echo "$$file is not ours: left alone"; continue; fi; \
		echo "rm -f $$file"; rm -f $$file; \
		if [[ -z "$(DESTDIR)" ]] && command -v dpkg-divert > /dev/null && [[ -n "$$(dpkg-divert --list $$file)" ]]; then \
			dpkg-divert --local --rename --remove $$file; \
		fi; \
	done
	rm -f $(DESTDIR)$(PREFIX)/bin/rsyslog-zmq $(addprefix $(DESTDIR)$(MANDIR)/,$(notdir $(wildcard packaging/man/*.1)))
	rm -f $(DESTDIR)$(BASH_COMPLETIONS)/rsyslog-zmq $(DESTDIR)$(ZSH_COMPLETIONS)/_rsyslog-zmq
	rm -f $(DESTDIR)$(FISH_COMPLETIONS)/rsyslog-zmq.fish $(DESTDIR)$(UNITDIR)/rsyslog-zmq-metrics.service
	rm -rf $(DESTDIR)$(DOCDIR)

# --- packages -------------------------------------------------------------------------------------------------------

# What building the packages and trying them out needs beside $(PACKAGES).
DEB_PACKAGES      := debhelper dpkg-dev libclang-dev libzmq3-dev pkg-config lintian
RPM_PACKAGES      := rpm libclang-dev libzmq3-dev pkg-config
TEST_DEB_PACKAGES := debootstrap

VERSION     := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
DEB_PROFILES = $(shell dpkg-query -W -f ' ' cargo rustc > /dev/null 2>&1 || echo pkg.rsyslog-zmq.rustup)
DEB_DIR     := $(abspath $(TARGET_DIR))/deb
DEB_SOURCE  := $(DEB_DIR)/rsyslog-zmq-$(VERSION)
RPM_DIR     := $(abspath $(TARGET_DIR))/rpm

# The crates are fetched first; the packages are built from them without a network. A cargo that no Debian package brought
# (rustup's) is not looked for in Build-Depends.
.PHONY: deb
deb:
	$(call install_packages,$(DEB_PACKAGES))
	rm -rf $(DEB_DIR)
	CARGO=$(CARGO) packaging/stage-source.sh $(DEB_SOURCE)
	cp -a $(DEB_SOURCE)/packaging/debian $(DEB_SOURCE)/debian
	CARGO=$(CARGO) packaging/linked-crates.sh $(DEB_SOURCE) >> $(DEB_SOURCE)/debian/copyright
	cd $(DEB_SOURCE) && env -u MAKEFLAGS -u MAKELEVEL -u CARGO_BUILD_TARGET_DIR CARGO_TARGET_DIR=$(DEB_DIR)-cargo \
		DEB_BUILD_OPTIONS="$${DEB_BUILD_OPTIONS-nocheck}" \
		DEB_BUILD_PROFILES="$${DEB_BUILD_PROFILES-$(DEB_PROFILES)}" \
		dpkg-buildpackage -b -us -uc
	lintian --allow-root --fail-on error,warning $(DEB_DIR)/*.changes
	@ls -1 $(DEB_DIR)/*.deb $(DEB_DIR)/*.changes

# On a host that has no rpm database of its own, such as Debian, rpmbuild cannot know what is installed.
.PHONY: rpm
rpm:
	$(call install_packages,$(RPM_PACKAGES))
	rm -rf $(RPM_DIR)
	mkdir -p $(RPM_DIR)/SOURCES
	CARGO=$(CARGO) packaging/stage-source.sh $(RPM_DIR)/rsyslog-zmq-$(VERSION)
	CARGO=$(CARGO) packaging/linked-crates.sh $(RPM_DIR)/rsyslog-zmq-$(VERSION) > $(RPM_DIR)/crates
	mv $(RPM_DIR)/crates $(RPM_DIR)/rsyslog-zmq-$(VERSION)/LICENSES.crates
	tar -C $(RPM_DIR) -czf $(RPM_DIR)/SOURCES/rsyslog-zmq-$(VERSION).tar.gz rsyslog-zmq-$(VERSION)
	rm -rf $(RPM_DIR)/rsyslog-zmq-$(VERSION)
	env -u MAKEFLAGS -u MAKELEVEL -u CARGO_TARGET_DIR -u CARGO_BUILD_TARGET_DIR \
		rpmbuild -bb $$(command -v dpkg-query > /dev/null && echo --nodeps) --define "_topdir $(RPM_DIR)" \
		--define "project_version $(VERSION)" --define "cargo_target_dir $(RPM_DIR)-cargo" packaging/rpm/rsyslog-zmq.spec
	@ls -1 $(RPM_DIR)/RPMS/*/*.rpm

# SUITES= are releases of Debian. Needs root, and a mirror for apt.
SUITES ?= bookworm
.PHONY: test-deb
test-deb:
	$(call install_packages,$(TEST_DEB_PACKAGES))
	@[[ -n "$(wildcard $(DEB_DIR)/*.changes)" ]] || $(MAKE) --no-print-directory deb
	for suite in $(SUITES); do packaging/test-deb.sh $$suite; done

# The tests and the demo with rsyslogd under the restrictions of Debian 13's and Ubuntu 24.04's rsyslog.service.
.PHONY: test-hardened
test-hardened: deps build
	CARGO=$(CARGO) CARGO_FLAGS="$(CARGO_FLAGS)" RSYSLOG_ZMQ_PROGRAM=$(abspath $(RELEASE)/rsyslog-zmq) \
		RSYSLOG_ZMQ_MODULES=$(abspath $(MODULES)) tests/support/hardened/run.sh debian-13 ubuntu-24.04

.PHONY: clean
clean:
	$(CARGO) clean
