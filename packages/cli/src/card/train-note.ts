import type { IngestSummary } from "@villa/ingest/node";

/** Names that are listed; a vocabulary may have thousands. */
const mostNamed = 20;

/** What the train split lacks, as a sentence; undefined when it has everything. */
export function trainNote({ splits, neverSeen }: Pick<IngestSummary, "splits" | "neverSeen">): string | undefined {
  if (!splits.some(({ split }) => split === "train")) {
    return 'No image is in the split "train", so nothing can be learned: few rows, few groups, or other names of splits.';
  }
  if (neverSeen.length === 0) return undefined;
  const named = neverSeen.slice(0, mostNamed).map((name) => `"${name}"`);
  const more = neverSeen.length > mostNamed ? ` and ${neverSeen.length - mostNamed} more` : "";
  return `No image of the train split has ${named.join(", ")}${more}; nothing can be learned about that.`;
}
