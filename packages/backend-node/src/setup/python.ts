import { mkdir, readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { VillaError } from "@villa/data";
import { errorLine, type ProgramOptions, runFirst, runProgram } from "./process.ts";

/** A Python and the TensorFlow that is installed in it. */
export interface Python {
  readonly program: string;
  readonly version: string;
  /** The folder of its `tensorflow` package; null without one. */
  readonly tensorflow: string | null;
}

/**
 * Versions to fetch. Those from 2.12 to 2.21 were tried, and all fit; before 2.15 CUDA means version 11, and a later one
 * than 2.21 did not exist.
 */
const versions = ">=2.15,<2.22";
/** Only the C library of a wheel is used, which is the same in the wheels for every Python: one choice for all. */
const wheelsFor = "3.12";

/** Looks for the package without importing it, which takes seconds. */
const locate = `
import importlib.util, json, platform
spec = importlib.util.find_spec("tensorflow")
places = list(spec.submodule_search_locations or []) if spec else []
print(json.dumps({"version": platform.python_version(), "tensorflow": places[0] if places else None}))
`;

/** The libraries, the headers that the C interface includes, the licences and what says how the wheel was built. */
const unpack = `
import sys, zipfile
wheel, target = sys.argv[1:]
parts = ("libtensorflow_cc.so", "libtensorflow_framework.so", "python/platform/build_info.py", "THIRD_PARTY_NOTICES", "include/LICENSE",
         "include/tensorflow/c/", "include/tensorflow/core/platform/ctstring", "include/tensorflow/tsl/",
         "include/tsl/", "include/xla/tsl/", "include/external/local_tsl/")
with zipfile.ZipFile(wheel) as archive:
    names = archive.namelist()
    wanted = [n for n in names if n.startswith(tuple("tensorflow/" + p for p in parts)) or ".dist-info/" in n]
    archive.extractall(target, wanted)
`;

/**
 * The Python to use.
 *
 * @param program path or name; without one, `python3` and then `python`
 * @throws VillaError `NotFound` when there is none
 */
export async function findPython(program: string | undefined, options?: ProgramOptions): Promise<Python> {
  // Programs start elsewhere than in the current folder, where a folder "tensorflow" would pass for the package.
  const named = program?.includes("/") ? resolve(program) : program;
  const result = await runFirst(named === undefined ? ["python3", "python"] : [named], ["-c", locate], options);
  if (!result) {
    const problem =
      program === undefined
        ? "No Python was found (looked for python3 and python). Install Python 3 with pip"
        : `There is no Python at ${program}. Give the path of its program, as in venv/bin/python`;
    throw new VillaError("NotFound", `${problem}; it is needed to fetch and unpack TensorFlow.`);
  }
  try {
    return { program: result.program, ...(JSON.parse(result.stdout) as Omit<Python, "program">) };
  } catch (cause) {
    const message = `${result.program} does not run as a Python 3 (${errorLine(result.stderr || result.stdout)}).`;
    throw new VillaError("Unsupported", `${message} Name another one with --python PATH.`, { cause });
  }
}

/**
 * Downloads TensorFlow's wheel with pip: mirrors and proxies of pip's own settings count.
 *
 * @param name "tensorflow-cpu", or "tensorflow", whose library knows CUDA
 * @returns path of the wheel
 * @throws VillaError `NotFound` without pip; `Network`; `Unsupported` when there is no wheel for this platform
 */
export async function downloadWheel(
  python: Python,
  { name, folder, ...options }: { name: string; folder: string } & ProgramOptions,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const flags = ["--no-deps", "--only-binary=:all:", "--python-version", wheelsFor, "--dest", folder];
  const result = await runPip(python, ["download", ...flags, `${name}${versions}`], options);
  const wheel = (await readdir(folder)).find((file) => file.endsWith(".whl"));
  if (result.status === 0 && wheel) return join(folder, wheel);
  throw pipError(result.stderr, `${name} ${versions}`, python);
}

/**
 * Installs the CUDA libraries that a wheel asks for beside it, where its library looks for them.
 *
 * @param requirements as in the wheel's own list, e.g. "nvidia-cublas-cu12<13.0,>=12.5.3.2"
 */
export async function installCudaLibraries(
  python: Python,
  { requirements, site, ...options }: { requirements: readonly string[]; site: string } & ProgramOptions,
): Promise<void> {
  const flags = ["--no-deps", "--only-binary=:all:", "--no-compile", "--upgrade", "--target", site];
  const result = await runPip(python, ["install", ...flags, ...requirements], options);
  if (result.status !== 0) throw pipError(result.stderr, "TensorFlow's CUDA libraries", python);
}

/**
 * Takes out of a wheel what the binding needs: about a quarter of its files.
 *
 * @throws VillaError `InvalidFile` when it is not a wheel
 */
export async function unpackWheel(
  python: Python,
  { wheel, site, ...options }: { wheel: string; site: string } & ProgramOptions,
): Promise<void> {
  await mkdir(site, { recursive: true });
  const result = await runProgram(python.program, ["-c", unpack, wheel, site], options);
  if (result?.status === 0) return;
  const reason = errorLine(result?.stderr ?? "");
  throw new VillaError("InvalidFile", `${wheel} cannot be unpacked as a wheel (${reason}). Download it again.`);
}

async function runPip(python: Python, args: readonly string[], options: ProgramOptions) {
  const quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"];
  const [command = "", ...rest] = args;
  const result = await runProgram(python.program, ["-m", "pip", command, ...quiet, ...rest], options);
  if (result) return result;
  throw new VillaError("NotFound", `${python.program} is gone.`);
}

function pipError(stderr: string, what: string, { program, version }: Python): VillaError {
  if (/No module named pip/.test(stderr)) {
    const cure =
      "Install it (Debian: apt install python3-pip), name another Python with --python PATH, or give --wheel FILE";
    return new VillaError("NotFound", `Python ${version} at ${program} has no pip. ${cure}.`);
  }
  // pip says "no matching distribution" after it gave up on the network, too.
  if (/NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|name resolution|Retrying/i.test(stderr)) {
    const cure = "Check pip's settings, or download the wheel elsewhere and give --wheel FILE";
    return new VillaError("Network", `pip cannot reach its package index for ${what}. ${cure}.`);
  }
  if (/No matching distribution|Could not find a version/.test(stderr)) {
    const where = `${process.platform} ${process.arch}`;
    const cure =
      "TensorFlow's wheels want Linux with glibc on x64 or arm64; or give a wheel of your own with --wheel FILE";
    return new VillaError(
      "Unsupported",
      `There is no wheel of ${what} for this Python (${version}, ${where}). ${cure}.`,
    );
  }
  return new VillaError("Network", `pip failed to fetch ${what}: ${errorLine(stderr)}`);
}
