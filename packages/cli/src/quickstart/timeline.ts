/** What ran, where and for how long. */
export interface TimedStep {
  readonly name: string;
  /** Backend and threads. */
  readonly where: string;
  readonly seconds: number;
}

/** Notes how long each step of a run takes. */
export class Timeline {
  readonly steps: TimedStep[] = [];

  /** @param onStart told the name of each step as it begins */
  constructor(private readonly onStart: (name: string) => void = () => {}) {}

  async time<T>(name: string, where: string, work: () => Promise<T>): Promise<T> {
    this.onStart(name);
    const started = performance.now();
    const result = await work();
    this.steps.push({ name, where, seconds: (performance.now() - started) / 1000 });
    return result;
  }

  get seconds(): number {
    return this.steps.reduce((sum, step) => sum + step.seconds, 0);
  }
}
