/** A cosine, with a minus that is as wide as a digit. */
export const cosine = (value: number): string => value.toFixed(2).replace("-", "−");

/** A fraction as a percentage that stays on one line. */
export const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)}\u00a0%`;

/** A time that a person waits: "0.4 s", "12 s", "3 min". */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : seconds.toFixed(0)} s`;
  return `${(seconds / 60).toFixed(0)} min`;
}
