// The processes that a run consists of beside the servers: questions to them with answers, and what they tell by themselves. The
// conductor starts them; they end with it.

import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The longest time for an answer, milliseconds, where the question names none. */
const PATIENCE = 60_000;

/** Starts a module of this directory as a process. `told(what, value)` gets what it says by itself. */
export function startChild(module, told = () => {}) {
  const child = fork(fileURLToPath(new URL(module, import.meta.url)), [], {
    serialization: "advanced",
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    execArgv: [],
  });
  const open = new Map();
  let questions = 0;
  let over = false;
  const end = (error) => {
    over = true;
    for (const { reject } of open.values()) reject(error);
    open.clear();
  };
  child.on("error", end);
  const exited = new Promise((resolve) => {
    child.on("exit", (code, signal) => {
      end(new Error(`${module} ended (${signal ?? code})`));
      resolve();
    });
  });
  child.on("message", ({ question, what, value, error }) => {
    if (question === undefined) return told(what, value);
    const waiting = open.get(question);
    open.delete(question);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(`${module}: ${error}`));
  });
  return {
    /** Asks for something; the answer's value. */
    ask(what, value, patience = PATIENCE) {
      if (over) return Promise.reject(new Error(`${module} has ended`));
      questions += 1;
      const question = questions;
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          open.delete(question);
          reject(new Error(`${module}: no answer to ${what} within ${patience / 1000} s`));
        }, patience);
        const settled = (settle) => (result) => {
          clearTimeout(timer);
          settle(result);
        };
        open.set(question, { resolve: settled(resolve), reject: settled(reject) });
        child.send({ question, what, value });
      });
    },
    /** Ends the process. */
    async stop() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** In such a process: answers questions with these functions. */
export function serve(answers) {
  process.on("disconnect", () => process.exit());
  process.on("message", async ({ question, what, value }) => {
    try {
      process.send({ question, value: await answers[what](value) });
    } catch (error) {
      process.send({ question, error: error?.stack ?? String(error) });
    }
  });
}

/** In such a process: tells the conductor something. */
export function tell(what, value) {
  if (process.connected) process.send({ what, value });
}
