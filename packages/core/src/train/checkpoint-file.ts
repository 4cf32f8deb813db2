import { checkArgument, writeSafetensors } from "@villa/data";
import { type Checkpoint, checkpointRule } from "./state.ts";

/**
 * Version of the metadata below; files of a later one are refused. In those of version 1 the best epoch is counted from 0.
 */
export const checkpointFormat = "2";

/**
 * The bytes of a checkpoint's file, as `saveCheckpoint` of `@villa/core/node` writes it and `villa` reads it: safetensors,
 * whose metadata holds the run's position as JSON. For places that have no disk, such as a web page.
 *
 * @returns a safetensors file
 */
export function formatCheckpoint(checkpoint: Checkpoint): Uint8Array {
  checkArgument("checkpoint", checkpoint, checkpointRule);

  const { tensors, position, extra = {} } = checkpoint;
  return writeSafetensors(tensors, {
    "villa.format": checkpointFormat,
    "villa.position": JSON.stringify(position),
    "villa.extra": JSON.stringify(extra),
  });
}
