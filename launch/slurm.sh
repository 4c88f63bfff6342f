#!/usr/bin/env bash
# Submits an rft command to Slurm, for nodes with GPUs.
#
#   launch/slurm.sh [FLAGS] -- COMMAND [FLAGS OF rft COMMAND]
#   launch/slurm.sh --time 12:00:00 -- train --model models/7b --data gsm8k:train --output runs/sft --gin_file runs/sft.gin
#   launch/slurm.sh --nodes 4 -- sample --model runs/sft --problems gsm8k:train --output runs/samples
#   launch/slurm.sh --nodes 4 -- run --output runs/gsm8k --gin_file experiments/gsm8k_smollm2_135m.gin --model models/smollm2-135m
#
#   --nodes N         number of nodes (default: 1); more than one for train, sample, evaluate, policy and run
#   --gpus N          GPUs per node (default: 8)
#   --time T          time limit, as for sbatch (default: 24:00:00)
#   --partition P     partition, as for sbatch
#   --account A       account, as for sbatch
#   --cpus N          CPU cores per node, shared by its tasks (default: 8 per GPU)
#   --mem M           memory per node, as for sbatch (default: 0, all of it)
#   --sbatch=FLAG     any other flag of sbatch, such as --sbatch=--qos=high; repeatable
#   --container IMAGE run in a container, by pyxis (srun --container-image); the folder is mounted under its own name
#   --job NAME        name of the job (default: rft)
#   --together        one process per node for `sample` too, for a model that does not fit on one GPU
#   --python P        the Python with rft_jax on the nodes (default: .venv/bin/python)
#   --dry_run         print the batch script and stop
#
# The job runs in the folder it is submitted from, which all nodes must share. Five minutes before the time limit Slurm
# sends SIGTERM; rft then saves its state and ends with 75, and the job requeues itself. After a preemption or a failed
# node Slurm requeues it. A mistake in the command (exit code 2) ends the job.
#
# `sample` runs one process per GPU on all nodes, each with a share of the problems. Every other command runs one
# process per node, with all of its GPUs; the processes of several nodes connect to the first node.

set -euo pipefail
here=$(dirname "$0")
# shellcheck source=launch/common.sh
. "$here/common.sh"

nodes=1 gpus=8 time=24:00:00 partition="" account="" cpus="" mem=0 container="" job=rft together="" python=.venv/bin/python
more=""
while [[ $# -gt 0 ]]; do
  case $1 in
    --help | -h) show_help; exit ;;
    --nodes) nodes=$(value_of "$@"); shift 2 ;;
    --gpus) gpus=$(value_of "$@"); shift 2 ;;
    --time) time=$(value_of "$@"); shift 2 ;;
    --partition) partition=$(value_of "$@"); shift 2 ;;
    --account) account=$(value_of "$@"); shift 2 ;;
    --cpus) cpus=$(value_of "$@"); shift 2 ;;
    --mem) mem=$(value_of "$@"); shift 2 ;;
    --sbatch=*) more+="#SBATCH ${1#--sbatch=}"$'\n'; shift ;;
    --container) container=$(value_of "$@"); shift 2 ;;
    --job) job=$(value_of "$@"); shift 2 ;;
    --together) together=1; shift ;;
    --python) python=$(value_of "$@"); shift 2 ;;
    --dry_run) DRY_RUN=1; shift ;;
    --) shift; break ;;
    *) die "$1: no such flag; flags of rft come after --" ;;
  esac
done
[[ $# -gt 0 ]] || die "no rft command after --"
[[ $gpus =~ ^[1-9][0-9]*$ ]] || die "--gpus is $gpus; it must be at least 1"
cpus=${cpus:-$((8 * gpus))}
[[ $cpus =~ ^[1-9][0-9]*$ ]] || die "--cpus is $cpus; it must be at least 1"
[[ $nodes =~ ^[1-9][0-9]*$ ]] || die "--nodes is $nodes; it must be at least 1"
check_hosts "$nodes" "--nodes $nodes" "$1"

batch_script() {
  local tasks=1 step optional="$more" together_at="" within=""
  if [[ $1 == sample ]]; then
    # Quoted for the `bash -c` of every task; the task expands the variables.
    step="$(quoted "$python" -m rft_jax.cli "$@") --shard \$SLURM_PROCID/\$SLURM_NTASKS"
    if [[ -n $together ]]; then
      step="bash -c $(quoted "exec $step")"
    else
      tasks=$gpus
      # One of the GPUs that Slurm assigned to the node, by number, UUID or MIG name; a single one is this task's.
      # shellcheck disable=SC2016  # the task expands the variables
      local one='IFS=, read -ra g <<<"${CUDA_VISIBLE_DEVICES:-$SLURM_LOCALID}"; CUDA_VISIBLE_DEVICES=${g[SLURM_LOCALID]:-${g[0]}}'
      step="bash -c $(quoted "$one exec $step")"
    fi
  elif [[ $nodes == 1 ]]; then
    step=$(quoted "$python" -m rft_jax.cli "$@")
  else
    step="JAX_NUM_PROCESSES=\$SLURM_NTASKS JAX_PROCESS_ID=\$SLURM_PROCID exec $(quoted "$python" -m rft_jax.cli "$@")"
    step="bash -c $(quoted "$step")"
    # shellcheck disable=SC2016  # the job expands the variables
    together_at='export JAX_COORDINATOR_ADDRESS=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1):$((20000 + SLURM_JOB_ID % 20000))'$'\n'
  fi
  [[ -z $partition ]] || optional+="#SBATCH --partition=$partition"$'\n'
  local per_task=$((cpus / tasks > 0 ? cpus / tasks : 1))
  if [[ -n $container ]]; then
    # shellcheck disable=SC2016  # the job expands the variable
    within="--container-image=$(quoted "$container") "'--container-mounts="$PWD:$PWD" --container-workdir="$PWD" '
  fi
  [[ -z $account ]] || optional+="#SBATCH --account=$account"$'\n'
  cat <<SCRIPT
#!/usr/bin/env bash
#SBATCH --job-name=$job
#SBATCH --nodes=$nodes
#SBATCH --ntasks-per-node=$tasks
#SBATCH --gpus-per-node=$gpus
#SBATCH --cpus-per-task=$per_task
#SBATCH --mem=$mem
#SBATCH --time=$time
#SBATCH --signal=TERM@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
$optional
# A signal does not end the batch script: rft's processes get it too, and their exit code decides.
trap : TERM
export SRUN_CPUS_PER_TASK=$per_task
status=0
${together_at}srun --label ${within}$step || status=\$?
if [ "\$status" = 75 ]; then
  scontrol requeue "\$SLURM_JOB_ID"
fi
exit "\$status"
SCRIPT
}

if [[ -n $DRY_RUN ]]; then
  batch_script "$@"
else
  batch_script "$@" | sbatch
fi
