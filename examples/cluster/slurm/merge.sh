#!/usr/bin/env bash
# Joins what an array has done; fails, naming them, when shards are missing.
#SBATCH --job-name=villa-merge
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=01:00:00
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
source ./villa.env
source ./step.sh
step "$1" merge
