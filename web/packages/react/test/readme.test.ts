// @vitest-environment node
// The README's code compiles as it stands, apart from the app around it.

import { expect, it } from "vitest";
import { faultsOfBlocks } from "../../sdk/test/readme-blocks.js";

it("each block of its code compiles", { timeout: 60_000 }, () => {
  // What an app has: its own calls, its form, its toasts' book.
  const ambient = `
    declare module "*.css";
    declare const own: import("@fanfare/react/own-actions").OwnActions<"post" | "accept" | "complete" | "cancel">;
    declare const api: { post(form: FormData): Promise<{ job_id: number }>; accept(job: number): Promise<void> };
    declare const form: FormData;`;
  expect(faultsOfBlocks(new URL("../README.md", import.meta.url), ambient)).toEqual([]);
});
