import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { VillaError } from "@villa/data";
import { libraryNames, napiVersion } from "../tensorflow/installation.ts";
import { errorLine, type ProgramOptions, runFirst } from "./process.ts";

/** What the binding is compiled from and against. */
export interface CompileOptions extends ProgramOptions {
  /** The unpacked package @tensorflow/tfjs-node. */
  readonly tfjsNode: string;
  /** The unpacked package node-api-headers. */
  readonly nodeHeaders: string;
  /** The `tensorflow` folder with the libraries and `include/`. */
  readonly library: string;
  /** Where the system's loader looks for the libraries: a folder, or one relative to the binding as `$ORIGIN/…`. */
  readonly searchPath: string;
  /** The file to make. */
  readonly binding: string;
}

/**
 * Compiles tfjs-node's binding with the system's C++ compiler. node-gyp would download Node's headers; the binding speaks
 * N-API only, whose headers are an npm package, and one call of the compiler is all there is to do.
 *
 * @throws VillaError `Unsupported` when TensorFlow comes without its libraries or headers, or does not fit the binding;
 * `NotFound` without a compiler
 */
export async function compileBinding(options: CompileOptions): Promise<void> {
  const { tfjsNode, nodeHeaders, library, searchPath, binding, env = process.env, signal } = options;
  const libraries = libraryNames.map((name) => join(library, name));
  const header = join(library, "include/tensorflow/c/eager/c_api.h");
  const missing = [...libraries, header].find((file) => !existsSync(file));
  if (missing) {
    const kind = missing === header ? "without the headers of its C interface" : "without its C library";
    const cure = "Take PyPI's wheel for Linux (tensorflow or tensorflow-cpu), 2.12 or later";
    throw new VillaError("Unsupported", `This TensorFlow came ${kind} (no ${missing}). ${cure}.`);
  }
  await mkdir(dirname(binding), { recursive: true });
  const includes = [join(nodeHeaders, "include"), join(library, "include")].flatMap((folder) => ["-I", folder]);
  const sources = ["tfjs_backend.cc", "tfjs_binding.cc"].map((name) => join(tfjsNode, "binding", name));
  const flags = ["-std=c++17", "-O2", "-fPIC", "-shared", `-DNAPI_VERSION=${napiVersion}`, `-Wl,-rpath,${searchPath}`];
  const compilers = env.CXX ? [env.CXX] : ["c++", "g++", "clang++"];
  const result = await runFirst(compilers, [...flags, ...includes, ...sources, ...libraries, "-o", binding], {
    env,
    signal,
  });
  if (!result) {
    const looked = `No C++ compiler was found (looked for ${compilers.join(", ")})`;
    throw new VillaError(
      "NotFound",
      `${looked}. Install one (Debian: apt install g++), or name it in the variable CXX.`,
    );
  }
  if (result.status !== 0) {
    const reason = errorLine(
      result.stderr
        .split("\n")
        .filter((line) => /error/i.test(line))
        .slice(0, 1)
        .join("") || result.stderr,
    );
    throw new VillaError("Unsupported", `tfjs-node's binding does not compile against this TensorFlow (${reason}).`);
  }
}
