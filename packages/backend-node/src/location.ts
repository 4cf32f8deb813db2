import { pathToFileURL } from "node:url";

/** URL of the file this code runs from: a source file in tests, a file of dist/ once built (where the two formats differ). */
export function ownUrl(metaUrl: string | undefined): string {
  return metaUrl ?? pathToFileURL(__filename).href;
}

/** True when running from TypeScript sources. */
export function isSource(url: string): boolean {
  return url.endsWith(".ts");
}
