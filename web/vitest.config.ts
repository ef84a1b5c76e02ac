// The tests that need no browser: the client's state machine with a fake clock and socket, the bindings in happy-dom.

import { defineConfig } from "vitest/config";

const conditions = ["fanfare-source", "module", "browser", "development|production"];

export default defineConfig({
  test: {
    projects: [
      {
        resolve: { conditions },
        ssr: { resolve: { conditions: ["fanfare-source"] } },
        test: { name: "client", root: "packages/sdk", environment: "node", include: ["test/**/*.test.ts"] },
      },
      {
        resolve: { conditions },
        ssr: { resolve: { conditions: ["fanfare-source"] } },
        test: {
          name: "react",
          root: "packages/react",
          environment: "happy-dom",
          include: ["test/**/*.test.{ts,tsx}"],
        },
      },
      {
        resolve: { conditions },
        ssr: { resolve: { conditions: ["fanfare-source"] } },
        test: {
          name: "paychain",
          root: "apps/paychain",
          environment: "happy-dom",
          include: ["test/**/*.test.{ts,tsx}"],
        },
      },
      {
        resolve: { conditions },
        ssr: { resolve: { conditions: ["fanfare-source"] } },
        test: { name: "inbox", root: "packages/inbox", environment: "node", include: ["test/**/*.test.ts"] },
      },
      {
        resolve: { conditions },
        ssr: { resolve: { conditions: ["fanfare-source"] } },
        test: {
          name: "compat",
          root: "packages/compat",
          environment: "happy-dom",
          include: ["test/**/*.test.ts"],
        },
      },
      {
        test: {
          name: "server",
          root: "packages/server",
          environment: "node",
          include: ["test/**/*.test.ts"],
        },
      },
    ],
  },
});
