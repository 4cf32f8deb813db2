import type { TaskContext } from "@villa/core";
import { type CellTask, runCell } from "./cell.ts";
import type { CellResult } from "./protocol.ts";

// The module that workers load by URL; the name of its function is part of the contract.

/** Computes one cell of the complexity experiment in a worker. */
export function cellTask(task: CellTask, { signal }: TaskContext): Promise<CellResult> {
  return runCell(task, signal);
}
