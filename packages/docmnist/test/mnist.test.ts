import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { isVillaError } from "@villa/data";
import { afterEach, describe, expect, it } from "vitest";
import { parseIdx } from "../src/index.ts";
import { downloadMnist, loadMnist } from "../src/node.ts";
import { namedDigits } from "./golden-dataset.ts";
import { idx, writeIdxFiles } from "./idx-files.ts";
import { temporaryFolders } from "./temporary-folder.ts";

const folder = temporaryFolders();
const train = namedDigits("mnist:train", 20);
const t10k = namedDigits("mnist:t10k", 10);
const failure = async (action: () => unknown): Promise<{ code: string; message: string }> => {
  try {
    await action();
  } catch (error) {
    if (isVillaError(error)) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error("accepted");
};

describe("parseIdx", () => {
  it("reads shape and data", () => {
    expect(parseIdx(idx([2, 1, 3], Uint8Array.of(1, 2, 3, 4, 5, 6)))).toEqual({
      shape: [2, 1, 3],
      data: Uint8Array.of(1, 2, 3, 4, 5, 6),
    });
  });

  it.each([
    ["empty file", new Uint8Array(0), "wrong magic number"],
    ["wrong magic number", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 0), "wrong magic number"],
    ["file of floats", Uint8Array.of(0, 0, 0x0d, 1, 0, 0, 0, 0), "wrong magic number"],
    ["truncated header", Uint8Array.of(0, 0, 8, 3, 0, 0), "truncated"],
    ["truncated file", idx([2, 2], Uint8Array.of(1, 2, 3)), "truncated"],
    ["absurd size", idx([0xffffffff, 0xffffffff, 0xffffffff], new Uint8Array(4)), "truncated"],
    ["file with more than it says", idx([2], Uint8Array.of(1, 2, 3)), "1 bytes more"],
  ])("refuses a %s", async (_, bytes, sentence) => {
    const { code, message } = await failure(() => parseIdx(bytes, "x"));
    expect([code, message]).toEqual(["InvalidFile", expect.stringContaining(sentence)]);
  });
});

describe("loadMnist", () => {
  it.each([false, true])("reads a folder of four files (gzip: %s)", async (gzip) => {
    const directory = folder();
    writeIdxFiles(directory, { train, t10k }, gzip);
    expect(await loadMnist(directory)).toEqual({ train, test: t10k });
  });

  it("lets the t10k files serve as train files, and says so", async () => {
    const directory = folder();
    writeIdxFiles(directory, { t10k });
    const digits = await loadMnist(directory);
    expect(digits.train).toEqual(t10k);
    expect(digits.test).toBeUndefined();
    expect(digits.note).toContain("10 t10k digits serve");
  });

  it("names what is missing", async () => {
    const directory = folder();
    expect((await failure(() => loadMnist(join(directory, "nowhere")))).code).toBe("NotFound");
    expect((await failure(() => loadMnist(directory))).message).toContain("neither train-images-idx3-ubyte");
    writeFileSync(join(directory, "train-images-idx3-ubyte"), idx([1, 28, 28], new Uint8Array(784)));
    expect((await failure(() => loadMnist(directory))).message).toContain("no train-labels-idx1-ubyte");
  });

  it.each<[string, string, Uint8Array, string]>([
    [
      "damaged gzip",
      "train-images-idx3-ubyte.gz",
      gzipSync(new Uint8Array(5000)).subarray(0, 12),
      "truncated or damaged",
    ],
    ["pictures of another size", "train-images-idx3-ubyte", idx([20, 2, 2], new Uint8Array(80)), "not pictures"],
    ["labels in two dimensions", "train-labels-idx1-ubyte", idx([20, 1], new Uint8Array(20)), "not labels"],
    ["labels of other pictures", "train-labels-idx1-ubyte", idx([3], new Uint8Array(3)), "has 3 labels"],
  ])("refuses %s", async (_, name, bytes, sentence) => {
    const directory = folder();
    writeIdxFiles(directory, { train }, name.endsWith(".gz"));
    writeFileSync(join(directory, name), bytes);
    const { message } = await failure(() => loadMnist(directory));
    expect(message).toContain(sentence);
    expect(message).toContain(name);
  });
});

describe("downloadMnist", () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.close();
  });
  const serve = async (contents: (name: string) => Uint8Array | undefined): Promise<string> => {
    server = createServer((request, response) => {
      const bytes = contents(request.url!.slice("/mnist/".length));
      response.statusCode = bytes ? 200 : 404;
      response.end(bytes);
    });
    await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mnist/`;
  };
  const prepared = (): { files: { name: string; md5: string }[]; source: string } => {
    const source = folder();
    writeIdxFiles(source, { train, t10k }, true);
    const files = readdirSync(source).map((name) => {
      const md5 = createHash("md5")
        .update(readFileSync(join(source, name)))
        .digest("hex");
      return { name, md5 };
    });
    return { files, source };
  };

  it("takes the second mirror when the first fails, and nothing again when the files are there", async () => {
    const { files, source } = prepared();
    let requests = 0;
    const good = await serve((name) => {
      requests++;
      return new Uint8Array(readFileSync(join(source, name)));
    });
    const mirrors = ["http://127.0.0.1:1/mnist/", good];
    const directory = await downloadMnist({ directory: join(folder(), "cache"), mirrors, files });
    expect(await loadMnist(directory)).toEqual({ train, test: t10k });
    await downloadMnist({ directory, mirrors: [], files });
    expect(requests).toBe(4);
  });

  it("refuses files of another checksum and leaves none", async () => {
    const mirror = await serve(() => new Uint8Array(100));
    const directory = folder();
    const { code, message } = await failure(() => downloadMnist({ directory, mirrors: [mirror] }));
    expect(code).toBe("ChecksumMismatch");
    expect(message).toContain("train-images-idx3-ubyte.gz");
    expect(readdirSync(directory)).toEqual([]);
  });

  it("says what failed when there is no network", async () => {
    const mirrors = ["http://127.0.0.1:1/mnist/"];
    const { code, message } = await failure(() => downloadMnist({ directory: folder(), mirrors }));
    expect(code).toBe("Network");
    expect(message).toContain("127.0.0.1:1");
  });
});
