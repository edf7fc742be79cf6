"""A Slurm of one machine for tests: sbatch, srun and sacct as far as submitit uses them."""

from __future__ import annotations

from pathlib import Path

COMMANDS = {
    "sbatch": """
cp "$1" {folder}/script.sh
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$1")
for task in $(seq 0 "${{last:?}}"); do
    (
        export SLURM_JOB_ID=$((100 + task)) SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=$task SLURM_JOB_NODELIST=here
        export SLURM_JOB_NUM_NODES=1 SLURM_NTASKS=1 SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0
        if sh {folder}/script.sh; then state=COMPLETED; else state=OUT_OF_MEMORY; fi
        echo "7_$task|$state|here" >> {folder}/states
    ) > {folder}/log_$task 2>&1 &
done
echo "Submitted batch job 7"
""",
    "srun": """
while true; do
    case "$1" in
        --output | --error) shift 2 ;;
        --*) shift ;;
        *) exec "$@" ;;
    esac
done
""",
    "sacct": 'echo "JobID|State|NodeList"\ncat {folder}/states\n',
}


def install(folder: Path) -> None:
    """Write the commands into `folder`, which belongs in front of $PATH.

    There sbatch keeps what it was given as script.sh, for submitit moves its own away, and what the tasks say as
    log_TASK; it takes arrays only and runs them at once.
    """
    folder.mkdir(parents=True)
    (folder / "states").touch()
    for name, text in COMMANDS.items():
        path = folder / name
        path.write_text("#!/bin/sh\n" + text.format(folder=folder).lstrip())
        path.chmod(0o755)
