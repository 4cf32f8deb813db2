// Results as pages, made by the commands themselves while the site is built, from nothing but what the repository has.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

/** A result: the commands after those before it, the page that the last one writes, and what to see on it. */
interface Exhibit {
  readonly title: string;
  readonly about: string;
  readonly commands: readonly string[];
  /** Written by the commands, relative to the folder in which they run. */
  readonly page: string;
}

const model = (pairs: string): string => `--checkpoint quickstart/checkpoints/stage2_${pairs}/best.safetensors`;
const detection =
  "villa evaluate --task detection --data-dir quickstart/docmnist --classes digit --proposals pyramid:3:0.1 --resamples 200";

export const exhibits: readonly Exhibit[] = [
  {
    title: "The whole pipeline",
    about:
      "What `villa quickstart` ends in: samples, mapped regions right and wrong, losses, retrieval against the usual one-to-one training, what ran where and for how long.",
    commands: ["villa quickstart --digits glyphs --out quickstart"],
    page: "quickstart/report.html",
  },
  {
    title: "A data card",
    about:
      "What `villa ingest` found in a table and a folder of pictures: counts, complexity, attributes, examples. The shop's catalogue is drawn by [an example](/catalogue).",
    commands: [
      "node --import tsx examples/custom-dataset/make-catalogue.ts catalogue 150",
      "villa ingest --images catalogue/photos --table catalogue/catalogue.jsonl --attributes catalogue/attributes.json --out data/catalogue",
    ],
    page: "data/catalogue/card.html",
  },
  {
    title: "A mapping",
    about: "Stage 1 on that catalogue: losses, precision against recall, each attribute, confusions.",
    commands: [
      "villa preprocess --data-dir data/catalogue --encoder pixels --dimension 128",
      "villa stage1 data_dir=data/catalogue task_name=mapping epochs=20 batch_size=16 mapping.epsilon=auto",
    ],
    page: "checkpoints/mapping/report.html",
  },
  {
    title: "A detection evaluation",
    about:
      "The quickstart's model as a detector of digits, with COCO's numbers, intervals, curves, and its mistakes by kind. It is small and was trained for a minute: see what the page shows, not how good it is.",
    commands: [`${detection} ${model("mapping")} --out detected`],
    page: "detected/evaluation.html",
  },
  {
    title: "Two models compared",
    about:
      "The same model against one that was trained on whole images with whole texts, on the same samples: every difference with its interval, and where they differ most.",
    commands: [
      `${detection} ${model("image")} --out detected-image`,
      "villa compare detected-image detected --report compared.html",
    ],
    page: "compared.html",
  },
];

/** File of an exhibit's page below `gallery/`. */
const fileOf = ({ title }: Exhibit): string => `${title.toLowerCase().replaceAll(" ", "-")}.html`;

/**
 * Runs the commands and keeps their pages.
 *
 * @param folder the site's static files; the pages go into `gallery/` there
 */
export function makeExhibits(folder: string): void {
  const work = mkdtempSync(join(tmpdir(), "villa-gallery-"));
  mkdirSync(join(folder, "gallery"), { recursive: true });
  try {
    for (const exhibit of exhibits) {
      for (const command of exhibit.commands) run(command, work);
      cpSync(join(work, exhibit.page), join(folder, "gallery", fileOf(exhibit)));
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function run(command: string, cwd: string): void {
  const [program, ...words] = command.split(" ");
  const [script, ...rest] =
    program === "villa" ? ["scripts/villa.mjs", ...words] : words.filter((word) => !["--import", "tsx"].includes(word));
  const argv = program === "villa" ? [] : ["--import", import.meta.resolve("tsx"), "--conditions=@villa/source"];
  execFileSync(process.execPath, [...argv, join(root, script!), ...rest], {
    cwd,
    // villa.mjs runs where the user stands.
    env: { ...process.env, INIT_CWD: cwd },
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/** The Markdown page that leads to the exhibits that were made. */
export function galleryPage(folder: string): string {
  const shown = exhibits.map((exhibit) => {
    const size = statSync(join(folder, "gallery", fileOf(exhibit)), { throwIfNoEntry: false })?.size;
    const address = `./gallery/${fileOf(exhibit)}`;
    const commands = `\`\`\`sh\n${exhibit.commands.join("\n")}\n\`\`\``;
    const view =
      size === undefined
        ? "This copy of the site was built without the page itself."
        : `<p><a href="${address}" target="_self">Open the page</a> (${(size / 1000).toFixed(0)} kB)</p>\n<iframe class="exhibit" src="${address}" title="${exhibit.title}" loading="lazy"></iframe>`;
    return `## ${exhibit.title}\n\n${exhibit.about}\n\n${commands}\n\n${view}\n`;
  });
  return `---
title: Gallery
---

# Gallery

What the commands leave behind, as they left it: each page below was written by the commands above it while this site was built, on the CPU that built it. They are single files that load nothing, to be sent to a colleague as they are.

${shown.join("\n")}
## Retrieval against complexity

The paper's main figure, made by \`villa experiment complexity\`: [how it was made, and the numbers](/complexity).

![Retrieval of one-to-one training, ViLLA and an oracle against sample complexity](/images/complexity.svg)
`;
}

/** Writes the page. @param content the site's pages */
export function writeGallery(content: string): void {
  writeFileSync(join(content, "gallery.md"), galleryPage(join(content, "public")));
}
