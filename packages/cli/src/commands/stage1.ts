import { join } from "node:path";
import { epsilonText } from "../report/epsilon-text.ts";
import { table } from "../terminal.ts";
import { type CommandContext, type CommonFlags, present, type RegisterCommand, withCommonFlags } from "./context.ts";
import { readExperiment, settingsPage } from "./experiment-file.ts";
import { onBackend, type RuntimeFlags, withRuntimeFlags } from "./runtime.ts";
import { chosenShard, type ShardFlags, withShardFlags } from "./shard.ts";

type Stage1Module = typeof import("@villa/mapping/node");
type Stage1Result = Awaited<ReturnType<Stage1Module["runStage1"]>>;

interface Stage1Flags extends CommonFlags, RuntimeFlags, ShardFlags {
  readonly attributesShard?: string | undefined;
}

/** `villa stage1` trains the mapping model and maps; `villa map` maps with a trained one. */
export const registerStage1: RegisterCommand = (program, context) => {
  const stage1 = program
    .command("stage1")
    .description("train the mapping model and assign attributes to regions (resumes where it stopped)")
    .argument("[overrides...]", "experiment=NAME|FILE.yaml and key=value settings")
    .addHelpText(
      "after",
      `
Examples:
  villa stage1 experiment=docmnist_stage1
  villa stage1 experiment=docmnist_stage1 data_dir=data/docmnist_30000_15.2 epochs=10 loss.temp=0.05
  villa stage1 data_dir=data/mine mapping.epsilon=auto early_stop.metric=loss

All settings with their defaults: ${settingsPage}`,
    );
  withShardFlags(stage1, "attributes").option("--attributes-shard <i/n>", "another name of --shard");
  withCommonFlags(withRuntimeFlags(stage1)).action((overrides: string[], { attributesShard, ...flags }: Stage1Flags) =>
    run(context, flags, overrides, ({ runStage1 }, config, options) => {
      const asked = attributesShard === undefined ? flags : { ...flags, shard: attributesShard };
      const shard = config.attributes_shard === null ? chosenShard(asked, context.terminal) : undefined;
      const own = shard ? { ...config, attributes_shard: `${shard.index}/${shard.count}` } : config;
      return runStage1(own, { ...options, mergeOnly: flags.merge });
    }),
  );

  const map = program
    .command("map")
    .description("assign attributes to regions with a trained mapping model, e.g. for another epsilon")
    .argument("[overrides...]", "settings as for stage1")
    .option("--checkpoint <path>", "a run's folder, last.pkl or safetensors (default: the settings' own run)")
    .addHelpText(
      "after",
      `
Examples:
  villa map experiment=docmnist_stage1 epsilon=0.05,0.1,0.2
  villa map data_dir=data/docmnist_30000_15.2 --checkpoint last.pkl mapping.epsilon=auto`,
    );
  withCommonFlags(withRuntimeFlags(map)).action(
    (overrides: string[], flags: CommonFlags & RuntimeFlags & { checkpoint?: string | undefined }) =>
      run(context, flags, overrides, ({ runMapping }, config, options) =>
        runMapping(config, { ...options, checkpoint: flags.checkpoint }),
      ),
  );
};

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
      const { resolveConfig } = await import("@villa/core");
      const { stage1Defaults, stage1Experiments, stage1Schema } = await import("@villa/mapping");
      const config = resolveConfig({
        schema: stage1Schema,
        defaults: stage1Defaults,
        experiments: stage1Experiments,
        overrides: overrides.map(epsilonAlias),
        readFile: readExperiment,
      });
      const module = await import("@villa/mapping/node");
      return onBackend(flags, async (backend) => {
        const { createTaskPool } = await import("@villa/backend-node");
        const pool =
          backend.device === "cpu" ? createTaskPool({ backend: backend.name, threads: flags.threads }) : undefined;
        try {
          const result = await stage(module, config, {
            onProgress: progress,
            signal: context.signal,
            pool,
          });
          return { ...result, page: await writePage(result) };
        } finally {
          await pool?.close();
        }
      });
    },
    describe,
  );
}

/** The run as a page to look at. @returns its path; nothing after a shard, which maps nothing */
async function writePage(result: Stage1Result): Promise<string | undefined> {
  if (result.mappings.length === 0) return undefined;
  const [{ renderStage1Report }, { atomicWriteFile }] = await Promise.all([
    import("../report/stage1-page.ts"),
    import("@villa/data/node"),
  ]);
  const path = join(result.directory, "report.html");
  await atomicWriteFile(path, renderStage1Report(result, new Date().toISOString()));
  return path;
}

/** `epsilon=0.05,0.1` is short for `mapping.epsilon=[0.05, 0.1]`. */
export function epsilonAlias(word: string): string {
  const match = /^(?:mapping\.)?epsilon=(.*)$/.exec(word);
  if (!match) return word;
  return `mapping.epsilon=${match[1]!.includes(",") && !match[1]!.startsWith("[") ? `[${match[1]}]` : match[1]}`;
}

function describe({
  directory,
  attributes,
  history,
  mappings,
  epsilon,
  checkpoints,
  page,
}: Stage1Result & { readonly page: string | undefined }): string {
  const lines: string[] = [];
  const last = history.at(-1);
  if (last) lines.push(`${history.length} epochs, training loss ${last.loss.toFixed(4)}`);
  const judged = mappings.flatMap(({ split, images, report }) =>
    report ? [[split, images, report.precision.toFixed(2), report.recall.toFixed(2), report.f1.toFixed(2)]] : [],
  );
  if (judged.length > 0) lines.push("", table([["split", "images", "precision", "recall", "F1"], ...judged]));
  const swept = mappings.find(({ split }) => split === "val") ?? mappings.at(-1);
  if (swept?.report && swept.report.sweep.length > 0) {
    const rows = swept.report.sweep.map(({ epsilon, precision, recall, f1 }) => [
      epsilonText(epsilon),
      ...[precision, recall, f1].map((n) => n.toFixed(2)),
    ]);
    lines.push("", table([[`epsilon, ${swept.split}`, "precision", "recall", "F1"], ...rows]));
  }
  if (typeof epsilon === "number") lines.push("", `epsilon ${epsilonText(epsilon)}`);
  else if (epsilon)
    lines.push("", `epsilon ${epsilon.map((own, a) => `${attributes[a]} ${epsilonText(own)}`).join(", ")}`);
  if (mappings.length === 0) lines.push("This shard is trained; when all are, villa merge stage1 joins and maps.");
  lines.push("", ...mappings.map(({ path }) => path), ...checkpoints, page ?? directory);
  return lines.join("\n").trim();
}
