#!/usr/bin/env bash
# Stage 2 by PyTorch on several nodes, from the tars of `villa export-webdataset`.
#SBATCH --job-name=villa-ddp
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
source ./villa.env
master=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun torchrun --nnodes="$SLURM_NNODES" --nproc_per_node=8 --rdzv_backend=c10d --rdzv_endpoint="$master:29500" \
  ../train_ddp.py --tars "$DATA/tars/train-*.tar" --sentences "$DATA/tars/train-sentences.pth" \
  --weights "$RUNS/tower.pth" --out "$RUNS/trained.pth"
