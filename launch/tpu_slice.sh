#!/usr/bin/env bash
# Runs rft on a Cloud TPU slice: requests it, sets it up, runs, resumes after a preemption, deletes it.
#
#   launch/tpu_slice.sh ACTION --name NAME --zone ZONE [FLAGS] [-- COMMAND [FLAGS OF rft COMMAND]]
#   launch/tpu_slice.sh create --name rft --zone us-east5-b --type v6e-8 --spot
#   launch/tpu_slice.sh setup  --name rft --zone us-east5-b --nfs 10.0.0.2:/share
#   launch/tpu_slice.sh run    --name rft --zone us-east5-b -- train --model models/7b --data data/train.jsonl \
#       --output runs/sft --gin_file runs/sft.gin --gin.train.remat=save_attention
#   launch/tpu_slice.sh logs   --name rft --zone us-east5-b
#
#   create   requests the slice (a queued resource)
#   wait     waits until the slice is active
#   setup    on all workers: mounts the shared disk, installs this checkout
#   run      on all workers: starts the command in the background
#   logs     follows its output; Ctrl-C ends only the printing
#   stop     sends SIGTERM; the state is saved
#   status   prints the request's state, and the command's exit code once it has ended
#   resume   after a preemption: delete, create, wait, setup and run, with the flags of all of them
#   delete   deletes the slice and the request
#
#   --name NAME         name of the slice and of the request for it
#   --zone ZONE         zone, as for gcloud
#   --project P         project, as for gcloud (default: gcloud's)
#   --type TYPE         accelerator type (default: v5litepod-8)
#   --runtime VERSION   version of the TPU software (default: derived from the type)
#   --spot              a spot slice: cheaper, may be preempted
#   --nfs SERVER:/PATH  shared disk (such as Filestore) with models, data and outputs
#   --dry_run           print the commands and stop
#
# On a slice with several hosts the command (train, sample, evaluate, policy or run) runs on all of them, and they find
# each other. The slice's own disks are deleted with it: keep models, data and outputs on the shared disk, where the
# command runs.

set -euo pipefail
here=$(dirname "$0")
# shellcheck source=launch/common.sh
. "$here/common.sh"

share=/mnt/rft
name="" zone="" project="" type=v5litepod-8 runtime="" spot="" nfs=""
action=${1:---help}
[[ $# -eq 0 ]] || shift
case $action in
  --help | -h) show_help; exit ;;
  create | wait | setup | run | logs | stop | status | resume | delete) ;;
  *) die "$action: no such action" ;;
esac
while [[ $# -gt 0 ]]; do
  case $1 in
    --help | -h) show_help; exit ;;
    --name) name=$(value_of "$@"); shift 2 ;;
    --zone) zone=$(value_of "$@"); shift 2 ;;
    --project) project=$(value_of "$@"); shift 2 ;;
    --type) type=$(value_of "$@"); shift 2 ;;
    --runtime) runtime=$(value_of "$@"); shift 2 ;;
    --spot) spot=1; shift ;;
    --nfs) nfs=$(value_of "$@"); shift 2 ;;
    --dry_run) DRY_RUN=1; shift ;;
    --) shift; break ;;
    *) die "$1: no such flag; flags of rft come after --" ;;
  esac
done
[[ -n $name ]] || die "--name is needed"
[[ -n $zone ]] || die "--zone is needed"
where=(--zone="$zone" ${project:+--project="$project"})

queue() { # VERB FLAGS...
  run gcloud compute tpus queued-resources "$1" "$name" "${where[@]}" "${@:2}"
}

on_workers() { # SCRIPT
  run gcloud compute tpus tpu-vm ssh "$name" "${where[@]}" --worker=all --command="$1"
}

# Checks the arguments of an action before it starts.
check() { # COMMAND...
  if [[ $action == create || $action == resume ]]; then
    [[ $type =~ -[0-9]+$ ]] || die "--type is $type; write it like v5litepod-8"
  fi
  if [[ $action == setup || $action == resume ]]; then
    [[ -n $nfs ]] || die "--nfs is needed: the slice's own disks are deleted with it"
  fi
  if [[ $action == run || $action == resume ]]; then
    [[ $# -gt 0 ]] || die "no rft command after --"
    case $1 in
      train | sample | evaluate | policy | run) ;;
      *) die "a slice is for train, sample, evaluate, policy and run; run rft $1 on any machine that has the shared disk" ;;
    esac
  fi
}

