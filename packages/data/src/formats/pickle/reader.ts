import { VillaError } from "../../errors.ts";
import { describe } from "../describe.ts";
import type { Allowance } from "../limits.ts";
import { ByteReader } from "./byte-reader.ts";
import { InertValue, isPickleGlobal, isPickleState, type PickleGlobal, type PickleGlobals } from "./globals.ts";
import { malformed, parseIndex, readLiteral } from "./literals.ts";
import { opcode } from "./opcodes.ts";
import { containerCost, PickleStack } from "./stack.ts";

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

/** Python's pickle machine: operations upon a stack, marks on it, and a memo of values to refer back to. */
class Machine {
  readonly #stack: PickleStack;
  readonly #in: ByteReader;
  readonly #options: PickleOptions;

  constructor(input: ByteReader, options: PickleOptions) {
    this.#in = input;
    this.#options = options;
    this.#stack = new PickleStack(options.allowance);
  }

  run(): unknown {
    for (;;) {
      const code = this.#in.uint8();
      if (code === opcode.STOP) return this.#stack.pop();
      this.#options.allowance.work(operationSteps, "The pickle");
      const isKnown = this.#literal(code) || this.#container(code) || this.#reference(code) || this.#construction(code);
      if (!isKnown) this.#other(code);
    }
  }

  /** A value that the operation spells out. */
  #literal(code: number): boolean {
    const literal = readLiteral(code, this.#in);
    if (literal === undefined) return false;
    if (typeof literal === "string") this.#stack.charge(2 * literal.length);
    this.#stack.push(literal);
    return true;
  }

  /** Operations that make lists, tuples, dicts and sets, or put items into them. */
  #container(code: number): boolean {
    const stack = this.#stack;
    switch (code) {
      case opcode.EMPTY_TUPLE:
      case opcode.EMPTY_LIST:
        stack.pushContainer([]);
        return true;
      case opcode.TUPLE1:
        stack.pushContainer(stack.popMany(1));
        return true;
      case opcode.TUPLE2:
        stack.pushContainer(stack.popMany(2));
        return true;
      case opcode.TUPLE3:
        stack.pushContainer(stack.popMany(3));
        return true;
      case opcode.TUPLE:
      case opcode.LIST:
        stack.pushContainer(stack.popMark());
        return true;
      case opcode.APPEND:
        this.#append(stack.popMany(1));
        return true;
      case opcode.APPENDS:
        this.#append(stack.popMark());
        return true;
      case opcode.EMPTY_DICT:
        stack.pushContainer(new Map());
        return true;
      case opcode.DICT: {
        const items = stack.popMark();
        stack.pushContainer(new Map());
        this.#setItems(items);
        return true;
      }
      case opcode.SETITEM:
        this.#setItems(stack.popMany(2));
        return true;
      case opcode.SETITEMS:
        this.#setItems(stack.popMark());
        return true;
      case opcode.EMPTY_SET:
        stack.pushContainer(new Set());
        return true;
      case opcode.FROZENSET: {
        const items = stack.popMark();
        stack.pushContainer(new Set());
        this.#addItems(items);
        return true;
      }
      case opcode.ADDITEMS:
        this.#addItems(stack.popMark());
        return true;
      default:
        return false;
    }
  }

  #append(items: readonly unknown[]): void {
    const list = this.#stack.top(Array.isArray, "list");
    this.#stack.charge(containerCost.listItem * items.length);
    for (const item of items) list.push(item);
  }

  #setItems(items: readonly unknown[]): void {
    if (items.length % 2 !== 0) throw malformed("a key without a value");
    const map = this.#stack.top(isMap, "dict");
    this.#stack.charge((containerCost.mapItem * items.length) / 2);
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1]);
  }

  #addItems(items: readonly unknown[]): void {
    const set = this.#stack.top(isSet, "set");
    this.#stack.charge(containerCost.mapItem * items.length);
    for (const item of items) set.add(item);
  }

  /** Marks, and references to values that have been remembered. */
  #reference(code: number): boolean {
    const stack = this.#stack;
    const input = this.#in;
    switch (code) {
      case opcode.MARK:
        stack.mark();
        return true;
      case opcode.POP:
        stack.drop();
        return true;
      case opcode.POP_MARK:
        stack.popMark();
        return true;
      case opcode.DUP:
        stack.push(stack.peek());
        return true;
      case opcode.PUT:
        stack.remember(parseIndex(input.line()));
        return true;
      case opcode.BINPUT:
        stack.remember(input.uint8());
        return true;
      case opcode.LONG_BINPUT:
        stack.remember(input.uint32());
        return true;
      case opcode.MEMOIZE:
        stack.memoize();
        return true;
      case opcode.GET:
        stack.recall(parseIndex(input.line()));
        return true;
      case opcode.BINGET:
        stack.recall(input.uint8());
        return true;
      case opcode.LONG_BINGET:
        stack.recall(input.uint32());
        return true;
      default:
        return false;
    }
  }

  /** Operations that name constructors, call them, and set the state of what they made. */
  #construction(code: number): boolean {
    const stack = this.#stack;
    const input = this.#in;
    switch (code) {
      case opcode.GLOBAL: {
        const module = input.utf8Line();
        stack.push(this.#options.globals(module, input.utf8Line()));
        return true;
      }
      case opcode.STACK_GLOBAL: {
        const [module, name] = stack.popMany(2);
        if (typeof module !== "string" || typeof name !== "string") throw malformed("a global without a name");
        stack.push(this.#options.globals(module, name));
        return true;
      }
      case opcode.REDUCE:
      case opcode.NEWOBJ: {
        const [callable, args] = stack.popMany(2);
        stack.push(this.#call(callable, args));
        return true;
      }
      case opcode.BUILD: {
        const state = stack.pop();
        build(stack.peek(), state);
        return true;
      }
      case opcode.PERSID:
        stack.push(this.#persistent(input.utf8Line()));
        return true;
      case opcode.BINPERSID:
        stack.push(this.#persistent(stack.pop()));
        return true;
      default:
        return false;
    }
  }

  /** What says something about the pickle itself, what is refused, and what no pickle has. */
  #other(code: number): void {
    switch (code) {
      case opcode.PROTO:
        if (this.#in.uint8() > 5)
          throw new VillaError("Unsupported", "The pickle is of a protocol newer than 5; save it with an older one.");
        return;
      case opcode.FRAME:
        this.#in.skip(8);
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

  #call(callable: unknown, args: unknown): unknown {
    if (!isPickleGlobal(callable)) throw malformed(`a call of ${describe(callable)}, which is not a constructor`);
    if (!callable.call) throw refused(callable);
    if (!Array.isArray(args)) throw malformed(`a call of ${describe(callable)} without arguments`);
    this.#stack.charge(containerCost.empty);
    return callable.call(args);
  }

  #persistent(id: unknown): unknown {
    if (!this.#options.persistentLoad) {
      throw new VillaError("UnsafeFile", "The pickle refers to data outside of it, which is refused.");
    }
    return this.#options.persistentLoad(id);
  }
}

function build(object: unknown, state: unknown): void {
  if (object instanceof InertValue) return;
  if (isPickleState(object)) object.setState(state);
  // A Map's state is attributes of an OrderedDict, such as a state dict's _metadata: of no use here.
  else if (!(object instanceof Map && state instanceof Map)) throw malformed("a state for something that takes none");
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
