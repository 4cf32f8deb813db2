import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateRawSync, crc32 as nodeCrc32 } from "node:zlib";
import { findPython } from "@villa/testing";
import fc from "fast-check";
import { zipSync } from "fflate";
import { describe, expect, test } from "vitest";
import { openZip } from "../src/formats/zip/reader.ts";
import { writeZip, zipMember } from "../src/formats/zip/writer.ts";
import { crc32, isVillaError } from "../src/index.ts";
import { temporaryFolder, thrown } from "./temporary.ts";

const folder = temporaryFolder();
const python = findPython("zipfile");
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

test("CRC-32 of any bytes, in one piece or two", () => {
  expect(crc32(text("123456789"))).toBe(0xcbf43926);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, at) => {
      expect(crc32(bytes.subarray(at), crc32(bytes.subarray(0, at)))).toBe(crc32(bytes));
      if (nodeCrc32) expect(crc32(bytes)).toBe(nodeCrc32(bytes));
    }),
  );
});

test("archives survive, at any alignment and level", () => {
  const member = fc.tuple(fc.stringMatching(/^[a-zé]{1,9}$/), fc.uint8Array({ maxLength: 200 }));
  fc.assert(
    fc.property(
      fc.uniqueArray(member, { selector: ([name]) => name, maxLength: 5 }),
      fc.constantFrom(1, 8, 64),
      fc.constantFrom(0 as const, 6 as const),
      (members, alignment, level) => {
        const bytes = writeZip(
          members.map(([name, contents]) => zipMember(name, contents, level)),
          alignment,
        );
        const archive = openZip(bytes);
        expect([...archive.entries.keys()]).toEqual(members.map(([name]) => name));
        for (const [name, contents] of members) {
          const read = archive.read(name);
          expect(read).toEqual(contents);
          if (!archive.entries.get(name)!.compressed) expect(read.byteOffset % alignment).toBe(0);
        }
      },
    ),
  );
});

test.skipIf(!python)("Python reads ours, and we read Python's ZIP64", () => {
  const path = join(folder, "a.zip");
  writeFileSync(path, writeZip([zipMember("a/é.txt", text("hello hello hello"), 6), zipMember("b", text("x"))], 64));
  expect(python!.run("import sys, zipfile\nprint(zipfile.ZipFile(sys.argv[1]).testzip())", path).trim()).toBe("None");
  python!.run(
    `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as z:
    with z.open("big", "w", force_zip64=True) as f: f.write(b"abc" * 1000)
    z.writestr("small", b"abc")
    z.comment = b"a comment"`,
    path,
  );
  const archive = openZip(new Uint8Array(readFileSync(path)));
  expect(archive.read("big")).toEqual(text("abc".repeat(1000)));
  expect(archive.read("small")).toEqual(text("abc"));
});

test("ZIP64 end records are followed", () => {
  // What a writer leaves that does not know the size in advance: 32-bit fields saturated, the true ones elsewhere.
  const bytes = writeZip([zipMember("a", text("abc"))]);
  const plain = new DataView(bytes.buffer);
  const end = bytes.length - 22;
  const directory = plain.getUint32(end + 16, true);
  const wide = new Uint8Array(bytes.length + 56 + 20);
  const view = new DataView(wide.buffer);
  wide.set(bytes.subarray(0, end));
  view.setUint32(end, 0x06064b50, true);
  view.setBigUint64(end + 32, 1n, true);
  view.setBigUint64(end + 40, BigInt(end - directory), true);
  view.setBigUint64(end + 48, BigInt(directory), true);
  view.setUint32(end + 56, 0x07064b50, true);
  view.setBigUint64(end + 64, BigInt(end), true);
  wide.set(bytes.subarray(end), end + 76);
  view.setUint16(end + 76 + 10, 0xffff, true);
  view.setUint32(end + 76 + 12, 0xffffffff, true);
  view.setUint32(end + 76 + 16, 0xffffffff, true);
  expect(openZip(wide).read("a")).toEqual(text("abc"));
});

