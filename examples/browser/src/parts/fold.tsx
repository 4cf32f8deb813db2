import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

const wide = matchMedia("(min-width: 900px)");

interface FoldProps {
  readonly title: string;
  /** What is inside has to be seen now. */
  readonly isNeeded?: boolean | undefined;
  readonly children: ComponentChildren;
}

/** Shown on a wide page; on a phone, where it would push the images out of sight, under a title that opens it. */
export function Fold({ title, isNeeded = false, children }: FoldProps) {
  const [isWide, setWide] = useState(wide.matches);
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    const follow = (): void => setWide(wide.matches);
    wide.addEventListener("change", follow);
    return () => wide.removeEventListener("change", follow);
  }, []);
  useEffect(() => {
    if (isNeeded) setOpen(true);
  }, [isNeeded]);
  return (
    <details
      class="folded"
      open={isWide || isOpen}
      onToggle={({ currentTarget }) => {
        // A page that becomes wide opens it without the visitor having asked.
        if (!wide.matches) setOpen(currentTarget.open);
      }}
    >
      <summary>{title}</summary>
      {children}
    </details>
  );
}
