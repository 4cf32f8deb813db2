import { isVillaError } from "@villa/data";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type BackendCandidate, plainCpuBackend, probeBackends, useBackend } from "../src/index.ts";

function candidate(name: string, parts: Partial<BackendCandidate> = {}): BackendCandidate {
  return { name, device: "cpu", probe: async () => ({ available: true }), activate: async () => {}, ...parts };
}
const absent = candidate("absent", { probe: async () => ({ available: false, reason: "no such device." }) });
const software = candidate("software", {
  device: "gpu",
  probe: async (request) =>
    request?.forced ? { available: true, detail: "software" } : { available: false, reason: "only in software." },
});
const broken = candidate("broken", { activate: () => Promise.reject(new Error("driver gone")) });
const throwing = candidate("throwing", { probe: () => Promise.reject(new Error("half installed")) });

afterEach(() => vi.unstubAllEnvs());

describe("useBackend", () => {
  it("takes the first that is available and starts", async () => {
    vi.stubEnv("VILLA_BACKEND", "");
    const candidates = [absent, throwing, software, broken, candidate("good"), candidate("later")];
    expect(await useBackend({ candidates })).toMatchObject({ name: "good", device: "cpu" });
  });

  it("forces by argument, else by environment", async () => {
    vi.stubEnv("VILLA_BACKEND", "later");
    const candidates = [candidate("good"), candidate("later"), software];
    expect((await useBackend({ candidates })).name).toBe("later");
    expect(await useBackend({ candidates, name: "software" })).toMatchObject({ name: "software", detail: "software" });
    expect((await useBackend({ candidates, name: "auto" })).name).toBe("good");
  });

  it.each([
    ["absent", "BackendUnavailable", "no such device"],
    ["broken", "BackendUnavailable", "driver gone"],
    ["throwing", "BackendUnavailable", "half installed"],
    ["typo", "InvalidArgument", "choose one of: auto, absent"],
  ] as const)("a forced %s fails with the reason", async (name, code, reason) => {
    const error = await useBackend({ candidates: [absent, broken, throwing, candidate("good")], name }).catch((e) => e);
    expect(isVillaError(error, code)).toBe(true);
    expect((error as Error).message).toContain(reason);
  });

  it("lists every reason when nothing runs", async () => {
    await expect(useBackend({ candidates: [absent, broken], name: "auto" })).rejects.toThrow(
      /absent: no such device.*broken: .*driver gone/,
    );
  });

  it("disposes the backend that it chose", async () => {
    const dispose = vi.fn();
    await (await useBackend({ candidates: [candidate("good", { dispose })], name: "good" })).dispose();
    expect(dispose).toHaveBeenCalledOnce();
  });

  it("hands on how a backend tells that its device went away", async () => {
    const lost = async (): Promise<string> => "driver reset.";
    expect(await (await useBackend({ candidates: [candidate("gpu", { lost })], name: "gpu" })).lost).toBe(
      "driver reset.",
    );
    expect((await useBackend({ candidates: [candidate("cpu")], name: "cpu" })).lost).toBeUndefined();
  });

  it("activates plain JavaScript for real", async () => {
    const { getBackend } = await import("@tensorflow/tfjs-core");
    expect((await useBackend({ candidates: [plainCpuBackend()], name: "cpu" })).name).toBe("cpu");
    expect(getBackend()).toBe("cpu");
  });
});

it("probeBackends can look at one as if it were forced", async () => {
  const reports = await probeBackends([absent, software], { forced: "software" });
  expect(reports.map(({ probe }) => probe.available)).toEqual([false, true]);
});

it("probeBackends reports every candidate without activating one", async () => {
  const activate = vi.fn();
  const reports = await probeBackends([absent, throwing, candidate("good", { activate })]);
  expect(reports.map(({ name, probe }) => [name, probe.available])).toEqual([
    ["absent", false],
    ["throwing", false],
    ["good", true],
  ]);
  expect(activate).not.toHaveBeenCalled();
});
