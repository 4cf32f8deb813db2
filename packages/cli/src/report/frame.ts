import { html, type Markup, trusted } from "./markup.ts";
import { style } from "./style.ts";

/** One page with everything in it: no scripts, nothing loaded from anywhere. */
export function selfContainedPage(title: string, body: readonly Markup[]): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${trusted(style)}</style>
</head>
<body><main>
${body}
</main></body>
</html>
`.html;
}

/** "2026-11-24T03:45:10.123Z" → "2026-11-24 03:45" */
export const minute = (time: string): string => time.slice(0, 16).replace("T", " ");
