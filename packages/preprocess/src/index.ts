export { cleanText } from "./tokenizer/cleanText.ts";
export { ClipTokenizer, type TokenBatch } from "./tokenizer/tokenizer.ts";
export { endOfText, startOfText } from "./tokenizer/vocabulary.ts";
