import { Clock, type WorkerMessage, type WorkerTask } from "./campaign.ts";
import { loadFormat, runCase } from "./fuzz-case.ts";

const { jobs, seed, clock: path } = JSON.parse(process.argv[2]!) as WorkerTask;
const post = (message: WorkerMessage): Promise<void> =>
  new Promise((resolve, reject) => {
    process.send!(message, undefined, undefined, (error) => (error ? reject(error) : resolve()));
  });
const clock = new Clock(path);

for (const [job, { format, from, to }] of jobs.entries()) {
  const loaded = await loadFormat(format);
  const start = performance.now();
  let [read, refused] = [0, 0];
  for (let index = from; index < to; index++) {
    clock.begin(job, index);
    const { outcome, find } = await runCase(loaded, seed, index);
    if (outcome === "value") read++;
    else refused++;
    // Told at once: a later input may be the process's last.
    if (find) await post({ find: { format, index, ...find } });
    // Readers that never wait let no message through, such as that the parent process is gone.
    if (index % 256 === 0) await new Promise(setImmediate);
    if (!process.connected) process.exit(1);
  }
  clock.stop();
  await post({ done: { format, read, refused, seconds: (performance.now() - start) / 1000 } });
}
process.disconnect();
