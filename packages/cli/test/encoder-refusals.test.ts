// What can be wrong with an encoder, through the command: each is one sentence that says what to do.
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodePng, type TensorData, writeSafetensors } from "@villa/data";
import { fixturesDirectory } from "@villa/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { villa } from "./villa.ts";

const folder = mkdtempSync(join(tmpdir(), "villa-refusals-"));
const fixture = (name: string) => join(fixturesDirectory, "onnx", name);
const png = join(folder, "picture.png");
let server: Server;
const kept = { HF_ENDPOINT: process.env.HF_ENDPOINT, HF_HOME: process.env.HF_HOME };

beforeAll(async () => {
  writeFileSync(png, encodePng({ width: 40, height: 5, data: new Uint8Array(4 * 40 * 5).fill(200) }));
  server = createServer(({ url, method }, response) => {
    if (url!.includes("gated")) return response.writeHead(401, { "x-error-code": "GatedRepo" }).end();
    const known = { "x-repo-commit": "0123456789abcdef" };
    if (!url!.endsWith("model.safetensors")) {
      return response.writeHead(404, { ...known, "x-error-code": "EntryNotFound" }).end();
    }
    response.writeHead(200, { ...known, etag: `"${"0".repeat(64)}"`, "content-length": 100_000 });
    if (method === "HEAD") return response.end();
    return response.write(new Uint8Array(5000), () => setTimeout(() => response.destroy(), 20));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  process.env.HF_ENDPOINT = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  process.env.HF_HOME = join(folder, "hub");
});
afterAll(() => {
  for (const [name, value] of Object.entries(kept)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The sentence with which encoding is refused. */
async function refusal(encoder: string, ...flags: string[]): Promise<string> {
  const { code, err } = await villa("encode", "--encoder", encoder, ...flags);
  expect(code).not.toBe(0);
  return err;
}

/** A folder with weights of one tensor, and a configuration. */
function write(name: string, tensor: string, config: object): string {
  const path = join(folder, name);
  mkdirSync(path);
  const data: TensorData = { dtype: "float32", shape: [2], data: Float32Array.of(1, 2) };
  writeFileSync(join(path, "part.safetensors"), writeSafetensors(new Map([[tensor, data]])));
  copyFileSync(join(path, "part.safetensors"), join(path, "model.safetensors"));
  writeFileSync(join(path, "config.json"), JSON.stringify(config));
  return path;
}

test("an unknown architecture: what was found and what is supported", async () => {
  const path = write("unknown", "resnet.embedder.weight", { architectures: ["ResNetForImageClassification"] });
  expect(await refusal(path, "--image", png)).toMatch(
    /found architecture ResNetForImageClassification; tensors resnet\.embedder\.weight.*Supported are clip-resnet, vit, onnx/,
  );
});

test("float16 weights elsewhere than on webgpu, and of an encoder without weights: to leave it out", async () => {
  const flags = ["--image", png, "--storage", "float16", "--backend", "cpu"];
  expect(await refusal("pixels", ...flags)).toMatch(/image encoder "pixels" has no frozen weights.*leave storage out/);
  expect(await refusal(fixture("siglip"), ...flags)).toMatch(/image encoder "onnx" has no frozen weights/);
});

test("a missing shard: its name", async () => {
  const path = write("sharded", "a", {});
  rmSync(join(path, "model.safetensors"));
  const index = { weight_map: { a: "part.safetensors", b: "part-2.safetensors" } };
  writeFileSync(join(path, "model.safetensors.index.json"), JSON.stringify(index));
  expect(await refusal(path, "--image", png)).toMatch(
    /incomplete: .*part-2\.safetensors, which holds 1 of 2 tensors, is missing/,
  );
});

test("a tokenizer that does not fit the text tower: both sizes", async () => {
  const path = join(folder, "tokens");
  cpSync(fixture("siglip"), path, { recursive: true });
  copyFileSync(join(fixture("clip"), "tokenizer.json"), join(path, "tokenizer.json"));
  expect(await refusal(path, "--text", "a red mug")).toMatch(/has 604 tokens but its text tower \d+/);
});

test("an image smaller than a patch, and an ONNX model without patch tokens", async () => {
  const box = ["--image", png, "--box", "0,0,4,4"];
  expect(await refusal(fixture("siglip"), ...box)).toMatch(/40 × 5 pixels.*sides of at least 8 pixels/);
  const tall = join(folder, "tall.png");
  writeFileSync(tall, encodePng({ width: 40, height: 40, data: new Uint8Array(4 * 40 * 40).fill(200) }));
  expect(await refusal(fixture("clip"), "--image", tall, "--box", "0,0,20,20")).toMatch(
    /patch tokens that are not in the space of its vectors.*use crop/,
  );
});

test("a gated model, a cut download, no network: what to do", async () => {
  expect(await refusal("hf:acme/gated", "--image", png)).toMatch(/gated or private.*\(401\).*set HF_TOKEN/);
  expect(await refusal("hf:acme/cut", "--image", png)).toMatch(
    /Cannot download model\.safetensors of acme\/cut.*it goes on where it stopped/,
  );
  process.env.HF_ENDPOINT = "http://127.0.0.1:9";
  expect(await refusal("hf:acme/none", "--image", png)).toMatch(/Cannot reach http:\/\/127\.0\.0\.1:9.*HF_ENDPOINT/);
});
