import {
  type CommonFlags,
  present,
  type RegisterCommand,
  seedNumber,
  table,
  wholeNumber,
  withCommonFlags,
} from "@villa/command-kit";
import type { Comparison } from "../evaluate/compare.ts";

interface CompareFlags extends CommonFlags {
  readonly resamples?: number | undefined;
  readonly seed?: number | undefined;
  readonly report?: string | undefined;
}

/** `villa compare`: a paired bootstrap of two evaluations. */
export const registerCompare: RegisterCommand = (program, context) => {
  const command = program
    .command("compare")
    .description("two evaluations of the same images: every difference with its interval, and where they differ")
    .argument("<a>", "folder that villa evaluate --out wrote")
    .argument("<b>", "another, of the same task and images")
    .option("--resamples <n>", "bootstrap samples (default: as in A)", wholeNumber)
    .option("--seed <n>", "seed of the samples (default: as in A)", seedNumber)
    .option("--report <file>", "write FILE.html")
    .addHelpText(
      "after",
      `
Examples:
  villa compare evaluated-image evaluated-villa --report compared.html
  villa compare evaluated-image evaluated-villa --resamples 10000 --json`,
    );
  withCommonFlags(command).action((a: string, b: string, flags: CompareFlags) =>
    present(
      context,
      flags,
      async (onProgress) => {
        const { compareEvaluations } = await import("../evaluate/compare.ts");
        const { resamples, seed, report } = flags;
        const comparison = await compareEvaluations({ a, b, resamples, seed, onProgress, signal: context.signal });
        if (report !== undefined) await writePage(comparison, report);
        const { records, ...figures } = comparison;
        return { task: records.a.task, a: records.a.subject, b: records.b.subject, ...figures, report };
      },
      describe,
    ),
  );
};

async function writePage(comparison: Comparison, report: string): Promise<void> {
  const { atomicWriteFile, openDataset } = await import("@villa/data/node");
  const { renderComparison } = await import("../evaluate/compare-page.ts");
  const { datasetPictures } = await import("../evaluate/pictures.ts");
  const { dataset } = comparison.records.a.settings;
  // The dataset may have moved; the page does without pictures then.
  const opened = typeof dataset === "string" ? await openDataset(dataset).catch(() => undefined) : undefined;
  const pictures = opened && datasetPictures(opened);
  const finished = new Date().toISOString();
  await atomicWriteFile(report, await renderComparison(comparison, { pictures, finished }));
}

type Result = Omit<Comparison, "records"> & {
  readonly a: string;
  readonly b: string;
  readonly report?: string | undefined;
};

function describe({ a, b, differences, resamples, seed, parts, report }: Result): string {
  const signed = (value: number) => (Number.isFinite(value) ? `${value >= 0 ? "+" : ""}${value.toFixed(4)}` : "");
  const rows = Object.entries(differences).map(([name, each]) => [
    name,
    Number.isFinite(each.a) ? each.a.toFixed(4) : "",
    Number.isFinite(each.b) ? each.b.toFixed(4) : "",
    signed(each.difference.value),
    Number.isFinite(each.difference.low) ? `${signed(each.difference.low)} … ${signed(each.difference.high)}` : "",
    Number.isFinite(each.pValue) ? each.pValue.toFixed(3) : "",
  ]);
  const better = parts.list.filter((part) => part.b > part.a).length;
  const worse = parts.list.filter((part) => part.b < part.a).length;
  return [
    `A: ${a}`,
    `B: ${b}`,
    "",
    table([["", "A", "B", "B − A", "95 % interval", "p"], ...rows]),
    "",
    `Paired bootstrap, ${resamples} samples, seed ${seed}. ${parts.measure} of each ${parts.what}: B higher for ${better}, lower for ${worse} of ${parts.list.length}.`,
    ...(report === undefined ? [] : ["", report]),
  ].join("\n");
}
