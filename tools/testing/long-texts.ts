/** Pieces of text whose repetition makes careless patterns look at every end from every beginning. */
const pieces = [
  ...["partly ", "not ", "not be ", "quickly ", "no ", "a, ", "a and ", "not seen ", "edema ", "no edema ", "a: "],
  ...[
    "edema not seen ",
    "a, b and ",
    "resolved ",
    "has xly ",
    "no interval ",
    "unable to ",
    "red ",
    "but ",
    "there is ",
  ],
  ...[".", " ", "\t", "\n", "\n ", "1.", "1", "a'", "w/o ", "- ", "x", "n't", "no-", "\u0301", ". x", "?!", "’"],
];

/**
 * Texts of a megabyte of one awkward piece each, by the piece. What takes time in proportion to a text's length is done
 * with any of them in a moment; what takes its square runs into a test's time limit.
 */
export const longTexts: readonly (readonly [piece: string, text: string])[] = pieces.map((piece) => [
  JSON.stringify(piece),
  `${piece.repeat(Math.ceil(1_000_000 / piece.length))} edema`,
]);
