import { VillaError } from "../../errors.ts";

/** What a Python literal can be here. Tuples and lists are arrays; `Map` keeps a dict's order. */
export type PythonLiteral = string | number | boolean | null | PythonLiteral[] | Map<PythonLiteral, PythonLiteral>;

const deepest = 16;
const escapes = new Map(Object.entries({ n: "\n", t: "\t", r: "\r", "\\": "\\", "'": "'", '"': '"' }));

/**
 * Reads a Python literal as `ast.literal_eval` does: strings in either kind of quotes, whole numbers (`3L` too), True,
 * False, None, tuples, lists and dicts, with any white space.
 *
 * @throws VillaError `InvalidFile` for anything else
 */
export function parsePythonLiteral(text: string): PythonLiteral {
  return new Parser(text).parse();
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): PythonLiteral {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) throw malformed();
    return value;
  }

  #value(depth: number): PythonLiteral {
    if (depth > deepest) throw malformed();
    this.#space();
    const character = this.#text[this.#at];
    if (character === "{") return this.#dict(depth);
    if (character === "[") return this.#items("]", depth).values;
    if (character === "(") {
      const { values, hasComma } = this.#items(")", depth);
      // Parentheses around one value without a comma are not a tuple.
      return values.length === 1 && !hasComma ? values[0]! : values;
    }
    return this.#scalar();
  }

  #dict(depth: number): Map<PythonLiteral, PythonLiteral> {
    const map = new Map<PythonLiteral, PythonLiteral>();
    this.#at++;
    while (!this.#take("}")) {
      const key = this.#value(depth + 1);
      if (!this.#take(":")) throw malformed();
      map.set(key, this.#value(depth + 1));
      if (!this.#take(",") && !this.#next("}")) throw malformed();
    }
    return map;
  }

  #items(end: string, depth: number): { values: PythonLiteral[]; hasComma: boolean } {
    const values: PythonLiteral[] = [];
    let hasComma = false;
    this.#at++;
    while (!this.#take(end)) {
      values.push(this.#value(depth + 1));
      const comma = this.#take(",");
      hasComma ||= comma;
      if (!comma && !this.#next(end)) throw malformed();
    }
    return { values, hasComma };
  }

  #scalar(): PythonLiteral {
    const pattern =
      /([uUbB]?)(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)")|(?<number>[+-]?\d{1,20})[lL]?(?![\w.])|(?<word>True|False|None)(?!\w)/y;
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (!match) throw malformed();
    this.#at = pattern.lastIndex;
    const { number, word } = match.groups!;
    if (number !== undefined) return Number(number);
    if (word !== undefined) return word === "None" ? null : word === "True";
    return (match[2] ?? match[3] ?? "").replace(/\\(.)/g, (_, code: string) => {
      const character = escapes.get(code);
      if (character === undefined) throw malformed();
      return character;
    });
  }

  #take(character: string): boolean {
    if (!this.#next(character)) return false;
    this.#at++;
    return true;
  }

  #next(character: string): boolean {
    this.#space();
    return this.#text[this.#at] === character;
  }

  #space(): void {
    while (this.#at < this.#text.length && /[ \t\r\n\f]/.test(this.#text[this.#at]!)) this.#at++;
  }
}

function malformed(): VillaError {
  return new VillaError("InvalidFile", "The .npy array has a header that is not a Python dict of plain values.");
}
