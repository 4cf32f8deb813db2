import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { byteSize, type CommonFlags, present, type RegisterCommand, withCommonFlags } from "@villa/command-kit";
import { InvalidArgumentError } from "commander";

interface DoctorFlags extends CommonFlags {
  readonly seconds: number;
}

/** `villa doctor`: what this machine can run, how fast, and what is cached. */
export const registerDoctor: RegisterCommand = (program, context) => {
  const command = program
    .command("doctor")
    .description("show versions, backends with their speed, and caches")
    .option(
      "--seconds <n>",
      "seconds for which each backend is measured; 0 only checks whether it can run",
      atLeastZero,
      1,
    )
    .addHelpText("after", "\nExamples:\n  villa doctor\n  villa doctor --seconds 0 --json");
  withCommonFlags(command).action((flags: DoctorFlags) => {
    let format: typeof import("@villa/backend-node").formatDiagnosis | undefined;
    return present(
      context,
      flags,
      async () => {
        const [{ doctor, formatDiagnosis }, { cacheDirectory }, tf] = await Promise.all([
          import("@villa/backend-node"),
          import("@villa/data/node"),
          import("@tensorflow/tfjs-core"),
        ]);
        format = formatDiagnosis;
        const directory = cacheDirectory();
        const cache = { directory, files: await cachedFiles(directory) };
        return {
          villa: program.version(),
          tensorflow: tf.version_core,
          ...(await doctor({ seconds: flags.seconds })),
          cache,
        };
      },
      ({ villa, tensorflow, cache, ...diagnosis }) =>
        [
          `villa ${villa}, TensorFlow.js ${tensorflow}`,
          format?.(diagnosis) ?? "",
          "",
          `Cache: ${cache.directory}${cache.files.length === 0 ? " (empty)" : ""}`,
          ...cache.files.map(({ path, bytes }) => `  ${path}  ${byteSize(bytes)}`),
        ].join("\n"),
    );
  });
};

/** A folder of the cache with more files than this is one line. */
const listedFiles = 20;

/** What the cache holds, by path: files, and folders of many files as one entry each. */
async function cachedFiles(directory: string): Promise<{ path: string; bytes: number }[]> {
  if (!existsSync(directory)) return [];
  const groups = new Map<string, { path: string; bytes: number }[]>();
  for (const path of (await readdir(directory, { recursive: true })).sort()) {
    const stats = await stat(join(directory, path)).catch(() => undefined);
    if (!stats?.isFile()) continue;
    const group = path.split(sep)[0]!;
    groups.set(group, [...(groups.get(group) ?? []), { path, bytes: stats.size }]);
  }
  return [...groups].flatMap(([path, files]) =>
    files.length <= listedFiles
      ? files
      : [{ path: `${path}${sep}`, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) }],
  );
}

function atLeastZero(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value < 3600)) throw new InvalidArgumentError("Give a number of seconds.");
  return value;
}