describe("hostile archives", () => {
  /** An archive whose directory claims what it likes about its one deflated member. */
  function lying(
    contents: Uint8Array,
    claims: {
      size?: number | undefined;
      crc?: number | undefined;
      method?: number | undefined;
      flags?: number | undefined;
    },
  ) {
    const deflated = deflateRawSync(contents);
    const member = { name: "a", crc32: claims.crc ?? crc32(contents), bytes: deflated, deflated: true };
    const bytes = writeZip([{ ...member, size: claims.size ?? contents.length }]);
    const view = new DataView(bytes.buffer);
    const directory = view.getUint32(bytes.length - 6, true);
    if (claims.method !== undefined) view.setUint16(directory + 10, claims.method, true);
    if (claims.flags !== undefined) view.setUint16(directory + 8, claims.flags, true);
    return bytes;
  }

  test("a bomb stops at the memory limit, before it is inflated", () => {
    const bomb = lying(new Uint8Array(10_000_000), {});
    expect(bomb.length).toBeLessThan(20_000);
    const error = thrown(() => openZip(bomb, "NPZ file", { maxBytes: 1_000_000 }).read("a"));
    expect(error).toMatchObject({ code: "UnsafeFile", message: expect.stringContaining("maxBytes") });
    expect(openZip(bomb, "NPZ file").read("a")).toHaveLength(10_000_000);
  });

  test("members count together", () => {
    const members = [0, 1, 2].map((i) => zipMember(`${i}`, new Uint8Array(500_000), 6));
    const archive = openZip(writeZip(members), "NPZ file", { maxBytes: 1_200_000 });
    archive.read("0");
    archive.read("1");
    expect(thrown(() => archive.read("2"))).toMatchObject({ code: "UnsafeFile" });
  });

  test.each([
    ["a member larger than declared", { size: 10 }, "InvalidFile"],
    ["a member smaller than declared", { size: 5000 }, "InvalidFile"],
    ["an impossible declared size", { size: 2 ** 31 }, "UnsafeFile"],
    ["a wrong checksum", { crc: 1 }, "InvalidFile"],
    ["an unknown method", { method: 99 }, "Unsupported"],
    ["encryption", { flags: 1 }, "Unsupported"],
  ])("%s", (_, claims, code) => {
    const bytes = lying(new Uint8Array(1000).fill(7), claims);
    expect(thrown(() => openZip(bytes).read("a"))).toMatchObject({ name: "VillaError", code });
  });

  test("stored contents are compared with their checksum, unless told not to", () => {
    const bytes = writeZip([zipMember("a", text("abc"))]);
    bytes[31] = 0x58;
    expect(thrown(() => openZip(bytes).read("a"))).toMatchObject({ code: "InvalidFile" });
    expect(openZip(bytes, "file", { checksums: false }).read("a")).toHaveLength(3);
  });

  test("truncation anywhere, and any damage, give a VillaError or the contents", () => {
    const bytes = zipSync({ "a.npy": text("hello hello hello hello"), "b.npy": [text("x"), { level: 0 }] });
    for (let length = 0; length < bytes.length; length++) {
      expect(
        thrown(() => openZip(bytes.subarray(0, length))),
        `${length}`,
      ).toMatchObject({ code: "InvalidFile" });
    }
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const damaged = bytes.slice();
          for (const [at, value] of changes) damaged[at] = value;
          const error = thrown(() => {
            const archive = openZip(damaged, "file", { maxBytes: 1 << 20 });
            for (const name of archive.entries.keys()) archive.read(name);
          });
          if (error !== undefined) expect(isVillaError(error), String(error)).toBe(true);
        },
      ),
      { numRuns: Number(process.env.VILLA_FUZZ ?? 1000) },
    );
  });
});
