#!/usr/bin/env bash
# Applies the Jobs one after another, waiting for each.   ./pipeline.sh [NAMESPACE]
set -euo pipefail
cd "$(dirname "$0")"
namespace=${1:-default}
for job in ingest preprocess stage1 stage2 evaluate; do
  for file in [0-9]-"$job".yaml [0-9]-"$job"-merge.yaml; do
    [ -e "$file" ] || continue
    kubectl --namespace "$namespace" apply --filename "$file"
    kubectl --namespace "$namespace" wait --for=condition=complete --timeout=24h --filename "$file"
  done
done
kubectl --namespace "$namespace" logs job/villa-evaluate-merge
