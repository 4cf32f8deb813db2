/** `weightDecay` → `weight_decay`, in dotted paths too. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Equal for all spellings of a name: snake_case, kebab-case, camelCase. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/[_-]/g, "");
}

/**
 * A value whose keys are in snake_case at every depth: how files hold settings, since the original writes them so.
 *
 * @example
 * snakeCaseKeys({ optimizer: { weightDecay: 0.01 } }); // { optimizer: { weight_decay: 0.01 } }
 */
export function snakeCaseKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCaseKeys);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, own]) => [snakeCase(key), snakeCaseKeys(own)]));
}
