import { VillaError } from "../../errors.ts";
import { shorten } from "../describe.ts";

const globalTag = Symbol("pickle global");

/** Something a pickle may refer to as `module.name`. */
export interface PickleGlobal {
  readonly [globalTag]: true;
  readonly name: string;
  /** What calling it makes; absent for names that may only be mentioned. */
  readonly call?: ((args: readonly unknown[]) => unknown) | undefined;
}

/** Resolves `module.name`. @throws VillaError `UnsafeFile` for anything that is not on its list */
export type PickleGlobals = (module: string, name: string) => PickleGlobal;

/** An object under construction that takes its state from the pickle (Python's `__setstate__`). */
export interface PickleState {
  setState(state: unknown): void;
}

export function pickleGlobal(name: string, call?: (args: readonly unknown[]) => unknown): PickleGlobal {
  return { [globalTag]: true, name, call };
}

export function isPickleGlobal(value: unknown): value is PickleGlobal {
  return typeof value === "object" && value !== null && globalTag in value;
}

export function isPickleState(value: unknown): value is PickleState {
  return value instanceof StatefulObject;
}

/** Base of the values whose state a pickle sets after making them. */
export abstract class StatefulObject implements PickleState {
  abstract setState(state: unknown): void;
}

/** Stands for anything that a pickle makes, where only its mentions matter: takes items and any state. */
export class InertValue extends Map<unknown, unknown> {}

/**
 * A fixed list of globals. Names are "module.name".
 *
 * @param hint appended to the refusal, to tell what to do instead
 */
export function fixedGlobals(list: ReadonlyMap<string, PickleGlobal>, hint = ""): PickleGlobals {
  return (module, name) => {
    const known = list.get(`${module}.${name}`);
    if (!known) {
      throw new VillaError(
        "UnsafeFile",
        `The file's pickle refers to ${shorten(module)}.${shorten(name)}, which is not on the list of harmless constructors, so it is refused.${hint && ` ${hint}`}`,
      );
    }
    return known;
  };
}
