import { createHash } from "node:crypto";
import { type SentencedText, storedSentences } from "@villa/data";
import { style } from "./style.ts";

/** A piece of HTML; strings put into one are escaped. */
export class Markup {
  readonly html: string;
  constructor(html: string) {
    this.html = html;
  }
}

type Part = Markup | string | number | readonly Part[];

/** Template tag: texts are escaped, markup and lists of it go in as they are. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(strings.reduce((all, string, i) => all + render(parts[i - 1]!) + string));
}

/** HTML from a source that is known to be safe, such as a chart. */
export function trusted(source: string): Markup {
  return new Markup(source);
}

/** The text of a dataset's row as prose: "a red mug . a lid" becomes "a red mug. a lid." */
export function asProse(source: string | SentencedText): string {
  return storedSentences(source)
    .map((sentence) => `${sentence}.`)
    .join(" ");
}

function render(part: Part): string {
  if (part instanceof Markup) return part.html;
  if (Array.isArray(part)) return part.map(render).join("");
  return String(part).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/**
 * One page with everything in it: nothing is loaded from anywhere.
 *
 * @param options.script runs in the page; by default there is none, and the page forbids all
 */
export function selfContainedPage(
  title: string,
  body: readonly Markup[],
  { script }: { readonly script?: string | undefined } = {},
): string {
  const allowed = script === undefined ? "" : ` script-src 'sha256-${sha256(script)}';`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;${trusted(allowed)} style-src 'unsafe-inline'">
<title>${title}</title>
<style>${trusted(style)}</style>
</head>
<body><main>
${body}
</main>${script === undefined ? "" : trusted(`<script>${script}</script>`)}</body>
</html>
`.html;
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("base64");
