#!/usr/bin/env bash
# Runs an rft command on the GPUs of this machine.
#
#   launch/gpus.sh [FLAGS] -- COMMAND [FLAGS OF rft COMMAND]
#   launch/gpus.sh --gpus 8 -- train --model models/7b --data gsm8k:train --output runs/sft --gin_file runs/sft.gin
#   launch/gpus.sh --gpus 8 -- sample --model runs/sft --problems gsm8k:train --output runs/samples
#
#   --gpus N    number of GPUs (default: all, or those that CUDA_VISIBLE_DEVICES names)
#   --together  one process for `sample` too, for a model that does not fit on one GPU (with
#               --gin.sample.shard_weights=True)
#   --python P  the Python with rft_jax (default: .venv/bin/python)
#   --dry_run   print the commands and stop
#
# `sample` starts one process per GPU, each with a share of the problems; their files in --output are shards of one
# sample folder. Every other command is one process that uses all N GPUs. Run the same line again to resume after an
# interruption. SIGTERM and Ctrl-C are passed on, so the state is saved (exit code 75).

set -euo pipefail
here=$(dirname "$0")
# shellcheck source=launch/common.sh
. "$here/common.sh"

gpus="" together="" python=.venv/bin/python
while [[ $# -gt 0 ]]; do
  case $1 in
    --help | -h) show_help; exit ;;
    --gpus) gpus=$(value_of "$@"); shift 2 ;;
    --together) together=1; shift ;;
    --python) python=$(value_of "$@"); shift 2 ;;
    --dry_run) DRY_RUN=1; shift ;;
    --) shift; break ;;
    *) die "$1: no such flag; flags of rft come after --" ;;
  esac
done
[[ $# -gt 0 ]] || die "no rft command after --"
[[ ${gpus:-1} =~ ^[1-9][0-9]*$ ]] || die "--gpus is $gpus; it must be at least 1"
if [[ -n ${CUDA_VISIBLE_DEVICES+set} ]]; then
  IFS=, read -ra allowed <<<"$CUDA_VISIBLE_DEVICES"
else
  mapfile -t allowed < <(seq 0 $((${gpus:-$(nvidia-smi --list-gpus | wc -l)} - 1)))
fi
gpus=${gpus:-${#allowed[@]}}
[[ $gpus -ge 1 ]] || die "no GPU${CUDA_VISIBLE_DEVICES+ in CUDA_VISIBLE_DEVICES, which is empty}"
[[ $gpus -le ${#allowed[@]} ]] || die "--gpus is $gpus, and CUDA_VISIBLE_DEVICES=$CUDA_VISIBLE_DEVICES"

if [[ $1 != sample || $gpus == 1 || -n $together ]]; then
  devices=$(IFS=,; echo "${allowed[*]:0:gpus}")
  echo "CUDA_VISIBLE_DEVICES=$devices $(quoted "$python" -m rft_jax.cli "$@")"
  [[ -z $DRY_RUN ]] || exit 0
  CUDA_VISIBLE_DEVICES=$devices exec "$python" -m rft_jax.cli "$@"
fi

processes=()
for ((gpu = 0; gpu < gpus; gpu++)); do
  words=("$python" -m rft_jax.cli "$@" --shard "$gpu/$gpus")
  echo "CUDA_VISIBLE_DEVICES=${allowed[gpu]} $(quoted "${words[@]}") &"
  if [[ -z $DRY_RUN ]]; then
    CUDA_VISIBLE_DEVICES=${allowed[gpu]} "${words[@]}" &
    processes+=($!)
  fi
done
[[ -z $DRY_RUN ]] || exit 0
trap 'signaled=1; kill -TERM "${processes[@]}" 2>/dev/null || true' TERM INT
status=0
for process in "${processes[@]}"; do
  # A signal to this script ends `wait` before the process ends; the next `wait` has the process's code.
  signaled=1
  while [[ -n $signaled ]]; do
    signaled="" code=0
    wait "$process" || code=$?
  done
  [[ $code == 0 ]] || status=$code
done
exit "$status"
