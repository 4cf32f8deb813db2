#!/usr/bin/env bash
# Stage 2 on one node. It writes a checkpoint each epoch and goes on from there when it is requeued.
#SBATCH --job-name=villa-stage2
#SBATCH --cpus-per-task=16
#SBATCH --mem=64G
#SBATCH --time=24:00:00
#SBATCH --requeue
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
source ./villa.env
source ./step.sh
step stage2
