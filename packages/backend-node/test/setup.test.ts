// What can go wrong while TensorFlow is set up, each with the sentence that says what to do. Small shell scripts stand in
// for Python, npm and the compiler; the real ones run in tensorflow.test.ts where asked for.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isVillaError } from "@villa/data";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { cudaBackend, removeTensorFlow, setupTensorFlow } from "../src/index.ts";
import { checkBinding } from "../src/setup/check.ts";
import { compileBinding } from "../src/setup/compile.ts";
import { downloadWheel, findPython, unpackWheel } from "../src/setup/python.ts";
import { nodeHeaders, unpackPackage } from "../src/setup/sources.ts";
import { findInstallation, libraryNames, tensorFlowFolder } from "../src/tensorflow/installation.ts";

const root = mkdtempSync(join(tmpdir(), "villa-setup-"));
afterAll(() => rmSync(root, { recursive: true }));

let at = "";
let count = 0;
beforeEach(() => {
  at = join(root, String(count++));
  mkdirSync(at);
});

/** A program that says something and ends. `says` goes to stderr where it fails. */
function program(name: string, script: string): string {
  const path = join(at, "bin", name);
  mkdirSync(join(at, "bin"), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** Only the stand-ins can be found. */
const env = () => ({ PATH: join(at, "bin"), CXX: undefined });
const python = (script: string) => ({ program: program("python3", script), version: "3.11.7", tensorflow: null });
const failing = (says: string) => `/bin/cat >&2 <<'EOF'\n${says}\nEOF\nexit 1`;

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => expect.unreachable("it worked"),
    (thrown: unknown) => thrown,
  );
  if (!isVillaError(error)) throw error;
  return `${error.code}: ${error.message}`;
}

