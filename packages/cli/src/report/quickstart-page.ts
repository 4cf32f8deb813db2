import { duration, percent } from "@villa/command-kit";
import type { ReportData, ReportPictures } from "./data.ts";
import { dataTable, html, type Markup, minute, selfContainedPage } from "./html.ts";
import { mappingSection } from "./mapping-section.ts";
import { vlmSection } from "./vlm-section.ts";

/** The report of a quickstart. */
export function renderReport(data: ReportData, pictures: ReportPictures): string {
  return selfContainedPage("ViLLA quickstart", [
    headSection(data),
    dataSection(data, pictures),
    mappingSection(data, pictures),
    vlmSection(data),
    ranSection(data),
    goingOnSection(data),
    html`<footer>Written by <code>villa quickstart</code> on ${minute(data.finished)} UTC. The figures are in <code>quickstart.json</code> beside this page.</footer>`,
  ]);
}

function headSection({ stage1, models, seconds }: ReportData): Markup {
  const test = stage1.splits.find(({ split }) => split === "test")?.report;
  const retrieval = (pairs: "mapping" | "image") =>
    `${percent(models.find((model) => model.pairs === pairs)?.evaluation.textToRegion.rPrecision ?? 0)} %`;
  const figures = [
    [test ? `${percent(test.f1)} %` : "–", "F1 of the region–attribute mapping on held-out images"],
    [retrieval("mapping"), "retrieval R-Precision, trained on mapped regions"],
    [retrieval("image"), "the same model trained on whole image–text pairs"],
    [duration(seconds), "for the whole pipeline on this machine"],
  ] as const;
  return html`<header>
<h1>ViLLA, from pictures to a vision-language model</h1>
<p class="lead">A picture with many parts and a text about all of them: nobody says which sentence belongs where. ViLLA first learns to map sentences to regions, then trains a vision-language model on those pairs. This page shows a small run of both stages.</p>
<div class="figures">${figures.map(([value, what]) => html`<div><b>${value}</b><span>${what}</span></div>`)}</div>
</header>`;
}

function dataSection({ splits, digits, attributeGroups, seed }: ReportData, { samples }: ReportPictures): Markup {
  return html`<section id="data"><h2>The data: DocMNIST</h2>
<p>Every image holds up to nine regions. Each region has a digit and a colour, and may have a shape of a small, medium or large size; the text names all attributes in any order. This set was built from ${digits}, seed ${seed}.</p>
${dataTable(
  ["split", "images", "region–attribute pairs per image"],
  splits.map(({ split, images, complexity }) => [split, images.toLocaleString("en"), complexity.toFixed(1)]),
)}
<div class="samples">${samples.map(
    ({ png, text, regions }) =>
      html`<figure><img src="${png}" alt="A DocMNIST image with ${regions} boxed regions"><figcaption>${sentences(text)}</figcaption></figure>`,
  )}</div>
<p class="soft">The attributes are ${attributeGroups.map(({ name, attributes }, i) => `${i > 0 ? "; " : ""}${name}: ${attributes.join(", ")}`)}.</p>
</section>`;
}

/** A full stop stays on the line of its sentence. */
const sentences = (text: string): string => text.replaceAll(" . ", "\u00a0. ");

function ranSection({ steps, seconds, machine, parameters, dimension }: ReportData): Markup {
  return html`<section id="ran"><h2>What ran where, and for how long</h2>
<div class="wide">${dataTable(
    ["step", "on", "seconds"],
    [...steps.map(({ name, where, seconds: own }) => [name, where, own.toFixed(1)]), ["Total", "", seconds.toFixed(1)]],
  )}</div>
<p class="soft">Region embeddings have ${dimension} dimensions; the trained image tower has ${parameters.toLocaleString("en")} parameters.</p>
<div class="wide">${dataTable(
    ["machine", ""],
    machine.map(([name, value]) => [name, value]),
  )}</div>
</section>`;
}

function goingOnSection({ dataset }: ReportData): Markup {
  return html`<section id="going-on"><h2>Next steps</h2>
<p>The quickstart stands in for CLIP with a fixed random projection of pixels, and trains a tiny tower from random weights. With real digits and CLIP's weights, at the size of the paper (<code>npm i -g @villa/cli</code> installs <code>villa</code>; in a clone, write <code>npm run -s villa --</code> for it):</p>
<pre tabindex="0"><code># MNIST is downloaded once and kept in the cache
villa docmnist generate --attribute-budget 30000 --target-sample-complexity 16 \\
  --test-attribute-budget 10000 --digits mnist --out data
# CLIP RN50 is downloaded once; --weights RN50.pt takes a file you have
villa preprocess --data-dir data/docmnist_30000_15.2
villa stage1 experiment=docmnist_stage1 data_dir=data/docmnist_30000_15.2
villa stage2 experiment=docmnist_stage2 data_dir=data/docmnist_30000_15.2 model.weights=RN50.pt
villa evaluate --data-dir data/docmnist_30000_15.2 \\
  --checkpoint checkpoints/docmnist_stage2/best.safetensors</code></pre>
<p>Or play with what this run made:</p>
<pre tabindex="0"><code>villa map ${quoted(`data_dir=${dataset}`)} epsilon=0.05,0.1,0.2 \\
  task_name=stage1 ${quoted(`checkpoint_dir=${checkpointsOf(dataset)}`)}
villa visualize ${quoted(dataset)} \\
  --mapping ${quoted(`${dataset}/mapping_test.feather`)} --out mapped.html
villa query --data-dir ${quoted(dataset)} --text "a red seven" --out found.html \\
  --checkpoint ${quoted(`${checkpointsOf(dataset)}/stage2_mapping/best.safetensors`)}</code></pre>
<p><code>villa doctor</code> tells which backends this machine has and how to get a faster one; <code>villa --help</code> lists every command.</p>
</section>`;
}

const checkpointsOf = (dataset: string): string => dataset.replace(/[^\\/]+$/, "checkpoints");

/** For a shell. */
const quoted = (word: string): string => (/[^\w@%+=:,./\\-]/.test(word) ? `"${word}"` : word);
