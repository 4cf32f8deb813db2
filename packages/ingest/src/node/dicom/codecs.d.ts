// What is used of packages that have no types of their own.

/** A decoder of Cornerstone's codecs, compiled to WebAssembly. */
interface CornerstoneDecoder {
  getEncodedBuffer(length: number): Uint8Array;
  decode(): void;
  getDecodedBuffer(): Uint8Array;
  delete(): void;
}

/** Where a codec's notes go; without one, to standard output. */
interface CornerstoneOptions {
  readonly print: (line: string) => void;
  readonly printErr: (line: string) => void;
}

declare module "@cornerstonejs/codec-openjpeg/decodewasmjs" {
  const load: (options: CornerstoneOptions) => Promise<{ readonly J2KDecoder: new () => CornerstoneDecoder }>;
  export = load;
}

declare module "@cornerstonejs/codec-charls/decodewasmjs" {
  const load: (options: CornerstoneOptions) => Promise<{ readonly JpegLSDecoder: new () => CornerstoneDecoder }>;
  export = load;
}

declare module "jpeg-lossless-decoder-js" {
  export class Decoder {
    decode(buffer: ArrayBufferLike, offset: number, length: number, bytesPerSample: number): Uint8Array | Uint16Array;
  }
}
