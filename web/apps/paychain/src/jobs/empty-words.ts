// What an empty list says: what will appear here, and the one button that helps. Pure.

import type { UserType } from "@fanfare/events";
import { isNarrowed, type JobFilter } from "./filter";

/** What the button of an empty list does. */
export type EmptyAction = "post" | "show_open" | "clear";

/** The words of an empty list. `action` and `button` are null together: a worker can only wait for an open job. */
export interface EmptyWords {
  title: string;
  text: string;
  action: EmptyAction | null;
  button: string | null;
}

/** The words for a filter that nothing fits. */
export function emptyWords(filter: JobFilter, role: UserType): EmptyWords {
  if (isNarrowed(filter)) {
    return {
      title: "No job fits this filter",
      text: "Jobs appear here as soon as they fit.",
      action: "clear",
      button: "Show all",
    };
  }
  if (filter.view === "mine") {
    return role === "worker"
      ? {
          title: "You have not accepted a job yet",
          text: "The jobs that you accept are kept here, with what they pay and when.",
          action: "show_open",
          button: "Find a job",
        }
      : {
          title: "You have not posted a job yet",
          text: "Your jobs appear here. Workers see a new one at once, and its pay is held for them.",
          action: "post",
          button: "Post a job",
        };
  }
  return role === "worker"
    ? {
        title: "No job is open right now",
        text: "New jobs appear here the moment they are posted. There is nothing to reload.",
        action: null,
        button: null,
      }
    : {
        title: "No job is open right now",
        text: "Open jobs of all employers appear here, yours among them.",
        action: "post",
        button: "Post a job",
      };
}
