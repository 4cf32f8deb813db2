import { VillaError } from "@villa/data";

/** Text in, token ids out, as one text tower wants them. */
export interface TextTokenizer {
  /** Largest id it can give, plus one. */
  readonly vocabularySize: number;
  /** Longest sequence it gives. */
  readonly contextLength: number;
  /** The id that rows are filled up with. */
  readonly fill: number;
  /** Ids with start and end tokens, without filling. Longer texts are cut and keep the end token. */
  encode(text: string): number[];
}

/** What a tower says about the tokens it takes. */
export interface TokenSizes {
  /** Undefined where the files do not say it. */
  readonly vocabularySize: number | undefined;
  readonly contextLength: number;
}

/**
 * Refuses a tokenizer whose ids the tower has no embeddings for, or whose vocabulary is so much smaller that it must be
 * another model's. Towers often have a few rows more than there are tokens, up to a round number.
 *
 * @throws VillaError `Mismatch`
 */
export function checkTokenizer(
  tokenizer: TextTokenizer,
  { tower, label }: { readonly tower: TokenSizes; readonly label: string },
): void {
  const spare = 128 + 0.05 * tokenizer.vocabularySize;
  const excess = (tower.vocabularySize ?? tokenizer.vocabularySize) - tokenizer.vocabularySize;
  if (excess < 0 || excess > spare) {
    throw new VillaError(
      "Mismatch",
      `The tokenizer of ${label} has ${tokenizer.vocabularySize} tokens but its text tower ${tower.vocabularySize}; put the tokenizer.json of the same model beside the weights.`,
    );
  }
  if (tokenizer.contextLength > tower.contextLength) {
    throw new VillaError(
      "Mismatch",
      `The tokenizer of ${label} gives up to ${tokenizer.contextLength} tokens but its text tower takes ${tower.contextLength}.`,
    );
  }
}
