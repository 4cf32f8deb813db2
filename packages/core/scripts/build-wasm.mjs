// Compiles assembly/ (AssemblyScript) into src/backend/heap/simd-module.ts: the module's bytes as base64, so that it loads in ESM,
// CommonJS and workers without a file path, and beside them what TypeScript must know of it: the kernels' signatures and the
// enums (op codes, tile sizes). `--check` fails when the committed file is not what the sources give.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const root = fileURLToPath(new URL("..", import.meta.url));
const target = `${root}src/backend/heap/simd-module.ts`;

/** The module's bytes. It wants shared memory; `kernel-module.ts` changes that one bit for memory that is not. */
async function compile(features) {
  let bytes;
  const { error, stderr } = await asc.main(
    [
      "assembly/index.ts",
      "--baseDir",
      root,
      "--outFile",
      "simd.wasm",
      "--optimizeLevel",
      "3",
      "--shrinkLevel",
      "0",
      "--noAssert",
      ...["simd", "bulk-memory", "threads", ...features].flatMap((feature) => ["--enable", feature]),
      "--runtime",
      "stub",
      "--importMemory",
      "--sharedMemory",
      "--initialMemory",
      "1",
      "--maximumMemory",
      "65536",
    ],
    {
      readFile: (name, base) => readFile(`${base}/${name}`, "utf8").catch(() => null),
      writeFile: (name, contents) => {
        if (name.endsWith(".wasm")) bytes = contents;
      },
    },
  );
  if (error) throw new Error(`${error.message}\n${stderr.toString()}`);
  return bytes;
}

export async function compileSimd() {
  const bytes = await compile([]);
  const relaxed = await compile(["relaxed-simd"]);
  const names = await readdir(`${root}assembly`);
  const files = await Promise.all(
    names.filter((name) => name.endsWith(".ts")).map((name) => readFile(`${root}assembly/${name}`, "utf8")),
  );
  const sources = files.join("\n");
  return [
    "// Generated from assembly/ by scripts/build-wasm.mjs; do not edit.",
    "// biome-ignore-all format: one line a kernel",
    "",
    ...opCodes(sources),
    "/** The vector kernels: pointers are byte offsets into the heap, sizes count values. */",
    "export interface SimdKernels {",
    ...signatures(sources, WebAssembly.Module.exports(new WebAssembly.Module(bytes))),
    "}",
    "",
    "/** WebAssembly module of the vector kernels, base64. */",
    "export const simdModule =",
    `  "${Buffer.from(bytes).toString("base64")}";`,
    "",
    "/** The same with products that are rounded once (relaxed SIMD), for engines that have them. */",
    "export const relaxedSimdModule =",
    `  "${Buffer.from(relaxed).toString("base64")}";`,
    "",
  ].join("\n");
}

/** `enum BinaryOp { Add, … }` as `export const binaryOp = { Add: 0, … } as const`. */
function opCodes(sources) {
  return [...sources.matchAll(/(\/\*\*[^/]*\*\/\n)?export enum (\w+) \{([^}]*)\}/g)].flatMap(
    ([, comment = "", name, members]) => {
      let code = -1;
      const codes = members
        .split(",")
        .map((member) => member.trim())
        .filter((member) => member !== "")
        .map((member) => {
          const [key, value] = member.split("=").map((part) => part.trim());
          code = value === undefined ? code + 1 : Number(value);
          return `${key}: ${code}`;
        });
      const constant = name[0].toLowerCase() + name.slice(1);
      return [`${comment}export const ${constant} = { ${codes.join(", ")} } as const;`, ""];
    },
  );
}

/** What the module exports, as methods: every AssemblyScript number is a JavaScript number. */
function signatures(sources, exported) {
  return exported
    .filter(({ kind }) => kind === "function")
    .map(({ name }) => {
      const found = new RegExp(`export function ${name}\\(([^)]*)\\): void`).exec(sources);
      if (!found) throw new Error(`assembly/ has no "export function ${name}(…): void".`);
      const parameters = found[1].split(",").map((parameter) => parameter.trim().split(":")[0].trim());
      return `  ${name}(${parameters
        .filter((parameter) => parameter !== "")
        .map((parameter) => `${parameter}: number`)
        .join(", ")}): void;`;
    });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const source = await compileSimd();
  if (process.argv.includes("--check")) {
    if ((await readFile(target, "utf8")) !== source)
      throw new Error("simd-module.ts is out of date: run pnpm build:wasm.");
  } else {
    await writeFile(target, source);
  }
  console.log(`${source.length} characters`);
}
