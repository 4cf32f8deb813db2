import * as tf from "@tensorflow/tfjs-core";
import type { BackendCandidate } from "@villa/core";
import { type DeviceBackend, deviceLoss, releaseDevice, startOnDevice } from "./device.ts";

/** The part of TF.js's WebGL backend that is used here. */
interface WebGlBackend extends tf.KernelBackend {
  readonly gpgpu: { readonly gl: WebGL2RenderingContext };
}

const webgl: DeviceBackend = { name: "webgl", priority: 2, watch: watchContext };

/** The GPU through WebGL, for browsers without WebGPU. Textures must hold float32, or results would be too coarse. */
export function webglBackend(): BackendCandidate {
  return {
    name: "webgl",
    device: "gpu",
    async probe({ forced } = { forced: false }) {
      const gl = newContext();
      if (!gl) return { available: false, reason: "this browser has no WebGL 2." };
      if (!gl.getExtension("EXT_color_buffer_float")) {
        return { available: false, reason: "this graphics device cannot render to float32 textures." };
      }
      const renderer = rendererOf(gl);
      gl.getExtension("WEBGL_lose_context")?.loseContext();
      if (/swiftshader|llvmpipe|software/i.test(renderer) && !forced) {
        return { available: false, reason: `the only WebGL device is a software one (${renderer}).` };
      }
      return { available: true, detail: renderer };
    },
    async activate() {
      await import("@tensorflow/tfjs-backend-webgl");
      // Left as it is: TF.js's WEBGL_USE_SHAPES_UNIFORMS, which lets shapes share shaders, mixes up those of [1, a, b] whose
      // textures are [a, b] with others, and values come out wrong.
      await startOnDevice(webgl);
    },
    lost: () => deviceLoss(webgl),
    dispose: () => {
      if (tf.getBackend() !== "webgl") releaseDevice(webgl);
    },
  };
}

function watchContext(backend: tf.KernelBackend): Promise<string> {
  const { gl } = (backend as WebGlBackend).gpgpu;
  // TF.js polls for the end of its commands, which a lost context never reports: reading a tensor would wait for ever.
  const wait = gl.clientWaitSync.bind(gl);
  gl.clientWaitSync = (...fence) => (gl.isContextLost() ? gl.ALREADY_SIGNALED : wait(...fence));
  return new Promise((resolve) => {
    gl.canvas.addEventListener("webglcontextlost", () => resolve("the browser lost its WebGL context."));
  });
}

function newContext(): WebGL2RenderingContext | null {
  const canvas =
    typeof OffscreenCanvas === "undefined" ? globalThis.document?.createElement("canvas") : new OffscreenCanvas(1, 1);
  return (canvas?.getContext("webgl2") as WebGL2RenderingContext | null | undefined) ?? null;
}

function rendererOf(gl: WebGL2RenderingContext): string {
  const details = gl.getExtension("WEBGL_debug_renderer_info");
  return String(gl.getParameter(details ? details.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
}
