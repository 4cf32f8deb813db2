#!/usr/bin/env bash
# Submits the whole pipeline; each job waits for the one before it.   SHARDS=16 ./pipeline.sh
set -euo pipefail
cd "$(dirname "$0")"
last=$((${SHARDS:-16} - 1))
after=()
submit() { # submit ARGUMENTS…: as sbatch, after the job submitted before
  local id
  id=$(sbatch --parsable "${after[@]}" "$@")
  after=(--dependency="afterok:${id%%;*}" --kill-on-invalid-dep=yes)
  echo "$id: $*"
}
for name in ingest preprocess stage1; do
  submit --array="0-$last" array.sh "$name"
  submit merge.sh "$name"
done
submit stage2.sh
submit --array="0-$last" array.sh evaluate
submit merge.sh evaluate
