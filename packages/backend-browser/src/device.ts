import * as tf from "@tensorflow/tfjs-core";

/** A TF.js backend that runs on a device which may go away: a driver is reset, a laptop sleeps, another page uses it up. */
export interface DeviceBackend {
  /** As TF.js calls it. */
  readonly name: string;
  /** As TF.js registered it. */
  readonly priority: number;
  /** Resolves with the reason when the backend's device goes away. */
  watch(backend: tf.KernelBackend): Promise<string>;
}

interface Device {
  readonly lost: Promise<string>;
  isLost: boolean;
}

/** The devices in use, by backend. */
const devices = new Map<string, Device>();

/** Makes the backend the current one; on a new device if the former one went away. */
export async function startOnDevice(backend: DeviceBackend): Promise<void> {
  const { name, watch } = backend;
  if (devices.get(name)?.isLost) releaseDevice(backend);
  if (!(await tf.setBackend(name))) throw new Error(`TF.js's ${name} backend did not start`);
  await tf.ready();
  if (devices.has(name)) return;
  const device: Device = { lost: watch(tf.backend()), isLost: false };
  device.lost.then(() => {
    device.isLost = true;
  });
  devices.set(name, device);
}

/** Resolves with the reason when the device of a started backend goes away. */
export function deviceLoss({ name }: DeviceBackend): Promise<string> {
  return devices.get(name)!.lost;
}

/** Removes the backend with everything on its device. TF.js registers a backend once only, so its factory is kept. */
export function releaseDevice({ name, priority }: DeviceBackend): void {
  devices.delete(name);
  const factory = tf.findBackendFactory(name);
  if (!factory) return;
  tf.removeBackend(name);
  tf.registerBackend(name, factory, priority);
}
