import * as tf from "@tensorflow/tfjs-core";
import type { BackendCandidate } from "@villa/core";

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
      // Batches differ in their number of regions: without this every new shape would compile its shaders again.
      tf.env().set("WEBGL_USE_SHAPES_UNIFORMS", true);
      if (!(await tf.setBackend("webgl"))) throw new Error("TF.js's WebGL backend did not start");
      await tf.ready();
    },
  };
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
