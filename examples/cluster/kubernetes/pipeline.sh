#!/usr/bin/env bash
# Applies the Jobs one after another, waiting for each.   ./pipeline.sh [NAMESPACE]
set -euo pipefail
cd "$(dirname "$0")"
namespace=${1:-default}
# finished FILE: waits for the Job, and fails when it has failed
finished() {
  local state=""
  until [[ $state == *Complete* || $state == *Failed* ]]; do
    state=$(kubectl --namespace "$namespace" get --filename "$1" --output 'jsonpath={.status.conditions[?(@.status=="True")].type}')
    [ -n "$state" ] || sleep "${POLL_SECONDS:-10}"
  done
  [[ $state == *Complete* ]] || { echo "The Job of $1 has failed: kubectl describe --filename $1 says why." >&2 && return 1; }
}
for job in ingest preprocess stage1 stage2 evaluate; do
  for file in [0-9]-"$job".yaml [0-9]-"$job"-merge.yaml; do
    [ -e "$file" ] || continue
    kubectl --namespace "$namespace" apply --filename "$file"
    finished "$file"
  done
done
kubectl --namespace "$namespace" logs job/villa-evaluate-merge
