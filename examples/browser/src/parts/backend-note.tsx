import type { BackendInUse } from "../laboratory/protocol.ts";

interface BackendNoteProps {
  readonly backend: BackendInUse;
  /** What it took. */
  readonly seconds?: number | undefined;
}

/** What computes, why nothing faster does, and, where that is known, that something else would be faster. */
export function BackendNote({ backend: { name, detail, passedOver, software }, seconds }: BackendNoteProps) {
  return (
    <>
      <details class="soft">
        <summary>
          Computed on <b data-test="backend">{name}</b>
        </summary>
        <p>{detail}</p>
        {passedOver.map((reason) => (
          <p key={reason}>{reason}</p>
        ))}
        {seconds !== undefined && <p>{seconds.toFixed(1)} s in all</p>}
      </details>
      {software && (
        <p class="soft" data-test="software">
          There is no graphics card behind {name} here, so it is slow: the processor stands in for one. “auto” takes
          wasm, which is many times faster.
        </p>
      )}
    </>
  );
}
