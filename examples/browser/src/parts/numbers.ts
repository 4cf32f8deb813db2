/** A cosine, with a minus that is as wide as a digit. */
export const cosine = (value: number): string => value.toFixed(2).replace("-", "−");

/** A percentage that stays on one line. */
export const percent = (value: number): string => `${value.toFixed(1)}\u00a0%`;
