// Job scripts and manifests, without a cluster: their commands are valid, and their numbers agree.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runVilla } from "@villa/cli";
import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";

const here = join(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "villa-cluster-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Job {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly completionMode?: string | undefined;
    readonly completions?: number | undefined;
    readonly parallelism?: number | undefined;
    readonly template: {
      readonly spec: {
        readonly containers: readonly [
          {
            readonly args: readonly string[];
            readonly env: readonly { readonly name: string; readonly value: string }[];
            readonly resources: { readonly limits: { readonly cpu: string } };
          },
        ];
      };
    };
  };
}

/** A command that is called rightly and finds no data fails with 1; one that is called wrongly, with 2. */
async function isWellFormed(argv: readonly string[]): Promise<void> {
  const errors: string[] = [];
  const terminal = { out: () => undefined, err: (line: string) => errors.push(line), interactive: false };
  expect(
    await runVilla(
      [...argv, "--backend", "cpu"].filter((word, i, all) => allowed(word, i, all)),
      terminal,
    ),
    errors.join("\n"),
  ).toBe(1);
  expect(errors.join("\n")).toMatch(/There is no/);
}

/** ingest computes nothing, so it takes no backend. */
const allowed = (word: string, i: number, all: readonly string[]): boolean =>
  !(all.includes("ingest") && (word === "--backend" || (word === "cpu" && all[i - 1] === "--backend")));

const manifests = readdirSync(join(here, "kubernetes")).filter((name) => name.endsWith(".yaml"));

describe.each(manifests)("kubernetes/%s", (name) => {
  const job = parse(readFileSync(join(here, "kubernetes", name), "utf8")) as Job;
  const [container] = job.spec.template.spec.containers;
  const variables = Object.fromEntries(container.env.map(({ name: key, value }) => [key, value]));

  test("numbers agree", () => {
    expect(name).toBe(`${name[0]}-${job.metadata.name.replace("villa-", "")}.yaml`);
    expect(variables.VILLA_THREADS).toBe(container.resources.limits.cpu);
    const isShared = job.spec.completionMode === "Indexed";
    expect(isShared).toBe(!/merge|stage2/.test(name));
    expect(variables.VILLA_SHARD_COUNT).toBe(isShared ? String(job.spec.completions) : undefined);
    expect(job.spec.parallelism).toBe(job.spec.completions);
  });

  test("the command is right", () => isWellFormed(container.args));
});

describe("kubernetes/pipeline.sh", () => {
  /** Runs it with a stand-in for `kubectl` that knows how a Job has ended. */
  const run = (state: string) => {
    const log = join(folder, `kubectl-${state}.log`);
    const say = `echo "$*" >> ${log}; case "$*" in *get*1-ingest.yaml*) echo ${state} ;; *get*) echo SuccessCriteriaMet Complete ;; esac`;
    writeFileSync(join(folder, "kubectl"), `#!/usr/bin/env bash\n${say}\n`, { mode: 0o755 });
    const { status, stderr } = spawnSync("bash", [join(here, "kubernetes/pipeline.sh"), "mine"], {
      env: { PATH: `${folder}:${process.env.PATH}` },
      encoding: "utf8",
    });
    const applied = readFileSync(log, "utf8").match(/(?<=apply --filename )\S+/g) ?? [];
    return { status, stderr, applied };
  };

  test("applies every manifest in order, each when the one before is complete", () => {
    const { status, stderr, applied } = run("Complete");
    expect(status, stderr).toBe(0);
    const order = (name: string) => name.replace(".yaml", "");
    expect(applied).toEqual([...manifests].sort((a, b) => (order(a) < order(b) ? -1 : 1)));
  });

  test("stops at a Job that has failed", () => {
    const { status, stderr, applied } = run("Failed");
    expect(status).toBe(1);
    expect(stderr).toContain("The Job of 1-ingest.yaml has failed");
    expect(applied).toEqual(["1-ingest.yaml"]);
  });
});

describe("SLURM", () => {
  /** Runs a script with stand-ins for `villa` and `sbatch` that print how they were called. */
  const run = (script: string, args: readonly string[], environment: Record<string, string> = {}): string[] => {
    for (const command of ["villa", "sbatch"]) {
      const say = command === "sbatch" ? 'echo "sbatch $*" >&2; echo $RANDOM' : `echo "\${*// /␠}" >&2`;
      writeFileSync(join(folder, command), `#!/usr/bin/env bash\n${say}\n`, { mode: 0o755 });
    }
    const { status, stderr } = spawnSync("bash", [join(here, "slurm", script), ...args], {
      env: {
        HOME: "/home/me",
        PATH: `${folder}:${process.env.PATH}`,
        SLURM_SUBMIT_DIR: join(here, "slurm"),
        ...environment,
      },
      encoding: "utf8",
    });
    expect(status, stderr).toBe(0);
    return stderr.trim().split("\n");
  };

  test.each(["ingest", "preprocess", "stage1", "evaluate"])("%s: array and merge call villa rightly", async (step) => {
    const [command] = run("array.sh", [step]);
    const [merge] = run("merge.sh", [step]);
    expect(merge).toBe(`merge ${command}`);
    await isWellFormed(command!.split(" "));
    await isWellFormed(merge!.split(" "));
  });

  test("paths may have spaces", () => {
    for (const step of ["ingest", "preprocess", "stage1", "evaluate"]) {
      const [command] = run("array.sh", [step], { HOME: "/home/my self" });
      expect(command).toContain("/home/my␠self/");
      expect(command).not.toContain(" self");
    }
  });

  test("stage2 calls villa rightly", () => isWellFormed(run("stage2.sh", [])[0]!.split(" ")));

  test("the pipeline submits every job after the one before it", () => {
    const jobs = run("pipeline.sh", [], { SHARDS: "4" });
    expect(jobs.map((job) => job.replace(/--dependency=afterok:\d+ --kill-on-invalid-dep=yes/, "AFTER"))).toEqual([
      "sbatch --parsable --array=0-3 array.sh ingest",
      "sbatch --parsable AFTER merge.sh ingest",
      "sbatch --parsable AFTER --array=0-3 array.sh preprocess",
      "sbatch --parsable AFTER merge.sh preprocess",
      "sbatch --parsable AFTER --array=0-3 array.sh stage1",
      "sbatch --parsable AFTER merge.sh stage1",
      "sbatch --parsable AFTER stage2.sh",
      "sbatch --parsable AFTER --array=0-3 array.sh evaluate",
      "sbatch --parsable AFTER merge.sh evaluate",
    ]);
  });

  test("all scripts are valid shell", () => {
    for (const script of [
      ...readdirSync(join(here, "slurm")).map((name) => `slurm/${name}`),
      "kubernetes/pipeline.sh",
    ]) {
      expect(spawnSync("bash", ["-n", join(here, script)]).status, script).toBe(0);
    }
  });
});
