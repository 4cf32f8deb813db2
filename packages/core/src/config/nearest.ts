import { checkArgument } from "@villa/data";
/** Number of single-letter edits between two words. */
export function editDistance(a: string, b: string): number {
  checkArgument("a", a, "text");
  checkArgument("b", b, "text");

  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/**
 * The valid name that was most likely meant, or undefined when none is near. A dotted name is also found by its last part:
 * `temp` finds `loss.temp`.
 */
export function nearestName(wrong: string, valid: readonly string[]): string | undefined {
  checkArgument("wrong", wrong, "text");
  checkArgument("valid", valid, ["text"]);

  const plain = (name: string) => name.toLowerCase().replace(/[_-]/g, "");
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const name of valid) {
    const leaf = name.slice(name.lastIndexOf(".") + 1);
    const distance = Math.min(editDistance(plain(wrong), plain(name)), editDistance(plain(wrong), plain(leaf)) + 0.5);
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return bestDistance <= Math.max(2, wrong.length / 3) ? best : undefined;
}
