/** How fast a run goes: a moving average, since the first steps (warming up) are slower than the rest. */
export class Pace {
  #last = performance.now();
  #secondsPerStep = 0;
  #examplesPerSecond = 0;

  /** Examples a second. */
  get rate(): number {
    return this.#examplesPerSecond;
  }

  /** Counts one more step. */
  count(examples: number): void {
    const now = performance.now();
    const seconds = Math.max((now - this.#last) / 1000, 1e-6);
    this.#last = now;
    const weight = this.#secondsPerStep === 0 ? 1 : 0.1;
    this.#secondsPerStep += weight * (seconds - this.#secondsPerStep);
    this.#examplesPerSecond += weight * (examples / seconds - this.#examplesPerSecond);
  }

  secondsLeft(steps: number): number {
    return steps * this.#secondsPerStep;
  }
}

/**
 * Lets timers, signals and the page have a turn about twenty times a second. CPU backends never yield by themselves, so
 * without it Ctrl-C and AbortSignals would wait for the end of the run.
 */
export class Breather {
  #last = performance.now();

  async breathe(): Promise<void> {
    if (performance.now() - this.#last < 50) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#last = performance.now();
  }
}
