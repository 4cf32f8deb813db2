import { mergesBase64 } from "./merges.ts";

/** Token that begins every sequence. */
export const startOfText = 49_406;
/** Token that ends every sequence; the text embedding is read at its position. */
export const endOfText = 49_407;

const firstMergedToken = 512;

/** CLIP's vocabulary: 256 bytes, the same 256 ending a word, 48 894 merges in order of rank, and two special tokens. */
export interface Vocabulary {
  /** [256] token id of a byte inside a word; + 256 for a byte that ends one. */
  readonly tokenOfByte: Uint16Array;
  /** `left * 65536 + right` → merged token. Merged ids ascend with rank, so the smallest id is the first merge to do. */
  readonly merges: ReadonlyMap<number, number>;
  /** The bytes a token stands for (specials: none). */
  bytesOf(token: number): readonly number[];
  /** True for a token at the end of a word. */
  endsWord(token: number): boolean;
}

/** The vocabulary, decoded on first use (about 10 ms) and shared from then on. */
export function clipVocabulary(): Vocabulary {
  shared ??= decodeVocabulary();
  return shared;
}

let shared: Vocabulary | undefined;

function decodeVocabulary(): Vocabulary {
  const bytes = Uint8Array.from(atob(mergesBase64), (char) => char.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const count = bytes.length / 4;
  const left = (rank: number) => view.getUint16(2 * rank, true);
  const right = (rank: number) => view.getUint16(2 * (count + rank), true);

  const tokenOfByte = byteTokens();
  const byteOfToken = new Uint8Array(256);
  tokenOfByte.forEach((token, byte) => {
    byteOfToken[token] = byte;
  });
  const merges = new Map<number, number>();
  for (let rank = 0; rank < count; rank++) merges.set(left(rank) * 65_536 + right(rank), firstMergedToken + rank);

  const bytesOf = (token: number): number[] => {
    if (token < firstMergedToken) return [byteOfToken[token & 255]!];
    if (token >= startOfText) return [];
    return [...bytesOf(left(token - firstMergedToken)), ...bytesOf(right(token - firstMergedToken))];
  };
  const endsWord = (token: number): boolean =>
    token < firstMergedToken ? token >= 256 : token < startOfText && endsWord(right(token - firstMergedToken));
  return { tokenOfByte, merges, bytesOf, endsWord };
}

/** CLIP numbers the bytes that print in Latin-1 first, then the others. */
function byteTokens(): Uint16Array {
  const prints = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const tokens = new Uint16Array(256);
  [...bytes.filter(prints), ...bytes.filter((byte) => !prints(byte))].forEach((byte, token) => {
    tokens[byte] = token;
  });
  return tokens;
}
