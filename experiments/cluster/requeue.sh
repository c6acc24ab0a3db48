# Sourced by the scripts beside it: runs `normnex` with the array ARGUMENTS, to its end or to that of the job's time.
#
# A job that is told to end passes it on; the program then saves what it has and leaves with status 75, and the job
# queues itself again. The same command goes on from there.
set -u

NORMNEX=${NORMNEX:-.venv/bin/normnex} # from the project's folder; on all nodes the same path
UNFINISHED=75

# Since SLURM 22.05, srun doesn't take it from sbatch.
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
# A task that fails takes the others along, which would wait for it.
srun --kill-on-bad-exit=1 "$NORMNEX" "${ARGUMENTS[@]}" &
run=$!

notice= ended=
# Before the time is up, as --signal=B:USR1@120 asks for: srun hands it to all tasks.
trap 'notice=1; kill -USR1 "$run"' USR1
# SLURM ends the job and has told the tasks itself. If it preempts, it also queues the job again; scancel doesn't.
trap 'ended=1' TERM

while kill -0 "$run" 2>/dev/null; do wait "$run"; done # a signal ends a `wait`, not the run
wait "$run"
status=$?

if [ -z "$ended" ] && [ "$status" -ne 0 ] && { [ -n "$notice" ] || [ "$status" -eq "$UNFINISHED" ]; }; then
  echo "Job $SLURM_JOB_ID: not finished, queued again"
  exec scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
