/** Three decimals, as far as they say something. */
export const epsilonText = (epsilon: number): string => String(Number(epsilon.toFixed(3)));
