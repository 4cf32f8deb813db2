/** What is read of a valibot schema: enough to know its keys. */
interface SchemaLike {
  readonly type: string;
  readonly entries?: Readonly<Record<string, SchemaLike>> | undefined;
  /** Of optional, nullable and the like. */
  readonly wrapped?: SchemaLike | undefined;
  /** Of a pipe: the first one describes the input. */
  readonly pipe?: readonly SchemaLike[] | undefined;
}

export interface SchemaPath {
  /** Dotted: `loss.temp`. */
  readonly path: string;
  /** The valibot type at that place: "number", "string", "object"… */
  readonly type: string;
}

/** All keys of a schema as dotted paths, groups before their members. A `record` accepts any key below it. */
export function schemaPaths(schema: object, prefix = ""): SchemaPath[] {
  const { entries } = unwrap(schema as SchemaLike);
  return Object.entries(entries ?? {}).flatMap(([key, entry]) => {
    const path = `${prefix}${key}`;
    return [{ path, type: unwrap(entry).type }, ...schemaPaths(entry, `${path}.`)];
  });
}

function unwrap(schema: SchemaLike): SchemaLike {
  if (schema.wrapped) return unwrap(schema.wrapped);
  const first = schema.pipe?.[0];
  return first && first !== schema ? unwrap(first) : schema;
}
