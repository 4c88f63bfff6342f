#!/usr/bin/env bash
# Runs an rft command on TPU slices of a GKE cluster, as a JobSet (jobset.x-k8s.io/v1alpha2).
#
#   launch/gke.sh ACTION --name NAME [FLAGS] [-- COMMAND [FLAGS OF rft COMMAND]]
#   launch/gke.sh apply --name sft --image IMAGE --claim rft -- train --model models/7b --data data/train.jsonl --output runs/sft
#   launch/gke.sh apply --name samples --slices 4 --image IMAGE --claim rft -- sample --model runs/sft --problems data/train.jsonl \
#     --output runs/samples
#
#   apply    starts the command; needs kubectl, and the JobSet controller in the cluster
#   logs     follows its output
#   status   prints the JobSet's state
#   delete   stops it: SIGTERM, then two minutes to save the state
#
#   --name NAME          name of the JobSet
#   --image IMAGE        image built from launch/Dockerfile
#   --claim CLAIM        persistent volume claim with models, data and outputs; the command runs in its folder
#   --accelerator LABEL  tpu-v5-lite-podslice, tpu-v5p-slice or tpu-v6e-slice (default: tpu-v6e-slice)
#   --topology T         such as 2x4, or 2x2x2 for v5p (default: 2x4); several hosts for train, sample, evaluate, policy, run
#   --slices N           for `sample`: number of slices, each with a share of the problems (default: 1)
#   --max_restarts N     restarts after failures and preemptions (default: 50); exit code 2, a mistake, is not retried
#   --dry_run            print the manifest or the kubectl command, and stop

set -euo pipefail
# shellcheck source=launch/common.sh
. "$(dirname "$0")/common.sh"

name="" image="" claim="" accelerator=tpu-v6e-slice topology=2x4 slices=1 max_restarts=50
action=${1:---help}
[[ $# -eq 0 ]] || shift
case $action in
  --help | -h) show_help; exit ;;
  apply | logs | status | delete) ;;
  *) die "$action: no such action" ;;
esac
while [[ $# -gt 0 ]]; do
  case $1 in
    --help | -h) show_help; exit ;;
    --name) name=$(value_of "$@"); shift 2 ;;
    --image) image=$(value_of "$@"); shift 2 ;;
    --claim) claim=$(value_of "$@"); shift 2 ;;
    --accelerator) accelerator=$(value_of "$@"); shift 2 ;;
    --topology) topology=$(value_of "$@"); shift 2 ;;
    --slices) slices=$(value_of "$@"); shift 2 ;;
    --max_restarts) max_restarts=$(value_of "$@"); shift 2 ;;
    --dry_run) DRY_RUN=1; shift ;;
    --) shift; break ;;
    *) die "$1: no such flag; flags of rft come after --" ;;
  esac
done
[[ $name =~ ^[a-z]([a-z0-9-]*[a-z0-9])?$ ]] || die "--name is '$name'; use lower-case letters, digits and -"

# A YAML list on one line, each word quoted as in JSON.
yaml_list() {
  local word line=""
  for word in "$@"; do
    word=${word//\\/\\\\}
    word=${word//\"/\\\"}
    word=${word//$'\n'/\\n}
    word=${word//$'\r'/\\r}
    # Kubernetes would expand $( ).
    line+="${line:+, }\"${word//\$/\$\$}\""
  done
  printf '[%s]' "$line"
}

# The hosts of a slice connect to the first pod of the first job, by the name that JobSet gives it.
cluster_variables() { # HOSTS
  cat <<VARIABLES
                    - name: JAX_COORDINATOR_ADDRESS
                      value: $name-slice-0-0.$name:8476
                    - name: JAX_NUM_PROCESSES
                      value: "$1"
                    - name: JAX_PROCESS_ID
                      valueFrom:
                        fieldRef:
                          fieldPath: metadata.annotations['batch.kubernetes.io/job-completion-index']
VARIABLES
}

manifest() {
  local command chips=$((${topology//x/*})) hosts=1 cluster=""
  [[ $chips == 1 || $((chips % 4)) == 0 ]] || die "--topology $topology has $chips chips; a slice has 1 or a multiple of 4"
  # In a slice with several hosts each host has 4 chips.
  if [[ $chips -gt 8 || ($accelerator == *v5p* && $chips -gt 4) ]]; then
    hosts=$((chips / 4)) chips=4
    cluster=$(cluster_variables "$hosts")$'\n'
  fi
  check_hosts "$hosts" "$topology" "$1"
  if [[ $1 == sample && $slices -gt 1 ]]; then
    [[ $hosts == 1 ]] || die "--slices $slices of $hosts hosts; sampling over several slices needs slices with one host each"
    # Kubernetes expands $(SLICE).
    command=$(yaml_list rft "$@")
    command="${command%]}, \"--shard\", \"\$(SLICE)/$slices\"]"
  else
    [[ $slices == 1 ]] || die "--slices $slices is for sample; rft $1 runs on one slice, of any --topology"
    command=$(yaml_list rft "$@")
  fi
  cat <<MANIFEST
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata:
  name: $name
spec:
  failurePolicy:
    maxRestarts: $max_restarts
    rules:
      - name: mistake
        action: FailJobSet
        onJobFailureReasons: [PodFailurePolicy]
  replicatedJobs:
    - name: slice
      replicas: $slices
      template:
        spec:
          completionMode: Indexed
          parallelism: $hosts
          completions: $hosts
          backoffLimit: 0
          podFailurePolicy:
            rules:
              - action: FailJob
                onExitCodes:
                  containerName: rft
                  operator: In
                  values: [2]
          template:
            spec:
              restartPolicy: Never
              terminationGracePeriodSeconds: 120
              nodeSelector:
                cloud.google.com/gke-tpu-accelerator: $accelerator
                cloud.google.com/gke-tpu-topology: $topology
              containers:
                - name: rft
                  image: $image
                  workingDir: /data
                  command: $command
                  env:
                    - name: JAX_COMPILATION_CACHE_DIR
                      value: /data/.jax-cache
                    - name: SLICE
                      valueFrom:
                        fieldRef:
                          fieldPath: metadata.labels['jobset.sigs.k8s.io/job-index']
${cluster}                  resources:
                    limits:
                      google.com/tpu: $chips
                  volumeMounts:
                    - name: data
                      mountPath: /data
              volumes:
                - name: data
                  persistentVolumeClaim:
                    claimName: $claim
MANIFEST
}

case $action in
  apply)
    [[ $# -gt 0 ]] || die "no rft command after --"
    [[ -n $image ]] || die "--image is needed"
    [[ -n $claim ]] || die "--claim is needed: a pod's own disk is deleted with it"
    [[ $slices =~ ^[1-9][0-9]*$ ]] || die "--slices is $slices; it must be at least 1"
    [[ $topology =~ ^[1-9][0-9]*(x[1-9][0-9]*)+$ ]] || die "--topology is $topology; write it like 2x4"
    text=$(manifest "$@")
    if [[ -n $DRY_RUN ]]; then
      printf '%s\n' "$text"
    else
      kubectl apply --filename - <<<"$text"
    fi
    ;;
  logs) run kubectl logs --follow --prefix --max-log-requests 100 --selector "jobset.sigs.k8s.io/jobset-name=$name" ;;
  status) run kubectl get jobset "$name" ;;
  delete) run kubectl delete jobset "$name" ;;
esac
