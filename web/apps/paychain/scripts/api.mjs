// Writes the types of the back end's calls from what a running Fanfare says of itself:
//
//   FANFARE_URL=http://127.0.0.1:8080 npm run api -w paychain
//
// Starts nothing. What it writes is kept in the repository; web/browser-tests/generated-api.browser.mjs holds it to the server.

import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";

/** Where the types are kept. */
export const DIRECTORY = fileURLToPath(new URL("../src/api/generated/", import.meta.url));

/** The services whose calls the app makes. */
export const SERVICES = ["user", "job", "payment", "chat"];

/** The text of the file for one service of the Fanfare at `origin`. Throws where it can't be reached. */
export async function typesOf(service, origin) {
  const url = new URL(`/svc/${service}-service/openapi.json`, origin);
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  const types = astToString(await openapiTS(await answer.json()));
  return `// Generated from the ${service} service's /openapi.json; to write it anew: npm run api -w paychain\n\n${types}`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const origin = process.env.FANFARE_URL ?? "http://127.0.0.1:8080";
  await mkdir(DIRECTORY, { recursive: true });
  for (const service of SERVICES) {
    await writeFile(`${DIRECTORY}${service}.ts`, await typesOf(service, origin));
  }
}
