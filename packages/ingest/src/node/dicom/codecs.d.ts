// What is used of packages that have no types of their own.

/** A decoder of Cornerstone's codecs, compiled to WebAssembly. */
interface CornerstoneDecoder {
  getEncodedBuffer(length: number): Uint8Array;
  decode(): void;
  getDecodedBuffer(): Uint8Array;
  delete(): void;
}

declare module "@cornerstonejs/codec-openjpeg/decodewasmjs" {
  const load: () => Promise<{ readonly J2KDecoder: new () => CornerstoneDecoder }>;
  export = load;
}

declare module "@cornerstonejs/codec-charls/decodewasmjs" {
  const load: () => Promise<{ readonly JpegLSDecoder: new () => CornerstoneDecoder }>;
  export = load;
}

declare module "jpeg-lossless-decoder-js" {
  export class Decoder {
    decode(buffer: ArrayBufferLike, offset: number, length: number, bytesPerSample: number): Uint8Array | Uint16Array;
  }
}
