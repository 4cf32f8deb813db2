import {
  anyNumber,
  type CommonFlags,
  counted,
  listed,
  present,
  type RegisterCommand,
  table,
  wholeNumber,
  withCommonFlags,
} from "@villa/command-kit";
import type { RegionOptions } from "@villa/encoders";
import type { Command } from "commander";
import type { QueryHit } from "../retrieval/query.ts";
import { regionsOption, unusedMasksNote } from "./encoder-options.ts";
import { onBackend, type RuntimeFlags, withRuntimeFlags } from "./runtime.ts";

interface RetrievalFlags extends CommonFlags, RuntimeFlags {
  readonly checkpoint: string;
  readonly split?: string | undefined;
  readonly weights?: string | undefined;
}

interface QueryFlags extends RetrievalFlags {
  readonly dataDir?: string | undefined;
  readonly text?: string | undefined;
  readonly image?: string | undefined;
  readonly regions?: string | undefined;
  readonly top: number;
  readonly perImage?: boolean | undefined;
  readonly out?: string | undefined;
}

interface AnnotateFlags extends RetrievalFlags {
  readonly dataDir: string;
  readonly out: string;
  readonly regions?: RegionOptions["regions"];
  readonly top: number;
  readonly minScore?: number | undefined;
  readonly pictures: number;
}

/** `villa query` finds regions, `villa annotate` says what each region shows. */
export const registerQuery: RegisterCommand = (program, context) => {
  const query = program
    .command("query")
    .description("find the regions that fit a text or a picture best")
    .option("--data-dir <folder>", "the dataset whose regions are ranked")
    .option("--text <text>", "what to look for")
    .option("--image <file>", "with --text: where in this picture; alone: regions of the dataset that look like it")
    .option(
      "--regions <rule>",
      "with --image and --text: how the picture is divided, full or grid:3x3 (default: grid:3x3); else how the dataset's regions are embedded, roi-align, crop or mask (default: as the checkpoint was trained, else roi-align)",
    )
    .option("--top <n>", "number of answers", wholeNumber, 10)
    .option("--per-image", "only the best region of each image")
    .option("--out <file>", "draw the answers into FILE.png or FILE.html")
    .addHelpText(
      "after",
      `
Examples:
  villa query --checkpoint checkpoints/products/best.safetensors --data-dir data/products --text "a red mug" --out mugs.html
  villa query --checkpoint checkpoints/products/best.safetensors --image shelf.jpg --text "a red mug" --regions grid:4x3`,
    );
  withRetrievalFlags(query).action((flags: QueryFlags) =>
    present(
      context,
      flags,
      (onProgress) =>
        onBackend({ ...flags, terminal: context.terminal }, async () => {
          const { query: ask } = await import("../retrieval/query.ts");
          const { checkHitsPath, writeHits } = await import("../retrieval/hit-pictures.ts");
          if (flags.out !== undefined) checkHitsPath(flags.out);
          const result = await ask({ ...flags, onProgress, signal: context.signal });
          if (flags.out !== undefined)
            await writeHits(flags.out, { question: flags.text ?? `like ${flags.image}`, result });
          const { hits, unknownWords, unusedMasks, attributes } = result;
          return { hits, unknownWords, unusedMasks, attributes, out: flags.out };
        }),
      ({ hits, unknownWords, unusedMasks, attributes, out }) =>
        [
          describeHits(hits),
          ...(attributes ? ["", `Ranked by ${listed(attributes)}, the attributes that the question names.`] : []),
          ...(unknownWords.length > 0
            ? [
                "",
                `No text of the dataset contains ${quoted(unknownWords)}, so this model cannot know what that looks like.`,
              ]
            : []),
          ...(unusedMasks > 0 ? ["", ...unusedMasksNote(unusedMasks, "--regions mask")] : []),
          ...(out === undefined ? [] : ["", out]),
        ].join("\n"),
    ),
  );

  const annotate = program
    .command("annotate")
    .description("write the best attributes of every region of a dataset")
    .requiredOption("--data-dir <folder>", "the dataset")
    .requiredOption("--out <file>", "FILE.jsonl, FILE.csv, FILE.json (COCO), or FILE.html: a page for corrections")
    .addOption(regionsOption("how regions are embedded"))
    .option("--top <n>", "attributes written for each region", wholeNumber, 3)
    .option("--pictures <n>", "images on a page for corrections", wholeNumber, 24)
    .option("--min-score <number>", "leave out attributes whose score is below this", anyNumber)
    .addHelpText(
      "after",
      `
Examples:
  villa annotate --checkpoint checkpoints/products/best.safetensors --data-dir data/products --out regions.jsonl
  villa annotate --checkpoint checkpoints/products_mapping --data-dir data/products --split val --out correct.html`,
    );
  withRetrievalFlags(annotate).action((flags: AnnotateFlags) =>
    present(
      context,
      flags,
      (onProgress) =>
        onBackend({ ...flags, terminal: context.terminal }, async () => {
          const { writeAnnotationFile } = await import("../retrieval/annotation-files.ts");
          return { ...(await writeAnnotationFile({ ...flags, onProgress, signal: context.signal })), out: flags.out };
        }),
      ({ images, regions, unusedMasks, out }) =>
        [
          `${counted(regions, "region")} of ${counted(images, "image")} in ${out}`,
          ...unusedMasksNote(unusedMasks, "--regions mask"),
        ].join("\n"),
    ),
  );
};

function withRetrievalFlags(command: Command): Command {
  command
    .requiredOption(
      "--checkpoint <path>",
      "a checkpoint of stage2, a model's folder or weights (zero-shot), or a run's folder of stage1",
    )
    .option("--split <name>", "which images (default: all)")
    .option("--weights <file>", "CLIP weights of the text side, when they have moved");
  return withCommonFlags(withRuntimeFlags(command));
}

const quoted = (words: readonly string[]): string => words.map((word) => `"${word}"`).join(", ");

function describeHits(hits: readonly QueryHit[]): string {
  const hasText = hits.some(({ text }) => text !== undefined);
  const rows = hits.map(({ rank, score, imageId, source, box, text = "" }) => [
    ...[rank, score.toFixed(4), source ?? `image ${imageId}`, box.join(" ")],
    ...(hasText ? [text.length > 60 ? `${text.slice(0, 59)}…` : text] : []),
  ]);
  return table([["rank", "score", "image", "box", ...(hasText ? ["text"] : [])], ...rows]);
}
