import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { plainCpuBackend } from "@villa/core";
import { writeSafetensors } from "@villa/data";
import { golden } from "@villa/testing";
import { namedTransformer } from "@villa/testing/transformer-weights";
import { afterAll, beforeAll, expect, test } from "vitest";
import { joinEncoders } from "../src/index.ts";
import { openEncoder } from "../src/node.ts";

interface Case {
  readonly kind: string;
  readonly files: Readonly<Record<string, unknown>>;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
}

let folder: string;
beforeAll(async () => {
  await plainCpuBackend().activate();
  folder = await mkdtemp(join(tmpdir(), "villa-identity-"));
  const { cases } = golden().json<{ cases: Case[] }>("text_towers.json");
  const { files, shapes } = cases.find(({ kind }) => kind === "siglip")!;
  for (const [name, contents] of Object.entries(files)) await writeFile(join(folder, name), JSON.stringify(contents));
  await write("first", shapes);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let written: Case["shapes"] = {};
async function write(salt: string, shapes: Case["shapes"]): Promise<void> {
  written = shapes;
  await writeFile(join(folder, "model.safetensors"), writeSafetensors(namedTransformer(salt, shapes)));
}

async function optionsWith(textEncoder: string) {
  const { image, text, textIdentity } = await openEncoder("pixels", { textEncoder, dimension: 28 });
  const encoder = joinEncoders(image, text!, { textIdentity });
  const [options, rows] = [encoder.options, await encoder.encodeText(["a red circle"])];
  encoder.dispose();
  return { options, rows };
}

test("embeddings of two text encoders do not pass for one another", async () => {
  const auto = await optionsWith("auto");
  expect(auto.options).not.toHaveProperty("text");
  expect((await optionsWith("hashed")).options).toEqual(auto.options);
  const first = await optionsWith(folder);
  expect(first.options).toMatchObject({ text: "siglip-text", textWeights: expect.stringMatching(/^[0-9a-f]{64}$/) });
  expect(first.rows).toHaveLength(28);
  await write("second", written);
  const second = await optionsWith(folder);
  expect(second.rows).not.toEqual(first.rows);
  expect(second.options.textWeights).not.toBe(first.options.textWeights);
});
