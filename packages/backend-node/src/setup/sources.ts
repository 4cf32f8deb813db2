import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { VillaError } from "@villa/data";
import { errorLine, type ProgramOptions, runProgram } from "./process.ts";

/** An npm package whose files are used without installing it: no script of its own runs. */
export interface SourcePackage {
  readonly name: string;
  readonly version: string;
  /** SHA-512 of the package file, as npm notes it. */
  readonly sha512: string;
}

/** The backend class, the kernels and the binding's source; Apache-2.0. */
export const tfjsNode: SourcePackage = {
  name: "@tensorflow/tfjs-node",
  version: "4.22.0",
  sha512: "uHrXeUlfgkMxTZqHkESSV7zSdKdV0LlsBeblqkuKU9nnfxB1pC6DtoyYVaLxznzZy7WQSegjcohxxCjAf6Dc7w==",
};

/** The headers of Node's C interface; MIT. Nothing of Node itself has to be downloaded for them. */
export const nodeHeaders: SourcePackage = {
  name: "node-api-headers",
  version: "1.9.0",
  sha512: "2oNILP4jXwRB4ywnYKjVk1YyJ96n2D4EOVJO6S3oYZ5PtbJrw3Yt9TpAuX3nBLMuzn74rnfGQrv13pS9vC+YiA==",
};

/**
 * Downloads a package with npm, compares its checksum and unpacks it.
 *
 * @param target folder that holds the package's files afterwards
 * @throws VillaError `NotFound` without npm or tar, `Network`, `ChecksumMismatch`
 */
export async function unpackPackage(
  { name, version, sha512 }: SourcePackage,
  { target, ...options }: { target: string } & ProgramOptions,
): Promise<void> {
  const folder = `${target}.part`;
  await mkdir(folder, { recursive: true });
  const which = `${name}@${version}`;
  const packed = await runProgram("npm", ["pack", which, "--ignore-scripts", "--pack-destination", folder], options);
  if (!packed)
    throw new VillaError("NotFound", `npm was not found; it comes with Node and is needed to fetch ${which}.`);
  const file = (await readdir(folder)).find((each) => each.endsWith(".tgz"));
  if (packed.status !== 0 || !file) {
    throw new VillaError("Network", `npm cannot fetch ${which}: ${errorLine(packed.stderr)}`);
  }
  const archive = join(folder, file);
  const actual = createHash("sha512")
    .update(await readFile(archive))
    .digest("base64");
  if (actual !== sha512) {
    throw new VillaError(
      "ChecksumMismatch",
      `npm delivered another ${which} than the one that this was tested with; check which registry npm uses.`,
    );
  }
  const unpacked = await runProgram("tar", ["-xzf", archive, "-C", folder], options);
  if (unpacked?.status !== 0) {
    const reason = unpacked ? errorLine(unpacked.stderr) : "tar was not found";
    throw new VillaError("NotFound", `${which} cannot be unpacked: ${reason}.`);
  }
  await rename(join(folder, "package"), target);
  await rm(folder, { recursive: true });
}
