import { VillaError } from "../../errors.ts";
import { describe } from "../describe.ts";
import type { Allowance } from "../limits.ts";
import { containerCost } from "./builtins.ts";
import { ByteReader } from "./byte-reader.ts";
import { InertValue, isPickleGlobal, isPickleState, type PickleGlobal, type PickleGlobals } from "./globals.ts";
import { malformed, parseIndex, readLiteral } from "./literals.ts";
import { opcode } from "./opcodes.ts";

// Bytes of memory that operations charge, about what V8 takes.
const pushCost = 16;
const memoCost = 48;
/** Steps of work of one operation. */
const operationSteps = 4;

/** How to read a pickle. */
export interface PickleOptions {
  /** What `module.name` references mean; anything that this does not know is refused by name. */
  readonly globals: PickleGlobals;
  /** Every operation and container is charged to it. */
  readonly allowance: Allowance;
  /** What a persistent id (torch: a storage) stands for. Without it, persistent ids are refused. */
  readonly persistentLoad?: ((id: unknown) => unknown) | undefined;
  /** Where the pickle starts (default 0). */
  readonly start?: number | undefined;
}

/** A value read from a pickle, and where the bytes after it start. */
export interface PickleResult {
  readonly value: unknown;
  readonly end: number;
}

/**
 * Reads a Python pickle (protocols 0–5) without running anything: the machine below builds None, booleans, numbers,
 * strings, bytes (`Uint8Array`), tuples and lists (arrays), dicts (`Map`) and sets, and calls only the constructors in
 * `options.globals`.
 *
 * @throws VillaError `UnsafeFile` naming a constructor that is not known, `InvalidFile` for malformed pickles
 */
export function readPickle(bytes: Uint8Array, options: PickleOptions): PickleResult {
  const reader = new ByteReader(bytes, options.start ?? 0);
  return { value: new Machine(reader, options).run(), end: reader.position };
}

/** Python's pickle machine: a stack, marks on it, and a memo of values to refer back to. */
class Machine {
  #stack: unknown[] = [];
  readonly #marked: unknown[][] = [];
  readonly #memo = new Map<number, unknown>();
  readonly #in: ByteReader;
  readonly #options: PickleOptions;

  constructor(input: ByteReader, options: PickleOptions) {
    this.#in = input;
    this.#options = options;
  }

  run(): unknown {
    for (;;) {
      const code = this.#in.uint8();
      if (code === opcode.STOP) return this.#pop();
      this.#step(code);
    }
  }

  #step(code: number): void {
    const input = this.#in;
    this.#options.allowance.work(operationSteps, "The pickle");
    const literal = readLiteral(code, input);
    if (literal !== undefined) {
      if (typeof literal === "string") this.#charge(2 * literal.length);
      this.#push(literal);
      return;
    }
    switch (code) {
      case opcode.PROTO:
        if (input.uint8() > 5) throw new VillaError("Unsupported", "The pickle is of a protocol newer than 5.");
        return;
      case opcode.FRAME:
        input.skip(8);
        return;

      case opcode.EMPTY_TUPLE:
      case opcode.EMPTY_LIST:
        this.#charge(containerCost.empty);
        this.#push([]);
        return;
      case opcode.TUPLE1:
        this.#charge(containerCost.empty);
        this.#push(this.#popMany(1));
        return;
      case opcode.TUPLE2:
        this.#charge(containerCost.empty);
        this.#push(this.#popMany(2));
        return;
      case opcode.TUPLE3:
        this.#charge(containerCost.empty);
        this.#push(this.#popMany(3));
        return;
      case opcode.TUPLE:
      case opcode.LIST:
        this.#charge(containerCost.empty);
        this.#push(this.#popMark());
        return;
      case opcode.APPEND: {
        const item = this.#pop();
        this.#charge(containerCost.listItem);
        this.#top(Array.isArray, "list").push(item);
        return;
      }
      case opcode.APPENDS: {
        const items = this.#popMark();
        const list = this.#top(Array.isArray, "list");
        this.#charge(containerCost.listItem * items.length);
        for (const item of items) list.push(item);
        return;
      }
      case opcode.EMPTY_DICT:
        this.#charge(containerCost.empty);
        this.#push(new Map());
        return;
      case opcode.DICT:
        this.#charge(containerCost.empty);
        this.#push(this.#setItems(new Map(), this.#popMark()));
        return;
      case opcode.SETITEM: {
        const pair = this.#popMany(2);
        this.#setItems(this.#top(isMap, "dict"), pair);
        return;
      }
      case opcode.SETITEMS: {
        const items = this.#popMark();
        this.#setItems(this.#top(isMap, "dict"), items);
        return;
      }
      case opcode.EMPTY_SET:
        this.#charge(containerCost.empty);
        this.#push(new Set());
        return;
      case opcode.FROZENSET: {
        const items = this.#popMark();
        this.#charge(containerCost.empty + containerCost.mapItem * items.length);
        this.#push(new Set(items));
        return;
      }
      case opcode.ADDITEMS: {
        const items = this.#popMark();
        const set = this.#top(isSet, "set");
        this.#charge(containerCost.mapItem * items.length);
        for (const item of items) set.add(item);
        return;
      }

      case opcode.MARK:
        this.#charge(containerCost.empty);
        this.#marked.push(this.#stack);
        this.#stack = [];
        return;
      case opcode.POP:
        if (this.#stack.length > 0) this.#stack.pop();
        else this.#popMark();
        return;
      case opcode.POP_MARK:
        this.#popMark();
        return;
      case opcode.DUP:
        this.#push(this.#peek());
        return;
      case opcode.PUT:
        this.#remember(parseIndex(input.line()));
        return;
      case opcode.BINPUT:
        this.#remember(input.uint8());
        return;
      case opcode.LONG_BINPUT:
        this.#remember(input.uint32());
        return;
      case opcode.MEMOIZE:
        this.#remember(this.#memo.size);
        return;
      case opcode.GET:
        this.#recall(parseIndex(input.line()));
        return;
      case opcode.BINGET:
        this.#recall(input.uint8());
        return;
      case opcode.LONG_BINGET:
        this.#recall(input.uint32());
        return;

      case opcode.GLOBAL: {
        const module = input.utf8Line();
        this.#push(this.#options.globals(module, input.utf8Line()));
        return;
      }
      case opcode.STACK_GLOBAL: {
        const [module, name] = this.#popMany(2);
        if (typeof module !== "string" || typeof name !== "string") throw malformed("a global without a name");
        this.#push(this.#options.globals(module, name));
        return;
      }
      case opcode.REDUCE: {
        const [callable, args] = this.#popMany(2);
        this.#push(this.#call(callable, args));
        return;
      }
      case opcode.NEWOBJ: {
        const [callable, args] = this.#popMany(2);
        this.#push(this.#call(callable, args));
        return;
      }
      case opcode.BUILD: {
        const state = this.#pop();
        this.#build(this.#peek(), state);
        return;
      }
      case opcode.PERSID:
        this.#push(this.#persistent(input.utf8Line()));
        return;
      case opcode.BINPERSID:
        this.#push(this.#persistent(this.#pop()));
        return;

      case opcode.INST:
      case opcode.OBJ:
      case opcode.NEWOBJ_EX:
      case opcode.EXT1:
      case opcode.EXT2:
      case opcode.EXT4:
      case opcode.NEXT_BUFFER:
      case opcode.READONLY_BUFFER:
        throw new VillaError("UnsafeFile", `The pickle uses the operation 0x${code.toString(16)}, which is refused.`);
      default:
        throw malformed(`the unknown operation 0x${code.toString(16)}`);
    }
  }

