#!/usr/bin/env bash
# One task of an array: `villa` finds its share in SLURM's variables.
#   sbatch --array=0-15 array.sh ingest
#   sbatch --array=0-15 array.sh preprocess
#   sbatch --array=0-15 array.sh stage1
#   sbatch --array=0-15 array.sh evaluate
# A task that failed or was killed goes on where it was; give it the size of the whole array:
#   VILLA_SHARD_COUNT=16 sbatch --array=3 array.sh preprocess
#SBATCH --job-name=villa
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=04:00:00
#SBATCH --requeue
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
source ./villa.env
source ./step.sh
step "$1"
