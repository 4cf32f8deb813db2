import type { ComponentChildren } from "preact";

interface PanelProps {
  /** What links to it. */
  readonly id: string;
  readonly title: string;
  readonly controls: ComponentChildren;
  /** What to call the controls where they are folded away: on a phone they would push the pictures out of sight. */
  readonly folded?: string | undefined;
  readonly children: ComponentChildren;
}

/** As the page starts: a visitor who opens or closes the settings later is not overruled. */
const isWide = matchMedia("(min-width: 900px)").matches;

/** A section: controls beside, or on a phone above, what they change. */
export function Panel({ id, title, controls, folded, children }: PanelProps) {
  return (
    <section id={id} aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>{title}</h2>
      <div class="panel">
        <div class="controls">
          {folded ? (
            <details class="folded" open={isWide}>
              <summary>{folded}</summary>
              {controls}
            </details>
          ) : (
            controls
          )}
        </div>
        <div class="content">{children}</div>
      </div>
    </section>
  );
}
