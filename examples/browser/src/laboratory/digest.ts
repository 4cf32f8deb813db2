/** How much is in memory at a time. */
const part = 2 ** 24;

/**
 * sha256 of the sha256 of each 16 MiB: the same for the same contents, and files of any size fit. Hexadecimal.
 *
 * @param contents each is asked for when the one before is done, so that they need not be in memory together
 */
export async function digestOf(
  contents: Iterable<Blob | Uint8Array> | AsyncIterable<Blob | Uint8Array>,
): Promise<string> {
  const digests: Uint8Array<ArrayBuffer>[] = [];
  for await (const each of contents) {
    const blob = each instanceof Blob ? each : new Blob([each as Uint8Array<ArrayBuffer>]);
    for (let at = 0; at < blob.size || at === 0; at += part) {
      digests.push(await sha256(await blob.slice(at, at + part).arrayBuffer()));
    }
  }
  const all = await sha256(await new Blob(digests).arrayBuffer());
  return [...all].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function sha256(bytes: ArrayBuffer): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
