// Compiles assembly/ (AssemblyScript) into src/native/simd-module.ts: the module's bytes as base64, so that it loads in ESM,
// CommonJS and workers without a file path. `--check` fails when the committed file is not what the sources give.
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const root = fileURLToPath(new URL("..", import.meta.url));
const target = `${root}src/native/simd-module.ts`;

export async function compileSimd() {
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
      "--enable",
      "simd",
      "--enable",
      "bulk-memory",
      "--runtime",
      "stub",
      "--importMemory",
      "--initialMemory",
      "1",
    ],
    {
      readFile: (name, base) => readFile(`${base}/${name}`, "utf8").catch(() => null),
      writeFile: (name, contents) => {
        if (name.endsWith(".wasm")) bytes = contents;
      },
    },
  );
  if (error) throw new Error(`${error.message}\n${stderr.toString()}`);
  const text = Buffer.from(bytes).toString("base64");
  return `// Generated from assembly/ by scripts/build-wasm.mjs; do not edit.\n\n/** WebAssembly module of the vector kernels, base64. */\nexport const simdModule =\n  "${text}";\n`;
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
