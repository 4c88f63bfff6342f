# make install     .venv with this package and the tools of development
# make quickstart  the whole loop on the embedded data, about ten minutes on two CPU cores
# make experiments  the paper's tables and figures on the embedded data, hours on two CPU cores; resumable
# make large       pretrains wordproblems:large again, the teacher of experiments/distillation.gin; over an hour, resumable
# make arithmetic-bases  pretrains the bases of experiments/arithmetic_words.gin; hours, resumable
# make test        the fast tests, their programs compiled without optimizations, which takes a third less time
# make test-all    the slow ones too, with what they need, compiled as users' programs are; lint: ruff and mypy
# make docs       the pages of docs/ as a site, in site/
STAMP := .venv/.installed
PYTEST := .venv/bin/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

EXPERIMENTS := supervised_scaling rft_k what_carries_the_gain pretraining_loss rft_union self_consistency \
  path_diversity temperature iterate query_augmentation self_revising programs


.PHONY: install quickstart experiments large arithmetic-bases test test-all lint docs
install: $(STAMP)

$(STAMP): setup.py tools/make_venv
	@echo "making .venv (once, about a minute)"
	@tools/make_venv dev
	@touch $@

quickstart: $(STAMP)
	.venv/bin/rft run --output runs/quickstart

experiments: $(STAMP)
	@for name in $(EXPERIMENTS); do \
	  .venv/bin/rft run --output runs/experiments --gin_file experiments/$$name.gin || exit $$?; \
	done
	.venv/bin/rft report $(EXPERIMENTS:%=runs/experiments/%) --output runs/experiments/report

runs/pretrain.jsonl: | $(STAMP)
	.venv/bin/rft generate-wordproblems --split pretrain --tokens 20000000 --output $@

large: $(STAMP) runs/pretrain.jsonl
	.venv/bin/rft train --model init:wordproblems_large --data runs/pretrain.jsonl --gin_file runs/pretrain_large.gin \
	  --output runs/pretrained_large
	.venv/bin/rft export-hf runs/pretrained_large runs/large --template plain

arithmetic-bases: $(STAMP)
	.venv/bin/rft run --output runs/experiments --gin_file experiments/arithmetic_words.gin \
	  --gin.run.arms="('base_with_direct', 'base_with_steps', 'base_without_direct', 'base_without_steps')"

test: $(STAMP)
	JAX_DISABLE_MOST_OPTIMIZATIONS=1 $(PYTEST) -m "not slow"

test-all: $(STAMP)
	@tools/make_venv dev,tpu,gcs,tensorboard
	$(PYTEST)

lint: $(STAMP)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

docs: $(STAMP)
	@tools/make_venv dev,docs
	.venv/bin/python -m mkdocs build --strict