create() {
  if [[ -z $runtime ]]; then
    case $type in
      v5litepod-*) runtime=v2-alpha-tpuv5-lite ;;
      v5p-*) runtime=v2-alpha-tpuv5 ;;
      v6e-*) runtime=v2-alpha-tpuv6e ;;
      *) runtime=tpu-ubuntu2204-base ;;
    esac
  fi
  queue create --node-id="$name" --accelerator-type="$type" --runtime-version="$runtime" ${spot:+--spot}
}

state() { gcloud compute tpus queued-resources describe "$name" "${where[@]}" --format='value(state.state)'; }

wait_for_slice() {
  if [[ -n $DRY_RUN ]]; then
    echo "# every 30 seconds, until the state is ACTIVE:"
    queue describe --format='value(state.state)'
    return
  fi
  local now
  while now=$(state) || die "no request $name in $zone"; [[ $now != ACTIVE ]]; do
    [[ $now != FAILED && $now != SUSPENDED ]] || die "the request is $now; delete it and create it again"
    echo "$now"
    sleep 30
  done
}

setup() {
  local folder=/tmp/tmp.XXXXXXXXXX
  [[ -n $DRY_RUN ]] || folder=$(mktemp -d)
  run git -C "$here/.." archive --format=tar.gz --prefix=rft_jax/ --output="$folder/rft_jax.tar.gz" HEAD
  run gcloud compute tpus tpu-vm scp "$folder/rft_jax.tar.gz" "$name:" "${where[@]}" --worker=all
  run rm -r "$folder"
  # Locks are local to the worker (local_lock): one on the server would outlive a preempted worker.
  on_workers "set -e
sudo apt-get install -y -qq nfs-common
sudo mkdir -p $share
mountpoint -q $share || sudo mount -t nfs -o vers=3,hard,local_lock=flock $nfs $share
[ -w $share ] || sudo chmod 1777 $share
python3 -m pip install --quiet --user uv
~/.local/bin/uv venv --clear --quiet --python 3.12 ~/rft
tar xzf rft_jax.tar.gz
~/.local/bin/uv pip install --quiet --python ~/rft/bin/python './rft_jax[tpu,gcs]'"
}

start() {
  # Metadata of a slice: the hosts' addresses, as ADDRESS or X:Y:ADDRESS, separated by commas; this host's number.
  on_workers "cd $share
if [ ! -e ~/rft.exit ] && kill -0 \$(cat ~/rft.pid 2>/dev/null) 2>/dev/null; then
  echo 'an rft command is running on this slice; tpu_slice.sh status shows its state, tpu_slice.sh stop ends it' >&2
  exit 2
fi
rm -f ~/rft.exit
export JAX_COMPILATION_CACHE_DIR=$share/.jax-cache
attribute() { curl -sf -H 'Metadata-Flavor: Google' http://metadata.google.internal/computeMetadata/v1/instance/attributes/\$1; }
hosts=\$(attribute worker-network-endpoints | tr , '\\n' | sed 's|.*:||')
if [ \$(echo \"\$hosts\" | wc -l) -gt 1 ]; then
  export JAX_COORDINATOR_ADDRESS=\$(echo \"\$hosts\" | head -n 1):8476
  export JAX_NUM_PROCESSES=\$(echo \"\$hosts\" | wc -l) JAX_PROCESS_ID=\$(attribute agent-worker-number)
fi
nohup setsid bash -c '~/rft/bin/python \"\$@\" & echo \$! > ~/rft.pid; wait \$!; echo \$? > ~/rft.exit' rft -m rft_jax.cli $(quoted "$@") > ~/rft.log 2>&1 < /dev/null &"
}

check "$@"
case $action in
  create) create ;;
  wait) wait_for_slice ;;
  setup) setup ;;
  run) start "$@" ;;
  logs) on_workers 'tail -n 100 -F ~/rft.log' ;;
  stop) on_workers "kill -TERM \$(cat ~/rft.pid)" ;;
  status)
    queue describe --format='value(state.state)'
    on_workers 'cat ~/rft.exit 2>/dev/null || echo running; tail -n 1 ~/rft.log'
    ;;
  resume)
    queue delete --force --quiet
    create
    wait_for_slice
    setup
    start "$@"
    ;;
  delete) queue delete --force --quiet ;;
esac
