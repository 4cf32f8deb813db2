import type { ComponentChildren } from "preact";

interface PanelProps {
  /** What links to it. */
  readonly id: string;
  readonly title: string;
  readonly controls: ComponentChildren;
  readonly children: ComponentChildren;
}

/** A section: controls beside, or on a phone above, what they change. */
export function Panel({ id, title, controls, children }: PanelProps) {
  return (
    <section id={id} aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>{title}</h2>
      <div class="panel">
        <div class="controls">{controls}</div>
        <div class="content">{children}</div>
      </div>
    </section>
  );
}
