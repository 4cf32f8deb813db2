const channel = new MessageChannel();

/**
 * Lets the worker take the messages that wait for it, such as "stop". Results of the wasm backend are promises that are
 * settled at once, so nothing else in a training would. (A timer would wait for 4 ms each time.)
 */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    channel.port1.onmessage = () => resolve();
    channel.port2.postMessage(null);
  });
}
