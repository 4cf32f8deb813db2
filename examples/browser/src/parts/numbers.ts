/** A cosine, with a minus that is as wide as a digit. */
export const cosine = (value: number): string => value.toFixed(2).replace("-", "−");

/** A fraction as a percentage that stays on one line. */
export const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)}\u00a0%`;
