import { useEffect, useState } from "preact/hooks";

/** Sections that show what a model says. */
const sections = ["map", "ask", "compare"];
const wanted = "villa-model-wanted";

/** Whether a model is needed: its sections come into sight, or the story asks for it. It is a download until then. */
export function useModelInUse(): boolean {
  const [isUsed, setUsed] = useState(false);
  useEffect(() => {
    const use = (): void => setUsed(true);
    const observer = new IntersectionObserver(
      (entries) => entries.some(({ isIntersecting }) => isIntersecting) && use(),
    );
    for (const id of sections) observer.observe(document.getElementById(id)!);
    addEventListener(wanted, use);
    return () => {
      observer.disconnect();
      removeEventListener(wanted, use);
    };
  }, []);
  return isUsed;
}

export const askForModel = (): boolean => dispatchEvent(new Event(wanted));
