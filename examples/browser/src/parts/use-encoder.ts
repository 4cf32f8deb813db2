import { useCallback, useMemo, useRef, useState } from "preact/hooks";
import type { RemoteLaboratory } from "../laboratory/connect.ts";
import type { EncoderSummary, EncoderTrial, InputFile } from "../laboratory/protocol.ts";
import { problemOf } from "./problem.ts";

/** The visitor's encoder, as far as it is known. */
export interface EncoderState {
  /** Files are being read, or one image is being embedded. */
  readonly busy?: "reading" | "trying" | undefined;
  readonly summary?: EncoderSummary | undefined;
  readonly trial?: EncoderTrial | undefined;
  readonly problem?: string | undefined;
}

export interface OwnEncoder {
  readonly state: EncoderState;
  /** Takes files for an encoder. What is not one leaves the former encoder in use. */
  take(files: readonly InputFile[]): void;
  forget(): void;
}

export function useEncoder(laboratory: RemoteLaboratory): OwnEncoder {
  const [state, setState] = useState<EncoderState>({});
  const newest = useRef(state);
  const show = useCallback((next: EncoderState) => {
    newest.current = next;
    setState(next);
  }, []);
  const take = useCallback(
    async (files: readonly InputFile[]) => {
      if (files.length === 0) return;
      if (newest.current.busy) {
        show({ ...newest.current, problem: "The files before are still being read; bring these when that is done." });
        return;
      }
      const { summary: former, trial: formerTrial } = newest.current;
      show({ ...newest.current, busy: "reading", problem: undefined });
      try {
        const summary = await laboratory.useEncoder(files);
        const { problem } = newest.current;
        show({ summary, busy: "trying", problem });
        const trial = await laboratory.tryEncoder("wasm");
        show({ summary, trial, problem: newest.current.problem });
      } catch (error) {
        const isRefused = newest.current.busy === "reading";
        // Weights that are recognised but do not load are no encoder either.
        if (!isRefused) await laboratory.forgetEncoder();
        const [summary, trial] = isRefused ? [former, formerTrial] : [];
        show({ summary, trial, problem: problemOf(error) });
      }
    },
    [laboratory, show],
  );
  const forget = useCallback(async () => {
    await laboratory.forgetEncoder();
    show({});
  }, [laboratory, show]);
  return useMemo(() => ({ state, take, forget }), [state, take, forget]);
}
