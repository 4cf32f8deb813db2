import { parseShard, type Shard, shardFromEnvironment } from "@villa/data";
import type { Command } from "commander";
import type { Terminal } from "./terminal.ts";

/** Flags of every command whose work several processes can split. */
export interface ShardFlags {
  readonly shard?: string | undefined;
  readonly merge?: boolean | undefined;
}

/** Adds {@link ShardFlags} to a command. @param what is shared out, e.g. "images" */
export function withShardFlags(command: Command, what: string): Command {
  return command
    .option("--shard <i/n>", `do only this share of the ${what} (default: as SLURM or Kubernetes say, else all)`)
    .option("--merge", "only join what shards have done; names those that are missing");
}

/**
 * The share that this process is to do: by flag, or by the cluster's variables. Nothing when merging.
 *
 * @throws VillaError `InvalidArgument`
 */
export function chosenShard({ shard, merge }: ShardFlags, { err }: Terminal): Shard | undefined {
  if (merge) return undefined;
  if (shard !== undefined) {
    const chosen = parseShard(shard);
    return chosen.count === 1 ? undefined : chosen;
  }
  const chosen = shardFromEnvironment(process.env);
  if (chosen) {
    const { index, count } = chosen;
    err(`Shard ${index}/${count}, as the environment says (with VILLA_SHARD_COUNT=1 this process does everything).`);
  }
  return chosen;
}
