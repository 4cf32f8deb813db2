/** Written into manifests. */
export const version = "0.1.0";
