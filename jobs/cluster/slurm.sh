#!/bin/bash
# A run on machines of SLURM: Ray on all of them, the pipeline on the first. Shortly before its time is over, and when it
# is preempted, the run stops and the job is queued again, which resumes it.
#
#   sbatch jobs/cluster/slurm.sh -c configs/full.yaml --machine gpu4 --set '*faces.path=/data/WIDER' --set store=/shared/full
#   sbatch --nodes=8 --partition=h100 --time=48:00:00 jobs/cluster/slurm.sh ...
#
# Submit it in the project's folder, on a file system of all machines, after `uv sync`. Stop: scancel --signal=INT --batch ID
# (it prints how to resume). The run id is slurm-ID. Sizes and costs: docs/clusters.md.
#SBATCH --job-name=wider8k
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=4
#SBATCH --mem=0
#SBATCH --time=24:00:00
#SBATCH --output=slurm-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@180
set -euo pipefail

cd "${SLURM_SUBMIT_DIR:?this script is for sbatch}"
export PATH="$PWD/.venv/bin:$PATH" RAY_ENABLE_UV_RUN_RUNTIME_ENV=0 WIDER8K_RUN_ID="slurm-$SLURM_JOB_ID"
# Others reach the ports of these machines: only who has this token may run anything there.
RAY_AUTH_MODE=token RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_MODE RAY_AUTH_TOKEN
mapfile -t machines < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${machines[0]}
port=$((20000 + SLURM_JOB_ID % 20000))
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" python -c 'import ray; print(ray.util.get_node_ip_address())')
options=(--num-cpus="${SLURM_CPUS_PER_TASK:?}" --block --disable-usage-stats)
if [[ -n ${SLURM_GPUS_PER_NODE:-} ]]; then
  options+=(--num-gpus="${SLURM_GPUS_PER_NODE##*:}") # "4" or "h100:4"
fi

driver=
requeue=
# shellcheck disable=SC2317,SC2329 # the traps call it
interrupted() { # by the end of its time or a preemption: USR1 or TERM; by a person: INT
  echo "$1: stops the run"
  [[ $1 == INT ]] || requeue=yes
  [[ -z $driver ]] || kill -TERM "$driver" 2>/dev/null || true
}
trap 'interrupted USR1' USR1
trap 'interrupted TERM' TERM
trap 'interrupted INT' INT
trap 'jobs -p | xargs -r kill 2>/dev/null || true; wait || true' EXIT # until Ray has left its ports

srun --nodes=1 --ntasks=1 --nodelist="$head" --overlap \
  ray start --head --node-ip-address="$address" --port="$port" "${options[@]}" &
ray=$!
for machine in "${machines[@]:1}"; do
  srun --nodes=1 --ntasks=1 --nodelist="$machine" --overlap \
    ray start --address="$address:$port" "${options[@]}" &
done
export RAY_ADDRESS="$address:$port"
answers() { (exec 3<> "/dev/tcp/$address/$port") 2>/dev/null; }
count='import ray; ray.init(log_to_driver=False, logging_level="ERROR"); print(len(ray.nodes()))'
joined=0
for ((try = 0; joined < ${#machines[@]}; try++)); do
  [[ -z $requeue ]] || break
  kill -0 "$ray" 2>/dev/null || { echo "error: Ray did not start on $head, for the reason above" >&2; exit 1; }
  ((try < 100)) || { echo "error: $joined of ${#machines[@]} machines have joined Ray after several minutes" >&2; exit 1; }
  sleep 2
  if answers; then
    joined=$(python -c "$count" 2>/dev/null || echo 0)
  fi
done

if [[ -z $requeue ]]; then
  echo "Ray runs on ${#machines[@]} machines at $RAY_ADDRESS"
  python jobs/full_pipeline.py "$@" &
  driver=$!
  code=0
  wait "$driver" || code=$?
  while kill -0 "$driver" 2>/dev/null; do # a signal ends `wait` early
    code=0
    wait "$driver" || code=$?
  done
fi
if [[ -n $requeue ]]; then
  echo "queued again, to resume: slurm-$SLURM_JOB_ID"
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "${code:-0}"
