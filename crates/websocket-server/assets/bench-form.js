// What the back ends of the demo pages have in common: the request as curl while it is chosen, sending it, and the answer in one
// line. Not here: which events there are.

import { copyFrom } from "./clipboard.js";
import { setFault } from "./form-fault.js";
import { curlCommand } from "./publish.js";
import { announce, BASE, byId, element } from "./world-page.js";
import { answerWords, publishAll, publishOne, requestFor } from "./world-publish.js";

const HIDDEN_KEY = "••••••••";

/**
 * Wires `#curl`, `#copy-curl`, `#key` and `#result`. `publication` gives the one that is chosen, or null while it is not whole,
 * and `missing` says what it lacks. `marked` gives a part of the body that is shown apart. `request` makes the request that is shown;
 * its `secret` stands for the token, where it has one. */
export function mountBench({ publication, nobody, marked = null, request = requestFor, missing = () => "all fields are filled in" }) {
  const apiKey = () => byId("key").value.trim();
  const curl = (chosen, key) => {
    const made = request(BASE, chosen, key);
    return curlCommand(made, made);
  };

  function draw() {
    const chosen = publication();
    byId("copy-curl").disabled = chosen === null;
    if (chosen === null) {
      byId("curl").textContent = `The command stands here once ${missing()}.`;
      return;
    }
    const command = curl(chosen, apiKey() && HIDDEN_KEY);
    const part = marked?.(chosen);
    const at = part ? command.indexOf(part) : -1;
    if (at < 0) byId("curl").textContent = command;
    else byId("curl").replaceChildren(command.slice(0, at), element("span", { className: "part" }, part), command.slice(at + part.length));
  }

  function tell(answer) {
    const result = byId("result");
    result.dataset.ok = answer.ok;
    result.toggleAttribute("data-nobody", answer.ok && answer.recipients === 0);
    result.textContent = answerWords(answer, nobody());
    if (!answer.ok && answer.field === "key") {
      byId("key").closest("details").open = true;
      setFault(byId("key"), answer.next);
    } else setFault(byId("key"), null);
    return answer;
  }

  byId("copy-curl").addEventListener("click", ({ currentTarget }) => {
    const chosen = publication();
    if (chosen !== null) copyFrom(currentTarget, curl(chosen, apiKey()), announce);
  });
  byId("key").addEventListener("input", () => {
    setFault(byId("key"), null);
    draw();
  });

  return {
    draw,
    /** Publishes one event, and tells what became of it. */
    send: async (chosen) => tell(await publishOne(BASE, chosen, apiKey())),
    /** Publishes several in their order, and tells what became of them. */
    sendAll: async (chosen) => tell(await publishAll(BASE, chosen, apiKey())),
  };
}
