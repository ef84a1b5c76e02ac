// What stands in the panel in place of rows: nothing yet, nothing of this filter, an error, or what is being loaded.

import type { Snapshot } from "../types.js";
import { make } from "./dom.js";
import { icon } from "./icons.js";
import type { ListHost } from "./list-view.js";

/** What will appear here, or how to see what there is. */
export function emptyState({ filter }: Snapshot, { inbox, texts }: ListHost): HTMLElement {
  const isFiltered = filter.unread || filter.category !== null;
  const words = filter.unread ? texts.emptyUnread : isFiltered ? texts.emptyCategory : texts.empty;
  const all = () => inbox.setFilter({ category: null, unread: false });
  return make(
    "div",
    { className: "state" },
    icon("bell"),
    make("p", { className: "what" }, words),
    isFiltered ? null : make("p", {}, texts.emptyHint),
    isFiltered
      ? make("button", { type: "button", className: "outlined", onclick: all }, texts.showAll)
      : null,
  );
}

/** What happened, what it means, and the way on. */
export function failedState({ failure }: Snapshot, { inbox, texts }: ListHost): HTMLElement {
  const again = make("button", { type: "button", className: "outlined" }, texts.tryAgain);
  again.addEventListener("click", () => void inbox.refresh());
  return make(
    "div",
    { className: "state", role: "alert" },
    icon("warn"),
    make("p", {}, failure ? texts.failure(failure) : ""),
    again,
  );
}

/** Rows that are on their way. */
export function skeleton(_: Snapshot, { texts }: ListHost): HTMLElement {
  const row = () => make("div", { className: "skeleton", "aria-hidden": "true" }, make("i"), make("i"));
  const words = make("p", { className: "offscreen", role: "status" }, texts.loading);
  return make("div", {}, words, ...Array.from({ length: 5 }, row));
}
