// Reads mutated files of every format. `npm run fuzz -- --help` lists the options.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type FuzzFind, runCampaign } from "./campaign.ts";
import { formats } from "./formats.ts";
import { loadFormat, makeCase, runCase } from "./fuzz-case.ts";

const help = `Mutates valid files and reads them: an error that is not a VillaError, a hang, memory beyond the limits or a
value read from a file with a wrong checksum is a find.

  npm run fuzz                                   1 000 000 inputs over all formats
  npm run fuzz -- --inputs 50000 --seed 7        fewer, and others
  npm run fuzz -- --format png --format jpeg     some formats
  npm run fuzz -- --format png --index 1234      one input again; its bytes go into --out

  --inputs N   inputs in all (default 1000000)
  --seed N     another seed gives other inputs (default 1)
  --out DIR    where the inputs of finds are written (default fuzz-finds)
`;

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "1000000" },
    seed: { type: "string", default: "1" },
    format: { type: "string", multiple: true },
    index: { type: "string" },
    out: { type: "string", default: "fuzz-finds" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) process.stdout.write(help);
else if (values.index !== undefined) await again(values.format?.[0] ?? "", Number(values.index));
else await all(values.format ?? formats.map(({ name }) => name));

async function again(format: string, index: number): Promise<void> {
  const loaded = await loadFormat(format);
  const { input, origin } = makeCase(loaded, Number(values.seed), index);
  const path = save({ format, index, kind: "input", detail: "" }, input);
  process.stdout.write(`${input.length} bytes made of ${origin}, written to ${path}\n`);
  const { outcome, find } = await runCase(loaded, Number(values.seed), index);
  process.stdout.write(find ? `FIND ${find.kind}: ${find.detail}\n` : `${outcome}\n`);
}

async function all(names: readonly string[]): Promise<void> {
  const seed = Number(values.seed);
  const to = Math.ceil(Number(values.inputs) / names.length);
  const start = performance.now();
  const { finds } = await runCampaign(
    names.map((format) => ({ format, from: 0, to })),
    seed,
    ({ format, read, refused, seconds }, own) => {
      const rate = Math.round((read + refused) / seconds);
      process.stdout.write(
        `${format.padEnd(18)} ${to} inputs, ${rate} a second: ${read} read, ${refused} refused, ${own.length} finds\n`,
      );
    },
  );
  await report(finds);
  const minutes = ((performance.now() - start) / 60_000).toFixed(1);
  process.stdout.write(`${to * names.length} inputs, ${finds.length} finds (seed ${seed}, ${minutes} minutes)\n`);
  process.exitCode = finds.length > 0 ? 1 : 0;
}

/** The first finds of each kind and place, with their inputs. */
async function report(finds: readonly FuzzFind[]): Promise<void> {
  const seen = new Map<string, number>();
  for (const find of finds) {
    const place = find.detail.split("\n").slice(0, 2).join(" ").replace(/\d+/g, "#");
    const key = `${find.format} ${find.kind} ${place}`;
    const count = (seen.get(key) ?? 0) + 1;
    seen.set(key, count);
    if (count > 2) continue;
    const path = save(find, makeCase(await loadFormat(find.format), Number(values.seed), find.index).input);
    process.stdout.write(
      `FIND ${find.format}: ${find.kind} (input ${find.index}, ${path})\n  ${find.detail.replaceAll("\n", "\n  ")}\n`,
    );
  }
}

function save({ format, index, kind }: FuzzFind, input: Uint8Array): string {
  mkdirSync(values.out, { recursive: true });
  const path = join(values.out, `${format}-${values.seed}-${index}-${kind}`.replace(/[^\w.-]/g, "_"));
  writeFileSync(path, input);
  return path;
}
