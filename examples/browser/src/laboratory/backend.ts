import { browserBackends, useBrowserBackend } from "@villa/backend-browser";
import { probeBackends } from "@villa/core";
import type { BackendInUse, BackendName } from "./protocol.ts";

/** A backend, as the page is told of it, and what tells that its device went away. */
export interface ChosenBackend {
  readonly backend: BackendInUse;
  readonly lost: Promise<string> | undefined;
}

/** Makes a backend the current one; "auto" takes the fastest. @throws VillaError `BackendUnavailable` */
export async function chooseBackend(name: BackendName): Promise<ChosenBackend> {
  const active = await useBrowserBackend({ name });
  const reports = name === "auto" ? await probeBackends(browserBackends()) : [];
  const passedOver = reports
    .slice(
      0,
      reports.findIndex((report) => report.name === active.name),
    )
    .flatMap(({ name: other, probe }) => (probe.available ? [] : [`${other}: ${probe.reason}`]));
  const own = browserBackends().find((candidate) => candidate.name === active.name);
  // What "auto" would not take is slow: software in place of a graphics card.
  const software = name !== "auto" && own !== undefined && !(await own.probe()).available;
  return { backend: { name: active.name, detail: active.detail ?? "", passedOver, software }, lost: active.lost };
}
