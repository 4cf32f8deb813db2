import { golden, type Summary } from "@villa/testing";
import { namedTransformer } from "@villa/testing/transformer-weights";
import { memoryWeights } from "../src/files.ts";
import type { EncoderFiles } from "../src/index.ts";

/** A text tower's golden values. */
export interface TextCase {
  readonly kind: string;
  readonly salt: string;
  /** Contents of the folder's JSON files. */
  readonly files: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly texts: readonly string[];
  readonly tokens: readonly (readonly number[])[];
  readonly features: readonly Summary[];
  readonly training: {
    /** How many of the texts are trained on. */
    readonly texts: number;
    readonly losses: readonly number[];
    readonly gradients: Readonly<Record<string, Summary>>;
    readonly weights: Readonly<Record<string, Summary>>;
  };
}

const { json } = golden();
export const textCases = ["text_towers.json", "open_clip_text.json"].flatMap(
  (name) => json<{ cases: TextCase[] }>(name).cases,
);
export function textFiles({ kind, salt, shapes, files }: TextCase): EncoderFiles {
  return {
    label: kind,
    weights: memoryWeights(namedTransformer(salt, shapes)),
    json: async (name) => files[name],
    path: () => undefined,
  };
}
