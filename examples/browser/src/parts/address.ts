import type { DatasetSettings } from "../laboratory/protocol.ts";

/** Names in the page's address, so that settings survive a reload and can be sent to others. */
const names = {
  seed: "seed",
  attributeBudget: "train",
  valAttributeBudget: "val",
  targetSampleComplexity: "complexity",
  colors: "colors",
  shapes: "shapes",
} as const satisfies Record<keyof DatasetSettings, string>;

/** What the address says; anything that is missing or makes no sense is as in `defaults`. */
export function settingsFromAddress(search: string, defaults: DatasetSettings): DatasetSettings {
  const given = new URLSearchParams(search);
  const whole = (key: "seed" | "attributeBudget" | "valAttributeBudget" | "targetSampleComplexity", least: number) => {
    const value = Number(given.get(names[key]) ?? Number.NaN);
    const [low, high] = key === "seed" ? [0, 4_294_967_295] : [least, key === "targetSampleComplexity" ? 36 : 20_000];
    return Number.isInteger(value) && value >= low && value <= high ? value : defaults[key];
  };
  const list = (key: "colors" | "shapes", allowed: readonly string[]) => {
    const chosen = (given.get(names[key]) ?? "").split(",").filter((name) => allowed.includes(name));
    return chosen.length > 0 ? chosen : defaults[key];
  };
  return {
    seed: whole("seed", 0),
    attributeBudget: whole("attributeBudget", 500),
    valAttributeBudget: whole("valAttributeBudget", 200),
    targetSampleComplexity: whole("targetSampleComplexity", 4),
    colors: list("colors", defaults.colors),
    shapes: list("shapes", ["circle", "rectangle", "triangle", "cross", "none"]),
  };
}

/** The address's query for settings: only what differs from `defaults`. @returns "?…", or "" where nothing does */
export function addressOf(settings: DatasetSettings, defaults: DatasetSettings): string {
  const changed = new URLSearchParams();
  for (const key of Object.keys(names) as (keyof DatasetSettings)[]) {
    if (String(settings[key]) !== String(defaults[key])) changed.set(names[key], String(settings[key]));
  }
  const query = changed.toString();
  return query === "" ? "" : `?${query}`;
}