describe("Python", () => {
  test("none: says what to install", async () => {
    expect(await refusal(findPython(undefined, { env: env() }))).toMatch(
      /^NotFound: No Python was found.*Install Python 3/,
    );
  });

  test("none where it was said to be", async () => {
    expect(await refusal(findPython(join(at, "venv"), {}))).toMatch(
      /^NotFound: There is no Python at .*venv\/bin\/python/,
    );
  });

  test("something else: says what it said", async () => {
    const path = program("python3", failing("SyntaxError: invalid syntax"));
    expect(await refusal(findPython(path))).toMatch(
      /^Unsupported: .* does not run as a Python 3 \(SyntaxError.*--python/,
    );
  });

  test("without pip: names three ways out", async () => {
    const work = downloadWheel(python(failing("/usr/bin/python3: No module named pip")), {
      name: "tensorflow-cpu",
      folder: at,
    });
    expect(await refusal(work)).toMatch(
      /^NotFound: Python 3\.11\.7 .* has no pip.*apt install python3-pip.*--wheel FILE/,
    );
  });

  test("no wheel for this Python", async () => {
    const says =
      "ERROR: Could not find a version that satisfies the requirement\nERROR: No matching distribution found";
    const work = downloadWheel(python(failing(says)), { name: "tensorflow-cpu", folder: at });
    expect(await refusal(work)).toMatch(
      /^Unsupported: There is no wheel of tensorflow-cpu .* for this Python \(3\.11\.7, .*--wheel/,
    );
  });

  test("no network is not mistaken for a missing wheel", async () => {
    const says =
      "WARNING: Retrying after connection broken by 'NewConnectionError'\nERROR: No matching distribution found";
    const work = downloadWheel(python(failing(says)), { name: "tensorflow-cpu", folder: at });
    expect(await refusal(work)).toMatch(/^Network: pip cannot reach its package index.*--wheel FILE/);
  });

  test("a file that is no wheel", async () => {
    const work = unpackWheel(python(failing("zipfile.BadZipFile: File is not a zip file")), {
      wheel: "x.whl",
      site: at,
    });
    expect(await refusal(work)).toMatch(/^InvalidFile: x\.whl cannot be unpacked as a wheel \(.*not a zip file/);
  });
});

describe("npm packages", () => {
  const target = () => join(at, "headers");

  test("without npm", async () => {
    expect(await refusal(unpackPackage(nodeHeaders, { target: target(), env: env() }))).toMatch(
      /^NotFound: npm was not found/,
    );
  });

  test("registry out of reach: npm's own words", async () => {
    program("npm", failing("npm error network request failed"));
    const work = unpackPackage(nodeHeaders, { target: target(), env: env() });
    expect(await refusal(work)).toMatch(
      /^Network: npm cannot fetch node-api-headers@1\.9\.0: npm error network request failed/,
    );
  });

  test("another file than the one that was tried", async () => {
    program("npm", 'for last; do :; done; echo other > "$last/node-api-headers-1.9.0.tgz"');
    const work = unpackPackage(nodeHeaders, { target: target(), env: env() });
    expect(await refusal(work)).toMatch(
      /^ChecksumMismatch: npm delivered another node-api-headers@1\.9\.0 than the one/,
    );
  });
});

describe("compiling", () => {
  const options = () => ({
    tfjsNode: at,
    nodeHeaders: at,
    library: at,
    searchPath: at,
    binding: join(at, "binding/tfjs_binding.node"),
    env: env(),
  });
  const giveLibraries = () => {
    for (const name of libraryNames) writeFileSync(join(at, name), "");
  };
  const giveHeaders = () => {
    mkdirSync(join(at, "include/tensorflow/c/eager"), { recursive: true });
    writeFileSync(join(at, "include/tensorflow/c/eager/c_api.h"), "");
  };

  test("a wheel without the C library", async () => {
    expect(await refusal(compileBinding(options()))).toMatch(
      /^Unsupported: .* came without its C library .*libtensorflow_cc\.so\.2/,
    );
  });

  test("a wheel without headers", async () => {
    giveLibraries();
    expect(await refusal(compileBinding(options()))).toMatch(
      /^Unsupported: .* came without the headers .*c_api\.h.*PyPI/,
    );
  });

  test("no compiler: names those looked for, and CXX", async () => {
    giveLibraries();
    giveHeaders();
    expect(await refusal(compileBinding(options()))).toMatch(
      /^NotFound: No C\+\+ compiler was found \(looked for c\+\+, g\+\+, clang\+\+\)\. Install one .*CXX/,
    );
    const named = { ...options(), env: { ...env(), CXX: "icpx" } };
    expect(await refusal(compileBinding(named))).toMatch(/looked for icpx/);
  });

  test("a TensorFlow that does not fit: the compiler's first error", async () => {
    giveLibraries();
    giveHeaders();
    program("c++", failing("In file included from x\ntf.h:1:2: fatal error: no such thing\ncompilation terminated."));
    expect(await refusal(compileBinding(options()))).toMatch(
      /^Unsupported: .* does not compile .*fatal error: no such thing/,
    );
  });

  test("a binding that does not load is found out in a process of its own", async () => {
    const path = join(at, "tfjs_binding.node");
    writeFileSync(path, "not a library");
    expect(await refusal(checkBinding(path))).toMatch(
      /^BackendUnavailable: TensorFlow was set up but does not run here: Error: .*tfjs_binding/,
    );
  });
});

describe("what was set up", () => {
  const note = { format: 1, version: "2.21.0", platform: `${process.platform} ${process.arch}`, napi: 8 };
  const install = (changed: Record<string, unknown> = {}) => {
    const folder = tensorFlowFolder(at);
    for (const file of [...libraryNames.map((name) => join(folder.site, "tensorflow", name)), folder.binding]) {
      mkdirSync(join(file, ".."), { recursive: true });
      writeFileSync(file, "");
    }
    writeFileSync(folder.note, JSON.stringify({ ...note, ...changed }));
    return folder;
  };

  test("is found", () => {
    expect(findInstallation(tensorFlowFolder(at))).toBeUndefined();
    expect(findInstallation(install())).toEqual(note);
  });

  test("for another N-API version: asks for a newer Node", () => {
    expect(findInstallation(install({ napi: 99 }))).toMatch(/needs N-API 99 and Node .* offers \d+\. Use a newer Node/);
  });

  test("on another machine, by another villa, or damaged: set up again", () => {
    expect(findInstallation(install({ platform: "linux riscv64" }))).toMatch(
      /for linux riscv64.*Run villa setup tensorflow again/,
    );
    expect(findInstallation(install({ format: 2 }))).toMatch(/another version of villa.*again/);
    const folder = install();
    rmSync(folder.binding);
    expect(findInstallation(folder)).toMatch(/tfjs_binding\.node is gone\. Run villa setup tensorflow again/);
    writeFileSync(folder.note, "{");
    expect(findInstallation(folder)).toMatch(/cannot be read\. Run/);
  });

  test("without CUDA it counts only when forced", async () => {
    install();
    const probe = await cudaBackend({ cache: at }).probe({ forced: false });
    const reason = "TensorFlow 2.21.0, built for CPUs; set VILLA_BACKEND=cuda to use it on the CPU all the same.";
    expect(probe).toEqual({ available: false, reason });
  });

  test("that does not load: the loader's words and the cure", async () => {
    install({ cuda: "12.5.1" });
    const probe = await cudaBackend({ cache: at }).probe({ forced: false });
    expect(probe).toMatchObject({ available: false });
    expect(probe.available ? "" : probe.reason).toMatch(
      /^TensorFlow 2\.21\.0, CUDA 12\.5\.1, .* does not load \(.*villa setup tensorflow/,
    );
  });

  test("a setup that fails leaves the earlier one in use", async () => {
    const folder = install();
    const missing = join(at, "no-python");
    expect(await refusal(setupTensorFlow({ cache: at, python: missing }))).toMatch(/^NotFound: There is no Python at/);
    expect(await refusal(setupTensorFlow({ cache: at, wheel: "no.whl" }))).toMatch(
      /^NotFound: There is no wheel at no\.whl/,
    );
    expect(findInstallation(folder)).toEqual(note);
    expect(readdirSync(at)).toEqual(["tensorflow"]);
  });

  test("is removed, once", async () => {
    const { root: folder } = install();
    expect(await removeTensorFlow({ cache: at })).toEqual({ folder, removed: true });
    expect(existsSync(folder)).toBe(false);
    expect(await removeTensorFlow({ cache: at })).toEqual({ folder, removed: false });
  });
});
