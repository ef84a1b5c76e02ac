// A server that answers as a test has written down, and keeps what it was asked. Speaks HTTP on a free port; it is no hub.

import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as it came. */
export interface Asked {
  readonly path: string | undefined;
  readonly method: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

/** How to answer: a status with JSON and headers, or whatever a test does with the response. */
export type Answer =
  | { readonly status: number; readonly json?: unknown; readonly headers?: Record<string, string> }
  | ((response: ServerResponse) => void);

/** What a hub says to a publication. */
export const PUBLISHED = {
  success: true,
  id: "0190c8a2-5b7e-7c31-9d0f-2f6f3a1c4e55",
  recipients: 2,
} as const;

/** The server of a test. */
export class ScriptedHub {
  readonly asked: Asked[] = [];
  /** The answer after the last of those that were given. */
  otherwise: Answer = { status: 200, json: PUBLISHED };
  url = "";
  readonly #server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { url: path, method, headers } = request;
      const text = Buffer.concat(chunks).toString() || "null";
      const inLines = headers["content-type"] === "application/x-ndjson";
      const body: unknown = inLines
        ? text
            .trimEnd()
            .split("\n")
            .map((line) => JSON.parse(line))
        : JSON.parse(text);
      this.asked.push({ path, method, headers, body });
      const answer = this.#answers.shift() ?? this.otherwise;
      if (typeof answer === "function") return answer(response);
      response.writeHead(answer.status, { "content-type": "application/json", ...answer.headers });
      response.end(answer.json === undefined ? "" : JSON.stringify(answer.json));
    });
  });
  readonly #answers: Answer[];

  private constructor(answers: Answer[]) {
    this.#answers = answers;
  }

  /** Starts one; after the last of the answers it says that it has published. */
  static async start(...answers: Answer[]): Promise<ScriptedHub> {
    const hub = new ScriptedHub(answers);
    hub.#server.listen(0, "127.0.0.1");
    await once(hub.#server, "listening");
    hub.url = `http://127.0.0.1:${(hub.#server.address() as AddressInfo).port}`;
    return hub;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