  #charge(bytes: number): void {
    this.#options.allowance.take(bytes, "The pickle");
  }

  #push(value: unknown): void {
    this.#charge(pushCost);
    this.#stack.push(value);
  }

  #pop(): unknown {
    if (this.#stack.length === 0) throw malformed("an empty stack");
    return this.#stack.pop();
  }

  #peek(): unknown {
    if (this.#stack.length === 0) throw malformed("an empty stack");
    return this.#stack[this.#stack.length - 1];
  }

  #popMany(count: number): unknown[] {
    if (this.#stack.length < count) throw malformed("an empty stack");
    return this.#stack.splice(this.#stack.length - count, count);
  }

  #popMark(): unknown[] {
    const items = this.#stack;
    const below = this.#marked.pop();
    if (!below) throw malformed("a missing mark");
    this.#stack = below;
    return items;
  }

  #top<T>(is: (value: unknown) => value is T, kind: string): T {
    const value = this.#peek();
    if (!is(value)) throw malformed(`items for something that is not a ${kind}`);
    return value;
  }

  #setItems(map: Map<unknown, unknown>, items: readonly unknown[]): Map<unknown, unknown> {
    if (items.length % 2 !== 0) throw malformed("a key without a value");
    this.#charge((containerCost.mapItem * items.length) / 2);
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1]);
    return map;
  }

  #remember(index: number): void {
    this.#charge(memoCost);
    this.#memo.set(index, this.#peek());
  }

  #recall(index: number): void {
    if (!this.#memo.has(index)) throw malformed("a reference to nothing");
    this.#push(this.#memo.get(index));
  }

  #call(callable: unknown, args: unknown): unknown {
    if (!isPickleGlobal(callable)) throw malformed(`a call of ${describe(callable)}, which is not a constructor`);
    if (!callable.call) throw refused(callable);
    if (!Array.isArray(args)) throw malformed(`a call of ${describe(callable)} without arguments`);
    this.#charge(containerCost.empty);
    return callable.call(args);
  }

  #build(object: unknown, state: unknown): void {
    if (object instanceof InertValue) return;
    if (isPickleState(object)) object.setState(state);
    // A Map's state is attributes of an OrderedDict, such as a state dict's _metadata: of no use here.
    else if (!(object instanceof Map && state instanceof Map)) throw malformed("a state for something that takes none");
  }

  #persistent(id: unknown): unknown {
    if (!this.#options.persistentLoad) {
      throw new VillaError("UnsafeFile", "The pickle refers to data outside of it, which is refused.");
    }
    return this.#options.persistentLoad(id);
  }
}

function refused(callable: PickleGlobal): VillaError {
  return new VillaError("UnsafeFile", `The pickle calls ${describe(callable)}, which is refused.`);
}

function isMap(value: unknown): value is Map<unknown, unknown> {
  return value instanceof Map;
}

function isSet(value: unknown): value is Set<unknown> {
  return value instanceof Set;
}
