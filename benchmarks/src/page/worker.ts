// A worker of the measured page, as the laboratory has one: runs the cases on one runtime with some threads, when asked to.
import type { CaseName, Cases } from "./cases.ts";

export type Runtime = "ours" | "onnx";

/** What the page asks for: first a runtime, then cases. */
export type Request =
  | { readonly start: Runtime; readonly threads: number }
  | { readonly run: CaseName; readonly seconds: number };

export interface Answer {
  /** Of each run, in seconds. */
  readonly times?: readonly number[];
  /** Of the absolute values of what came out: equal on both sides where both compute the same. */
  readonly sum?: number;
  readonly problem?: string;
}

let cases: Promise<Cases> | undefined;

self.onmessage = async ({ data }: MessageEvent<Request>) => {
  try {
    self.postMessage(await answer(data));
  } catch (error) {
    self.postMessage({ problem: String(error) } satisfies Answer);
  }
};

async function answer(request: Request): Promise<Answer> {
  if ("start" in request) {
    if (!crossOriginIsolated) throw new Error("The page is not isolated: no threads.");
    const { threads } = request;
    cases =
      request.start === "ours"
        ? import("./ours.ts").then(({ openOurs }) => openOurs(threads))
        : import("./onnx.ts").then(({ openOnnx }) => openOnnx(threads));
    await cases;
    return {};
  }
  const work = (await cases!)[request.run];
  const sum = (await work()).reduce((all, value) => all + Math.abs(value), 0);
  const times: number[] = [];
  const until = performance.now() + 1000 * request.seconds;
  while (times.length < 2 || performance.now() < until) {
    const from = performance.now();
    await work();
    times.push((performance.now() - from) / 1000);
  }
  return { times, sum };
}
