import * as v from "valibot";

/** What is read of a valibot schema: enough to know its keys. */
interface SchemaLike {
  readonly type: string;
  readonly entries?: Readonly<Record<string, SchemaLike>> | undefined;
  /** Of `optional`, `nullable` and the like: the schema that they wrap. */
  readonly wrapped?: SchemaLike | undefined;
  /** Of `optional`: what a missing value becomes. */
  readonly default?: unknown;
  /** Of `pipe`: its steps, of which the first one describes the input. */
  readonly pipe?: readonly SchemaLike[] | undefined;
}

/** One key of a schema. */
export interface SchemaPath {
  /** Dotted, as the schema spells it: `optimizer.weightDecay`. */
  readonly path: string;
  /** The valibot type at that place: "number", "string", "object"… */
  readonly type: string;
  readonly isGroup: boolean;
  /** Whether null is an allowed value. */
  readonly isNullable: boolean;
  /** The default; undefined for a key that has to be given. */
  readonly fallback: unknown;
  /** What the schema says about it. */
  readonly help: string;
  /** A shorter name that needs no group, where the schema gives one. */
  readonly shortName: string | undefined;
}

/** All keys of a schema as dotted paths, groups before their members. A `record` accepts any key below it. */
export function schemaPaths(schema: object, prefix = ""): SchemaPath[] {
  const { entries } = core(schema as SchemaLike);
  return Object.entries(entries ?? {}).flatMap(([key, entry]) => {
    const path = `${prefix}${key}`;
    const layers = layersOf(entry);
    const inner = layers.at(-1)!;
    const described = layers.map((layer) => layer as unknown as v.GenericSchema);
    return [
      {
        path,
        type: inner.type,
        isGroup: inner.entries !== undefined,
        isNullable: layers.some(({ type }) => type === "nullable" || type === "nullish"),
        fallback: layers.find((layer) => layer.default !== undefined)?.default,
        help: described.map((layer) => v.getDescription(layer)).find((text) => text !== undefined) ?? "",
        shortName: described.map((layer) => v.getMetadata(layer).shortName).find((name) => typeof name === "string") as
          | string
          | undefined,
      },
      ...schemaPaths(entry, `${path}.`),
    ];
  });
}

/** A schema and what it wraps, from the outside to the inside. */
function layersOf(schema: SchemaLike): SchemaLike[] {
  if (schema.wrapped) return [schema, ...layersOf(schema.wrapped)];
  const first = schema.pipe?.[0];
  return first && first !== schema ? [schema, ...layersOf(first)] : [schema];
}

function core(schema: SchemaLike): SchemaLike {
  return layersOf(schema).at(-1)!;
}
