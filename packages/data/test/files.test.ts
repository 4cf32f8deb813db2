import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { VillaError } from "../src/index.ts";
import {
  atomicWriteFile,
  cacheDirectory,
  fileError,
  fileSource,
  readFileBytes,
  replaceFolder,
  withPath,
} from "../src/node.ts";
import { temporaryFolder } from "./temporary.ts";

const folder = temporaryFolder();
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe("atomicWriteFile", () => {
  test("writes bytes, text and pieces, making folders, replacing what was there", async () => {
    const path = join(folder, "a", "b", "file.txt");
    await atomicWriteFile(path, text("bytes"));
    expect(readFileSync(path, "utf8")).toBe("bytes");
    await atomicWriteFile(path, "text");
    expect(readFileSync(path, "utf8")).toBe("text");
    await atomicWriteFile(path, [text("pie"), text("ces")]);
    expect(readFileSync(path, "utf8")).toBe("pieces");
    expect(readdirSync(join(folder, "a", "b"))).toEqual(["file.txt"]);
  });

  test("a failure in the middle leaves the old file and nothing else", async () => {
    const path = join(folder, "kept", "file.txt");
    await atomicWriteFile(path, "old");
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield text("new, but only ha");
      throw new VillaError("Aborted", "stopped");
    }
    await expect(atomicWriteFile(path, failing())).rejects.toMatchObject({ code: "Aborted" });
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(join(folder, "kept"))).toEqual(["file.txt"]);
  });

  test("a function may write the file, whole or not at all", async () => {
    const path = join(folder, "written", "file.txt");
    await atomicWriteFile(path, async (temporary) => writeFileSync(temporary, "by another"));
    expect(readFileSync(path, "utf8")).toBe("by another");
    const half = async (temporary: string): Promise<void> => {
      writeFileSync(temporary, "ha");
      throw new VillaError("Aborted", "stopped");
    };
    await expect(atomicWriteFile(path, half)).rejects.toMatchObject({ code: "Aborted" });
    await expect(atomicWriteFile(path, async () => undefined)).rejects.toMatchObject({ name: "VillaError" });
    expect(readFileSync(path, "utf8")).toBe("by another");
    expect(readdirSync(join(folder, "written"))).toEqual(["file.txt"]);
  });

  test("what the system refuses is said in a sentence", async () => {
    const file = join(folder, "plain");
    writeFileSync(file, "");
    await expect(atomicWriteFile(join(file, "below"), "x")).rejects.toMatchObject({
      name: "VillaError",
      code: expect.stringMatching(/FileSystem|NotFound/),
      message: expect.stringContaining(file),
    });
    mkdirSync(join(folder, "taken"));
    await expect(atomicWriteFile(join(folder, "taken"), "x")).rejects.toMatchObject({ code: "FileSystem" });
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("full disks and missing permission have their own words", () => {
    // Node's recursive mkdir says ENOENT of folders that it may not make.
    const closed = join(folder, "closed");
    mkdirSync(closed, { mode: 0o555 });
    const missing = (path: string) =>
      fileError(Object.assign(new Error("?"), { code: "ENOENT" }), { path, doing: "write" });
    expect(missing(join(folder, "a", "none", "x"))).toMatchObject({ code: "NotFound" });
    if (process.getuid?.() !== 0 && process.platform !== "win32") {
      const message = expect.stringContaining("permission is denied");
      expect(missing(join(closed, "some", "x"))).toMatchObject({ code: "FileSystem", message });
    }
    const refused = (code: string) =>
      fileError(Object.assign(new Error("?"), { code }), { path: "/x", doing: "write" }) as VillaError;
    expect(refused("ENOSPC").message).toBe("Cannot write /x: there is no space left on the device.");
    expect(refused("EACCES").message).toBe("Cannot write /x: permission is denied.");
    const other = new TypeError("a bug");
    expect(fileError(other, { path: "/x", doing: "write" })).toBe(other);
  });
});

describe("reading", () => {
  test("readFileBytes reads all of a file and names one that is missing", async () => {
    const path = join(folder, "r.bin");
    writeFileSync(path, "0123456789");
    expect(await readFileBytes(path)).toEqual(text("0123456789"));
    const missing = join(folder, "missing.bin");
    await expect(readFileBytes(missing)).rejects.toMatchObject({
      code: "NotFound",
      message: `There is no file ${missing}.`,
    });
    await expect(readFileBytes(folder)).rejects.toMatchObject({
      code: "FileSystem",
      message: expect.stringContaining("it is a folder"),
    });
    await expect(readFileBytes(path, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "Aborted" });
  });

  test("fileSource reads ranges", async () => {
    const path = join(folder, "s.bin");
    writeFileSync(path, "0123456789");
    const source = await fileSource(path);
    expect(source.size).toBe(10);
    expect(await source.read(2, 5)).toEqual(text("234"));
    expect(await source.read(5, 5)).toEqual(text(""));
    await expect(fileSource(join(folder, "missing"))).rejects.toMatchObject({ code: "NotFound" });
  });

  test("withPath puts the file in front of what is wrong with it", async () => {
    const fails = () => Promise.reject(new VillaError("InvalidFile", "It is damaged."));
    await expect(withPath("/x/y", fails)).rejects.toMatchObject({
      code: "InvalidFile",
      message: "/x/y: It is damaged.",
    });
  });
});

test("the cache is where the environment or the system says", () => {
  expect(cacheDirectory({ VILLA_CACHE: "/c" }, "linux")).toBe("/c");
  expect(cacheDirectory({ XDG_CACHE_HOME: "/x" }, "linux")).toBe(join("/x", "villa"));
  expect(cacheDirectory({}, "linux")).toMatch(/\.cache.villa$/);
  expect(cacheDirectory({}, "darwin")).toMatch(/Library.Caches.villa$/);
  expect(cacheDirectory({ LOCALAPPDATA: "L" }, "win32")).toBe(join("L", "villa", "Cache"));
  expect(existsSync("/c/villa")).toBe(false);
});

describe("replaceFolder", () => {
  let cases = 0;
  const folders = () => {
    const root = join(folder, `replace-${cases++}`);
    mkdirSync(root);
    const [made, place] = [join(root, "made"), join(root, "place")];
    mkdirSync(made);
    writeFileSync(join(made, "file"), "new");
    return { root, made, place };
  };

  test("moves a folder to where nothing is, and into the place of another", async () => {
    for (const isThere of [false, true]) {
      const { root, made, place } = folders();
      if (isThere) mkdirSync(join(place, "old"), { recursive: true });
      await replaceFolder(made, place);
      expect(readdirSync(root)).toEqual(["place"]);
      expect(readdirSync(place)).toEqual(["file"]);
    }
  });

  test("leaves the old one in its place when the new one is not there", async () => {
    const { root, place } = folders();
    mkdirSync(join(place, "old"), { recursive: true });
    await expect(replaceFolder(join(root, "nowhere"), place)).rejects.toMatchObject({ code: "NotFound" });
    expect(readdirSync(root).sort()).toEqual(["made", "place"]);
    expect(readdirSync(place)).toEqual(["old"]);
  });
});
