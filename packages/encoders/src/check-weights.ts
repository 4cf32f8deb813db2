import { checkArgument, VillaError } from "@villa/data";

/** Prefixes that trainers and libraries put around a model's names. */
const wrappers =
  /^(?:module\.|_orig_mod\.|_fsdp_wrapped_module\.|_forward_module\.|model\.|net\.|clip\.|state_dict\.|ema\.|model_ema\.|ema_model\.)+/;
/** Those that can stand anywhere in a name, where parts of a model were wrapped. */
const inner = /(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\./g;
const averaged = /(?:^|\.)(?:ema|model_ema|ema_model)\./;

/** A tensor's name without what wrapped the model when it was saved. */
function withoutWrapper(name: string): string {
  return name.replace(inner, "").replace(wrappers, "");
}

/**
 * Names without wrappers, each with the file's own name. Of weights that are there plain and as a moving average (EMA),
 * the average counts.
 *
 * @throws VillaError `Mismatch` when two names become one
 */
export function unwrapNames(names: Iterable<string>): Map<string, string> {
  const unwrapped = new Map<string, string>();
  for (const name of names) {
    const own = withoutWrapper(name);
    const other = unwrapped.get(own);
    if (other !== undefined && averaged.test(other) === averaged.test(name)) {
      throw new VillaError("Mismatch", `The weights hold "${own}" twice, as "${other}" and as "${name}".`);
    }
    if (other === undefined || averaged.test(name)) unwrapped.set(own, name);
  }
  return unwrapped;
}

/**
 * Checks that the tensors found are exactly those that a model needs.
 *
 * @param expected shapes by name
 * @param options `what`: the model, for the message; `isExtra`: names that may be there besides; `note`: the message's end
 * @throws VillaError `Mismatch` naming some of the missing, unexpected and wrongly shaped tensors
 */
export function checkNames(
  found: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  expected: ReadonlyMap<string, readonly number[]>,
  options: { what: string; isExtra?: ((name: string) => boolean) | undefined; note?: string | undefined },
): void {
  checkArgument("found", found, "Map");
  checkArgument("expected", expected, "Map");
  checkArgument("options", options, { what: "text", "isExtra?": "function", "note?": "text" });
  const { what, isExtra = () => false, note = "" } = options;

  const missing = [...expected.keys()].filter((name) => !found.has(name));
  const unexpected = [...found.keys()].filter((name) => !expected.has(name) && !isExtra(name));
  const misshapen = [...expected].flatMap(([name, shape]) => {
    const own = found.get(name)?.shape;
    return own && `${own}` !== `${shape}` ? [`${name} [${own}] instead of [${shape}]`] : [];
  });
  if (missing.length + unexpected.length + misshapen.length === 0) return;
  const parts = [
    ...section("missing", missing),
    ...section("unexpected", unexpected),
    ...section("wrong shape", misshapen),
  ];
  throw new VillaError("Mismatch", `The weights do not fit ${what}: ${parts.join("; ")}${note}.`);
}

/** Weights of another size fit nowhere: a few names tell that as well as all of them. */
const namesShown = 4;

function section(title: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const rest = names.length > namesShown ? ", …" : "";
  return [`${title} (${names.length}): ${names.slice(0, namesShown).join(", ")}${rest}`];
}
