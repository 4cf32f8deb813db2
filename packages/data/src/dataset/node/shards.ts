import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { VillaError } from "../../errors.ts";
import { checkArgument, checkText } from "../../formats/check-arguments.ts";
import { describe } from "../../formats/describe.ts";
import { atomicWriteFile } from "./files.ts";

/** Notes in a folder of parts how many shards share them out. */
export async function noteShards(folder: string, count: number): Promise<void> {
  checkText(folder, "A folder of parts");
  if (!(Number.isInteger(count) && count >= 1)) {
    throw new VillaError("InvalidArgument", `A job must have one or more shards, not ${describe(count)}.`);
  }
  await atomicWriteFile(join(folder, `shards-${count}`), "");
}

/**
 * Makes sure that every part is there before they are joined.
 *
 * @param parts `missing`: numbers of those that are not, of `total`; `owner`: the shard of a part, by default its number
 *   modulo the number of shards
 * @throws VillaError `Mismatch` naming the shards that have to run again
 */
export function requireParts(
  folder: string,
  parts: {
    readonly missing: readonly number[];
    readonly total: number;
    readonly owner?: ((part: number, shards: number) => number) | undefined;
  },
): void {
  checkText(folder, "A folder of parts");
  checkArgument("parts", parts, { missing: "numbers", total: "count", "owner?": "function" });
  const { missing, total, owner = (part, shards) => part % shards } = parts;
  if (missing.length === 0) return;
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const counts = names.flatMap((name) => /^shards-(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  const count = counts.length > 0 ? Math.max(...counts) : 1;
  const shards = [...new Set(missing.map((part) => owner(part, count)))].sort((a, b) => a - b);
  const named = count > 1 ? `Missing: ${shards.map((shard) => `shard ${shard}/${count}`).join(", ")}` : "Not finished";
  throw new VillaError(
    "Mismatch",
    `${named} (${missing.length} of ${total} parts are not there); run ${shards.length > 1 ? "them" : "it"} again, then merge.`,
  );
}
