import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  byteSize,
  type CommandContext,
  type CommonFlags,
  chosenShard,
  counted,
  present,
  type RegisterCommand,
  type ShardFlags,
  table,
  withCommonFlags,
  withShardFlags,
} from "@villa/command-kit";
import { epsilonSplit, epsilonText, qualities } from "../report/mapping-section.ts";
import { onBackend, type RuntimeFlags, withRuntimeFlags } from "./runtime.ts";
import { resolveSettings, withSettings } from "./settings.ts";

type Stage1Module = typeof import("@villa/mapping/node");
type Stage1Result = Awaited<ReturnType<Stage1Module["runStage1"]>>;

interface Stage1Flags extends CommonFlags, RuntimeFlags, ShardFlags {
  readonly attributesShard?: string | undefined;
}

/** `villa stage1` trains the mapping model and maps; `villa map` maps with a trained one. */
export const registerStage1: RegisterCommand = (program, context) => {
  const stage1 = withSettings(
    program
      .command("stage1")
      .description("train the mapping model and assign attributes to regions (resumes where it stopped)"),
    stage1Settings,
    {
      examples: `Examples:
  villa stage1 experiment=docmnist_stage1
  villa stage1 experiment=docmnist_stage1 data_dir=data/docmnist_30000_15.2 epochs=10 loss.temp=0.05
  villa stage1 data_dir=data/mine epsilon=auto early_stop.metric=loss`,
    },
  );
  withShardFlags(stage1, "attributes").option("--attributes-shard <i/n>", "another name of --shard");
  withCommonFlags(withRuntimeFlags(stage1)).action(
    (overrides: string[], { attributesShard: other, ...flags }: Stage1Flags) =>
      run(context, flags, overrides, async ({ runStage1 }, config, options) => {
        const asked = other === undefined ? flags : { ...flags, shard: other };
        const attributesShard = config.attributesShard ?? chosenShard(asked, context.terminal) ?? null;
        if (attributesShard === null) await requireRoomForMappings(config);
        return runStage1({ ...config, attributesShard }, { ...options, mergeOnly: flags.merge });
      }),
  );

  const map = withSettings(
    program
      .command("map")
      .description("assign attributes to regions with a trained mapping model, e.g. for another epsilon"),
    stage1Settings,
    {
      examples: `Examples:
  villa map experiment=docmnist_stage1 epsilon=0.05,0.1,0.2
  villa map data_dir=data/docmnist_30000_15.2 --checkpoint last.pkl epsilon=auto`,
    },
  ).option("--checkpoint <path>", "a run's folder, last.pkl or safetensors (default: the settings' own run)");
  withCommonFlags(withRuntimeFlags(map)).action(
    (overrides: string[], flags: CommonFlags & RuntimeFlags & { checkpoint?: string | undefined }) =>
      run(context, flags, overrides, async ({ runMapping }, config, options) => {
        await requireRoomForMappings(config);
        return runMapping(config, { ...options, checkpoint: flags.checkpoint });
      }),
  );
};

/** Mappings are written beside the dataset, long after the work has begun; a shard writes none. */
async function requireRoomForMappings({ dataDir }: Config): Promise<void> {
  const { requireWritable } = await import("@villa/data/node");
  await requireWritable(dataDir);
}

async function stage1Settings() {
  const { stage1Schema, stage1Experiments } = await import("@villa/mapping");
  return { schema: stage1Schema, experiments: stage1Experiments };
}

type Config = Parameters<Stage1Module["runStage1"]>[0];
type Options = NonNullable<Parameters<Stage1Module["runStage1"]>[1]>;

function run(
  context: CommandContext,
  flags: CommonFlags & RuntimeFlags,
  overrides: readonly string[],
  stage: (module: Stage1Module, config: Config, options: Options) => Promise<Stage1Result>,
): Promise<void> {
  return present(
    context,
    flags,
    async (progress) => {
      const config = await resolveSettings(await stage1Settings(), overrides);
      const module = await import("@villa/mapping/node");
      return onBackend({ ...flags, terminal: context.terminal }, async (backend) => {
        const { createTaskPool } = await import("@villa/backend-node");
        const pool =
          backend.device === "cpu" ? createTaskPool({ backend: backend.name, threads: flags.threads }) : undefined;
        try {
          const result = await stage(module, config, {
            onProgress: progress,
            signal: context.signal,
            pool,
          });
          const page = await writePage(result, config.dataDir);
          return { ...result, page, files: await folderFiles(result.directory) };
        } finally {
          await pool?.close();
        }
      });
    },
    describe,
  );
}

/** The run as a page to look at. @returns its path; nothing after a shard, which maps nothing */
async function writePage(result: Stage1Result, dataDir: string): Promise<string | undefined> {
  if (result.mappings.length === 0) return undefined;
  const { writeStage1Report } = await import("../report/stage1-page.ts");
  return writeStage1Report(result, dataDir);
}

/** What lies in a folder, a folder in it as a whole. */
interface FolderFile {
  readonly name: string;
  readonly bytes: number;
}

/** The largest first. */
async function folderFiles(folder: string): Promise<FolderFile[]> {
  const files = await Promise.all(
    (await readdir(folder)).map(async (name) => ({ name, bytes: await size(join(folder, name)) })),
  );
  return files.sort((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1));
}

/** Bytes of a file, or of all files in a folder; 0 for what has gone meanwhile. */
async function size(path: string): Promise<number> {
  const entry = await stat(path).catch(() => undefined);
  if (!entry?.isDirectory()) return entry?.size ?? 0;
  const sizes = await Promise.all((await readdir(path)).map((name) => size(join(path, name))));
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

function describe({
  directory,
  attributes,
  history,
  mappings,
  epsilon,
  checkpoints,
  notes,
  page,
  files,
}: Stage1Result & { readonly page: string | undefined; readonly files: readonly FolderFile[] }): string {
  const lines: string[] = [];
  const last = history.at(-1);
  if (last) lines.push(`${counted(history.length, "epoch")}, training loss ${last.loss.toFixed(4)}`);
  const judged = mappings.flatMap(({ split, images, report }) =>
    report ? [[split, images, ...qualities(report)]] : [],
  );
  if (judged.length > 0) lines.push("", table([["split", "images", "precision", "recall", "F1"], ...judged]));
  if (notes.length > 0) lines.push("", ...notes);
  const swept = epsilonSplit(mappings);
  if (swept && swept.report.sweep.length > 0) {
    const rows = swept.report.sweep.map((each) => [epsilonText(each.epsilon), ...qualities(each)]);
    lines.push("", table([[`epsilon, ${swept.split}`, "precision", "recall", "F1"], ...rows]));
  }
  if (typeof epsilon === "number") lines.push("", `epsilon ${epsilonText(epsilon)}`);
  else if (epsilon)
    lines.push("", `epsilon ${epsilon.map((own, a) => `${attributes[a]} ${epsilonText(own)}`).join(", ")}`);
  if (mappings.length === 0)
    lines.push("This shard is trained. Once all shards are, villa merge stage1 joins them and maps.");
  lines.push("", ...mappings.map(({ path }) => path), ...checkpoints);
  if (page !== undefined) lines.push(page);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  lines.push("", table([[directory, "size"], ...files.map((file) => [file.name, byteSize(file.bytes)])]));
  lines.push(`${byteSize(bytes)} in all`);
  return lines.join("\n").trim();
}
