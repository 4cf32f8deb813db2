import { dataTable, html, type Markup, minute, selfContainedPage } from "../report/html.ts";
import type { EvaluationRecord, RecordedNumber } from "./record.ts";

/** The page of an evaluation: its numbers with intervals, what the task shows, and how to repeat it. */
export function renderEvaluation(record: EvaluationRecord, sections: readonly Markup[]): string {
  const { task, subject, numbers, bootstrap, warnings, finished, items } = record;
  const entries = Object.entries(numbers);
  return selfContainedPage(`villa evaluate: ${task}`, [
    html`<header><h1>${titles[task] ?? task}</h1><p class="lead">${subject}, on ${items.ids.length.toLocaleString("en")} images.</p>
<div class="figures">${entries
      .filter(([, { value }]) => value !== null && value >= 0)
      .slice(0, 4)
      .map(
        ([name, number]) => html`<div><b>${fraction(number.value)}</b><span>${name}${interval(number)}</span></div>`,
      )}</div></header>
${warnings.map((warning) => html`<p class="card" style="margin-top:14px"><b>Mind:</b> ${warning}</p>`)}
<section><h2>The numbers</h2>${numberTable(record)}
<p class="soft">${howSampled(bootstrap)}</p></section>
${sections}
${repeatSection(record)}
<footer>Written by <code>villa evaluate</code> on ${minute(finished)} UTC.</footer>`,
  ]);
}

const titles: Readonly<Record<string, string>> = {
  detection: "What was found, and what was not",
  classification: "Which class is it",
  grounding: "Where is it",
  retrieval: "Which region, which attribute",
  "fine-grained": "Which of two descriptions is true",
};

function numberTable({ numbers, bootstrap }: EvaluationRecord): Markup {
  const hasChance = Object.values(numbers).some(({ chance }) => chance !== null);
  const hasInterval = bootstrap.resamples > 0;
  const rows = Object.entries(numbers).map(([name, { value, low, high, chance }]) => [
    name,
    fraction(value),
    ...(hasInterval ? [low === null || high === null ? "" : `${fraction(low)} – ${fraction(high)}`] : []),
    ...(hasChance ? [fraction(chance)] : []),
  ]);
  return dataTable(
    ["", "value", ...(hasInterval ? [`${100 * bootstrap.level} % interval`] : []), ...(hasChance ? ["by chance"] : [])],
    rows,
  );
}

function howSampled({ resamples, over, seed, level }: EvaluationRecord["bootstrap"]): string {
  if (resamples === 0) return "Fractions; no intervals were asked for.";
  return `Fractions. Intervals hold ${100 * level} % of ${resamples.toLocaleString("en")} bootstrap samples of the ${over}, seed ${seed}.`;
}

/** How to repeat the numbers. */
function repeatSection({ inputs, settings, villa }: EvaluationRecord): Markup {
  const rows = [
    ["villa", villa],
    ...inputs.map(({ role, path, sha256 }) => [role, `${path.split(/[\\/]/).at(-1)} · sha256 ${sha256.slice(0, 16)}…`]),
    ...Object.entries(settings)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, shortened(JSON.stringify(value))]),
  ];
  return html`<section><h2>To repeat this</h2><div class="wide">${dataTable(["", ""], rows as string[][])}</div><p class="soft">In full in <code>evaluation.json</code>.</p></section>`;
}

const shortened = (text: string): string => (text.length > 120 ? `${text.slice(0, 119)}…` : text);

/** A fraction with three decimals; COCO's -1 as it is. */
export function fraction(value: number | null): string {
  if (value === null) return "–";
  return value === -1 ? "-1" : value.toFixed(3);
}

function interval({ low, high }: RecordedNumber): string {
  return low === null || high === null ? "" : `, ${fraction(low)} to ${fraction(high)}`;
}
