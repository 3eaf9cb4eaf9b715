# Thin on purpose: what CI runs is what people run. Everything with a decision in it is in scripts/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup web build check test run demo soak bench load flame versus fuzz-seeds

help:            ## this list
	@sed -n 's/^\([a-z-]*\):.*## */\1\t/p' Makefile | expand -t 14

setup:           ## install what is missing (Debian packages, Rust, cargo-nextest, Chromium for the browser tests)
	@scripts/setup

web: setup       ## build the browser client, which the node's build embeds
	@scripts/step "web client" scripts/web

build: setup     ## build the browser client, every program and every test, once
	@scripts/build

check: setup     ## formatting, lints, licences, the rules of the house
	@scripts/check

test: build      ## everything but the long fault runs
	@scripts/test

run: web         ## build, start the demo hospital, place a call, go on serving
	@scripts/demo --serve

demo: web        ## the same, then end; the last line is JSON
	@scripts/demo

flame: web       ## where the node's time goes under a workload (WORKLOAD=fanout): target/load/WORKLOAD.svg
	@scripts/flame "$(or $(WORKLOAD),fanout)"

versus: setup    ## beside Janus, mosquitto and a naive SFU, in alternating runs: ratios, pages in target/versus/
	@scripts/versus

soak: build      ## the long fault runs and real fuzzing (SOAK_MINUTES=60)
	@scripts/soak

bench: setup     ## micro-benchmarks, then the guard against growth of hot paths (instructions and allocations)
	@scripts/bench

load: web        ## a load test of a release build (WORKLOAD=fanout), reported as target/load/WORKLOAD.html
	@scripts/load "$(or $(WORKLOAD),chat)"

fuzz-seeds:      ## make the committed fuzz seeds again from the real codecs
	@cargo run -q -p wardline-fuzzing --bin make-seeds -- fuzz/seeds
