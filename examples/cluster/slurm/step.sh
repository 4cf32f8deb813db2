# step NAME [merge]: the command of a step of the pipeline, or of its merge
step() {
  local threads=(--threads "${SLURM_CPUS_PER_TASK:-1}")
  local weights=(--weights "$WEIGHTS")
  # Merging computes nothing but needs the same settings.
  case $1 in
    ingest) villa ${2:-} ingest "${INGEST[@]}" ;;
    preprocess) villa ${2:-} preprocess --data-dir "$DATA" "${weights[@]}" "${threads[@]}" ;;
    stage1) villa ${2:-} stage1 data_dir="$DATA" checkpoint_dir="$RUNS" task_name=mapping "${threads[@]}" ;;
    stage2) villa stage2 data_dir="$DATA" checkpoint_dir="$RUNS" task_name=model model.weights="$WEIGHTS" "${threads[@]}" ;;
    evaluate) villa ${2:-} evaluate --data-dir "$DATA" --checkpoint "$RUNS/model/best.safetensors" "${threads[@]}" ;;
    *) echo "There is no step $1." >&2 && return 2 ;;
  esac
}
