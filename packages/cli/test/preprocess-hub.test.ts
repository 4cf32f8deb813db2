import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeSafetensors } from "@villa/data";
import { readEmbeddingManifest } from "@villa/data/node";
import { glyphDigits } from "@villa/docmnist";
import { writeDataset } from "@villa/docmnist/node";
import { golden } from "@villa/testing";
import { namedTransformer } from "@villa/testing/transformer-weights";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { villa } from "./villa.ts";

const commits = ["1".repeat(40), "2".repeat(40)];
let head = 0;

const { cases } = golden().json<{
  cases: {
    kind: string;
    salt: string;
    files: Readonly<Record<string, unknown>>;
    shapes: Readonly<Record<string, readonly number[]>>;
  }[];
}>("encode.json");
const { salt, files, shapes } = cases.find(({ kind }) => kind === "siglip")!;
const weights = writeSafetensors(namedTransformer(salt, shapes));
const contents = new Map<string, Uint8Array>([
  ...Object.entries(files).map(([name, json]): [string, Uint8Array] => [name, Buffer.from(JSON.stringify(json))]),
  ["model.safetensors", weights],
]);

/** A hub with one model, whose branch moves on. */
const hub = createServer(({ url }, response) => {
  const bytes = contents.get(/\/resolve\/[^/]+\/(.+)$/.exec(url!)?.[1] ?? "");
  const common = { "x-repo-commit": commits[head]! };
  if (!bytes) return response.writeHead(404, { ...common, "x-error-code": "EntryNotFound" }).end();
  const etag = `"${createHash("sha256").update(bytes).digest("hex")}"`;
  return response.writeHead(200, { ...common, etag, "content-length": bytes.length }).end(bytes);
});

let root = "";
let dataDir = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "villa-preprocess-hub-"));
  await new Promise<void>((resolve) => hub.listen(0, "127.0.0.1", resolve));
  vi.stubEnv("HF_ENDPOINT", `http://127.0.0.1:${(hub.address() as AddressInfo).port}`);
  vi.stubEnv("HF_HOME", join(root, "hub"));
  vi.stubEnv("HF_HUB_CACHE", "");
  const written = await writeDataset({
    digits: { train: glyphDigits(1, 40), test: glyphDigits(2, 40) },
    seed: 3,
    out: root,
    attributeBudget: 60,
    valAttributeBudget: 20,
    targetSampleComplexity: 8,
  });
  dataDir = written.directory;
});
afterAll(async () => {
  vi.unstubAllEnvs();
  hub.closeAllConnections();
  hub.close();
  await rm(root, { recursive: true, force: true });
});

test("the manifest names family, revision, weights and the way of regions; another revision is refused", async () => {
  const preprocess = (encoder: string, ...flags: string[]) =>
    villa("preprocess", "--data-dir", dataDir, "--encoder", encoder, ...flags);
  const made = await preprocess("hf:acme/tiny", "--regions", "mask");
  expect(made.code, made.err).toBe(0);
  const { encoder } = (await readEmbeddingManifest(dataDir))!;
  expect(encoder).toMatchObject({
    name: "vit-siglip",
    dimension: 16,
    options: { regions: "mask", patch: 8 },
    weights: createHash("sha256").update(weights).digest("hex"),
    revision: commits[0],
  });

  head = 1;
  const other = await preprocess(`hf:acme/tiny@${commits[1]}`, "--regions", "mask");
  expect(other.code).not.toBe(0);
  expect(other.err).toMatch(/vit-siglip.*pass --overwrite/);
});
