import { throwIfAborted, VillaError } from "@villa/data";
import type { HubReference } from "./hub-cache.ts";

/** What the hub says about a file. */
export interface HubAnswer {
  readonly commit?: string | undefined;
  /** Absent when there is no such file. */
  readonly hash?: string | undefined;
  readonly size?: number | undefined;
}

/** How {@link HubServer} is reached. */
interface HubConnection {
  readonly endpoint?: string | undefined;
  readonly token?: string | undefined;
  readonly idleTimeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A hub, asked about the files of one model. */
export class HubServer {
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly #name: string;
  readonly #reference: HubReference;
  readonly #connection: HubConnection;

  /** @param connection `name`: how the user named the model, for messages */
  constructor(reference: HubReference, { name, ...connection }: HubConnection & { readonly name: string }) {
    const { endpoint = process.env.HF_ENDPOINT || "https://huggingface.co", token = process.env.HF_TOKEN } = connection;
    this.endpoint = endpoint.replace(/\/+$/, "");
    this.headers = token ? { authorization: `Bearer ${token}` } : {};
    this.#name = name;
    this.#reference = reference;
    this.#connection = connection;
  }

  /** Where a file's contents are. */
  url(file: string, revision: string): string {
    return `${this.endpoint}/${this.#reference.repository}/resolve/${encodeURIComponent(revision)}/${file}`;
  }

  /**
   * What the hub says about a file, without its contents.
   *
   * @param revision a branch, a tag or a commit
   * @throws VillaError `Network`, `NotFound` for a model or revision that there is not, `Aborted`
   */
  async ask(file: string, revision: string): Promise<HubAnswer> {
    let url = this.url(file, revision);
    let commit: string | undefined;
    for (let hops = 0; hops < 5; hops++) {
      const { headers, status } = await this.#head(url);
      commit ??= headers.get("x-repo-commit") ?? undefined;
      const location = headers.get("location");
      const next = status >= 300 && status < 400 && location ? new URL(location, url) : undefined;
      // Renamed models and cached files are redirected on the same server. One to elsewhere describes the file itself.
      if (next?.host === new URL(url).host && !headers.has("x-linked-etag")) {
        url = next.href;
        continue;
      }
      if (status === 404 && isMissingFile(headers)) return { commit };
      if (status >= 400) throw this.#refusal(status, headers);
      const hash = (headers.get("x-linked-etag") ?? headers.get("etag"))?.replace(/^W\//, "").replaceAll('"', "");
      if (!hash || !/^[A-Za-z0-9._-]+$/.test(hash)) throw unannounced(url);
      const size = headers.get("x-linked-size") ?? (next ? null : headers.get("content-length"));
      return { commit, hash, size: size === null ? undefined : Number(size) };
    }
    throw new VillaError("Network", `${this.endpoint} redirects ${file} of ${this.#name} in circles.`);
  }

  async #head(url: string): Promise<Response> {
    const { signal, idleTimeout = 30_000 } = this.#connection;
    const timeout = AbortSignal.timeout(idleTimeout);
    try {
      const plain = { "accept-encoding": "identity" };
      const isOwn = new URL(url).host === new URL(this.endpoint).host;
      return await fetch(url, {
        method: "HEAD",
        redirect: "manual",
        headers: isOwn ? { ...plain, ...this.headers } : plain,
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
    } catch (error) {
      throwIfAborted(signal);
      const { cause, message } = error as Error & { cause?: { code?: string | undefined } | undefined };
      throw new VillaError(
        "Network",
        `Cannot reach ${this.endpoint} for ${this.#name} (${cause?.code ?? message}). Check the network or HF_ENDPOINT, or name a folder that holds the model.`,
        { cause: error },
      );
    }
  }

  #refusal(status: number, headers: Headers): VillaError {
    const { repository, revision } = this.#reference;
    const page = `${this.endpoint}/${repository}`;
    const code = headers.get("x-error-code");
    if (code === "RevisionNotFound") {
      return new VillaError("NotFound", `${repository} has no revision "${revision}" on ${this.endpoint}.`);
    }
    if (code === "RepoNotFound" || status === 404) {
      return new VillaError(
        "NotFound",
        `There is no model ${repository} on ${this.endpoint}, or it is private: set HF_TOKEN.`,
      );
    }
    if (status === 401) {
      return new VillaError(
        "Network",
        `${repository} is gated or private, or does not exist (401): accept its terms at ${page}, make an access token in your account's settings and set HF_TOKEN.`,
      );
    }
    if (status === 403) {
      return new VillaError(
        "Network",
        `HF_TOKEN gives no access to ${repository} (403): accept its terms at ${page} with the account that the token belongs to.`,
      );
    }
    return new VillaError("Network", `${this.endpoint} answers ${status} for ${repository}; try again later.`);
  }
}

/** A plain 404, without the hub's own code, is taken for a missing file. */
function isMissingFile(headers: Headers): boolean {
  const code = headers.get("x-error-code");
  return code === null || code === "EntryNotFound";
}

function unannounced(url: string): VillaError {
  return new VillaError(
    "Network",
    `${new URL(url).host} does not say which contents it sends (no ETag), so they cannot be checked; use another HF_ENDPOINT.`,
  );
}
