import { useEffect, useRef, useState } from "preact/hooks";
import type { InputFile } from "../laboratory/protocol.ts";
import { droppedFiles } from "./input-files.ts";

/**
 * Takes files that are dropped anywhere on the page: beside a small target, the browser would leave the page for the file.
 *
 * @returns whether files are held over the page
 */
export function useDrop(take: (files: Promise<InputFile[]>) => void): boolean {
  const [isOver, setOver] = useState(false);
  const newest = useRef(take);
  newest.current = take;
  useEffect(() => {
    const over = (event: DragEvent): void => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent): void => {
      // Leaving one element for another names the other.
      if (event.relatedTarget === null) setOver(false);
    };
    const drop = (event: DragEvent): void => {
      setOver(false);
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      newest.current(droppedFiles(event.dataTransfer));
    };
    // Moving onto another element enters it, and that event comes instead of "dragover": not taken, a drop right after it would be lost.
    addEventListener("dragenter", over);
    addEventListener("dragover", over);
    addEventListener("dragleave", leave);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragenter", over);
      removeEventListener("dragover", over);
      removeEventListener("dragleave", leave);
      removeEventListener("drop", drop);
    };
  }, []);
  return isOver;
}
