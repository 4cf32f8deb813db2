import type { ComponentChildren } from "preact";
import { Fold } from "./fold.tsx";

interface PanelProps {
  /** What links to it. */
  readonly id: string;
  readonly title: string;
  readonly controls: ComponentChildren;
  /** What to call all of it where it is folded away on a phone: few visitors of one need it. */
  readonly folded?: string | undefined;
  /** Something inside has to be seen now. */
  readonly isNeeded?: boolean | undefined;
  readonly children: ComponentChildren;
}

/** A section: controls beside, or on a phone above, what they change. */
export function Panel({ id, title, controls, folded, isNeeded, children }: PanelProps) {
  const panel = (
    <div class="panel">
      <div class="controls">{controls}</div>
      <div class="content">{children}</div>
    </div>
  );
  return (
    <section id={id} aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>{title}</h2>
      {folded ? (
        <Fold title={folded} {...{ isNeeded }}>
          {panel}
        </Fold>
      ) : (
        panel
      )}
    </section>
  );
}
