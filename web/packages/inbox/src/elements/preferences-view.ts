// The user's preferences: what reaches them by category, desktop notifications of this browser, quiet hours. A switch saves at once; the
// quiet hours have a button, since half of them would be wrong. What the service refuses stands at its field.

import type { Alerts, Desktop } from "../alerts.js";
import type { Texts } from "../texts.js";
import type {
  Day,
  Inbox,
  MemberError,
  Preferences,
  PreferencesSnapshot,
  QuietHours,
  Ways,
} from "../types.js";
import { arrange, type Child, make, put, write } from "./dom.js";
import { labelOf } from "./row.js";

const WAYS = ["in_app", "push", "sound"] as const;
const DAYS: readonly Day[] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/** The category of all that have no entry of their own. */
const OTHERS = "";

/** The most categories that are shown: as many as the service keeps. */
const MOST_SHOWN = 100;

/** What the view works on. `alerts` null: desktop notifications are not this page's. */
export interface PreferencesHost {
  readonly inbox: Pick<Inbox, "preferences" | "getSnapshot" | "subscribe" | "watchCategories">;
  readonly texts: Texts;
  readonly alerts: Alerts | null;
}

/** A view of the preferences. */
export class PreferencesView {
  readonly element: HTMLElement;
  private readonly body = make("tbody");
  /** What became of the last switch, and of the quiet hours: each beside what was done. */
  private readonly waysResult = make("p", { className: "result", role: "status" });
  private readonly quietResult = make("p", { className: "result", role: "status" });
  private readonly form: HTMLFormElement;
  private readonly enabled = make("input", { type: "checkbox", className: "switch", role: "switch" });
  private readonly details = make("div", { className: "quiet" });
  private readonly start = make("input", { type: "time", className: "input", required: true });
  private readonly end = make("input", { type: "time", className: "input", required: true });
  private readonly zone = make("input", {
    type: "text",
    className: "input",
    autocomplete: "off",
    spellcheck: false,
    list: "zones",
  });
  private readonly days = new Map<Day, HTMLInputElement>();
  private readonly save: HTMLButtonElement;
  private readonly desktop = make("input", { type: "checkbox", className: "switch", role: "switch" });
  private readonly desktopHint = make("p", { className: "hint", id: "desktop-hint" });
  private readonly faults = new Map<HTMLElement, HTMLElement>();
  private readonly table: HTMLElement;
  private readonly quiet: HTMLElement;
  private readonly waiting: HTMLElement;
  private readonly rows = new Map<string, { element: HTMLElement; inputs: HTMLInputElement[] }>();
  private drawn: Preferences["quiet_hours"] | undefined;
  private offs: (() => void)[] = [];

  constructor(private readonly host: PreferencesHost) {
    const { texts } = host;
    const heads = [texts.category, texts.inApp, texts.push, texts.sound];
    this.table = make(
      "section",
      {},
      make("h3", { id: "ways" }, texts.preferences),
      make(
        "table",
        { className: "ways", "aria-labelledby": "ways" },
        make("thead", {}, make("tr", {}, ...heads.map((words) => make("th", { scope: "col" }, words)))),
        this.body,
      ),
      this.waysResult,
    );
    this.save = make("button", { type: "submit", className: "main" }, texts.save);
    this.form = make("form", { noValidate: true, className: "quiet" });
    this.quiet = this.makeQuiet();
    this.waiting = make("p", { className: "hint", role: "status" }, texts.loading);
    this.element = make("div", { className: "preferences" }, this.waiting);
    this.desktop.addEventListener("change", () => this.setDesktop());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.submit();
    });
    this.enabled.addEventListener("change", () => {
      this.details.hidden = !this.enabled.checked;
      // Off is complete by itself.
      const quiet = this.value()?.quiet_hours;
      if (!this.enabled.checked && quiet?.enabled) void this.turnOff(quiet);
    });
  }

  /** Begins to show them; loads what is not there. */
  open(): void {
    const { preferences, subscribe, watchCategories } = this.host.inbox;
    this.offs = [preferences.subscribe(() => this.draw()), subscribe(() => this.draw()), watchCategories()];
    this.drawn = undefined;
    write(this.waysResult, "");
    write(this.quietResult, "");
    void preferences.load();
    this.draw();
  }

  close(): void {
    for (const off of this.offs) off();
    this.offs = [];
  }

  private value(): Preferences | null {
    return this.host.inbox.preferences.getSnapshot().value;
  }

  private draw(): void {
    const { preferences } = this.host.inbox;
    const snapshot = preferences.getSnapshot();
    const { value, isSaving } = snapshot;
    if (!value) {
      arrange(this.element, [this.waitingFor(snapshot)]);
      return;
    }
    arrange(this.element, [this.table, this.quiet]);
    this.drawRows(value);
    if (value.quiet_hours !== this.drawn && !this.form.contains(this.focused())) this.fill(value.quiet_hours);
    put(this.save, "aria-busy", isSaving ? "true" : null);
    this.drawDesktop(this.host.alerts?.desktop() ?? "unsupported");
  }

  private waitingFor({ status, failure }: PreferencesSnapshot): HTMLElement {
    const { texts, inbox } = this.host;
    if (status !== "failed" || !failure) return this.waiting;
    const again = make("button", { type: "button", className: "outlined" }, texts.tryAgain);
    again.addEventListener("click", () => void inbox.preferences.load());
    return make("div", { className: "state", role: "alert" }, make("p", {}, texts.failure(failure)), again);
  }

  // By category

  private drawRows(value: Preferences): void {
    const { texts, inbox } = this.host;
    const known = (inbox.getSnapshot().categories ?? []).map(({ name }) => name);
    const names = [...new Set([...Object.keys(value.categories), ...known])].sort((a, b) =>
      a.localeCompare(b),
    );
    const shown = [...names.slice(0, MOST_SHOWN), OTHERS];
    for (const name of this.rows.keys()) if (!shown.includes(name)) this.rows.delete(name);
    const rows = shown.map((name) => {
      const row =
        this.rows.get(name) ?? this.makeRow(name, name === OTHERS ? texts.otherCategories : labelOf(name));
      const ways = name === OTHERS ? value.default : (value.categories[name] ?? value.default);
      WAYS.forEach((way, at) => {
        const input = row.inputs[at];
        if (input && input.checked !== ways[way]) input.checked = ways[way];
      });
      return row.element;
    });
    arrange(this.body, rows);
  }

  private makeRow(name: string, words: string) {
    const { texts } = this.host;
    const labels = { in_app: texts.inApp, push: texts.push, sound: texts.sound };
    const inputs = WAYS.map((way) => {
      const label = `${words}: ${labels[way]}`;
      const input = make("input", {
        type: "checkbox",
        className: "switch",
        role: "switch",
        "aria-label": label,
      });
      input.addEventListener("change", () => void this.saveWay(name, way, input.checked));
      return input;
    });
    const cells = inputs.map((input) => make("td", {}, make("label", {}, input)));
    const head = make("th", { scope: "row", dir: "auto" }, words);
    const row = { element: make("tr", {}, head, ...cells), inputs };
    this.rows.set(name, row);
    return row;
  }

  private async saveWay(name: string, way: keyof Ways, isOn: boolean): Promise<void> {
    const change =
      name === OTHERS ? { default: { [way]: isOn } } : { categories: { [name]: { [way]: isOn } } };
    this.say(this.waysResult, await this.host.inbox.preferences.save(change));
  }

  // This browser

  private drawDesktop(state: Desktop): void {
    const { texts } = this.host;
    this.desktop.checked = state === "on";
    this.desktop.disabled = state === "denied";
    const words = {
      on: texts.desktopOn,
      off: texts.desktopOff,
      denied: texts.desktopDenied,
      unsupported: "",
    };
    write(this.desktopHint, words[state]);
  }

  private async setDesktop(): Promise<void> {
    const state = await this.host.alerts?.setDesktop(this.desktop.checked);
    if (state) this.drawDesktop(state);
  }

  // Quiet hours

  private makeQuiet(): HTMLElement {
    const { texts, alerts } = this.host;
    put(this.enabled, "aria-describedby", "quiet-hint");
    const zones = make(
      "datalist",
      { id: "zones" },
      ...zoneNames().map((name) => make("option", { value: name })),
    );
    const days = DAYS.map((day) => {
      const input = make("input", { type: "checkbox", name: "days", value: day });
      this.days.set(day, input);
      return make("label", { className: "choice" }, input, make("span", {}, texts.day(day)));
    });
    const choices = make(
      "fieldset",
      {},
      make("legend", {}, texts.days),
      make("div", { className: "choices" }, ...days),
    );
    this.details.append(
      make(
        "div",
        { className: "fields" },
        this.field(texts.from, this.start, "start"),
        this.field(texts.to, this.end, "end"),
        this.field(texts.timeZone, this.zone, "zone", "wide"),
        zones,
      ),
      choices,
      this.faultFor(choices, "days"),
      make("div", { className: "save" }, this.save),
    );
    this.form.append(this.details);
    const switches: Child[] = [
      make("label", { className: "on" }, this.enabled, texts.quietHours),
      make("p", { className: "hint", id: "quiet-hint" }, texts.quietHint),
    ];
    const desktop =
      alerts && alerts.desktop() !== "unsupported"
        ? make("div", {}, make("label", { className: "on" }, this.desktop, texts.desktop), this.desktopHint)
        : null;
    put(this.desktop, "aria-describedby", this.desktopHint.id);
    return make(
      "section",
      { className: "quiet" },
      desktop,
      make("div", {}, ...switches),
      this.form,
      this.quietResult,
    );
  }

  private field(words: string, input: HTMLInputElement, name: string, className = ""): HTMLElement {
    input.id = `quiet-${name}`;
    const fault = this.faultFor(input, name);
    put(input, "aria-describedby", fault.id);
    const label = make("label", { htmlFor: input.id }, words);
    return make("div", { className: `field ${className}` }, label, input, fault);
  }

  private faultFor(element: HTMLElement, name: string): HTMLElement {
    const fault = make("p", { className: "fault", id: `quiet-${name}-fault`, hidden: true });
    this.faults.set(element, fault);
    return fault;
  }

  private fill(quiet: Preferences["quiet_hours"]): void {
    this.drawn = quiet;
    this.enabled.checked = quiet?.enabled === true;
    this.details.hidden = !this.enabled.checked;
    this.start.value = quiet?.start ?? "22:00";
    this.end.value = quiet?.end ?? "07:00";
    this.zone.value = quiet?.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";
    for (const [day, input] of this.days) input.checked = quiet?.days?.includes(day) ?? true;
    for (const element of this.faults.keys()) this.setFault(element, "");
  }

  private async turnOff(quiet: QuietHours): Promise<void> {
    const isSaved = await this.host.inbox.preferences.save({ quiet_hours: { ...quiet, enabled: false } });
    this.say(this.quietResult, isSaved);
  }

  private async submit(): Promise<void> {
    const { texts, inbox } = this.host;
    const [start, end, zone] = [this.start.value, this.end.value, this.zone.value.trim()];
    const days = DAYS.filter((day) => this.days.get(day)?.checked);
    const first = this.days.get("mon")?.closest("fieldset") ?? this.zone;
    this.setFault(this.start, start ? "" : texts.badTime);
    this.setFault(this.end, !end ? texts.badTime : end === start ? texts.sameTimes : "");
    this.setFault(this.zone, isZone(zone) ? "" : texts.badZone);
    this.setFault(first, days.length > 0 ? "" : texts.noDays);
    if (this.focusFault()) return;
    const known = days.length === DAYS.length ? {} : { days };
    const isSaved = await inbox.preferences.save({
      quiet_hours: { enabled: true, start, end, time_zone: zone, ...known },
    });
    const { failure, value } = inbox.preferences.getSnapshot();
    if (isSaved) this.drawn = value?.quiet_hours;
    else for (const error of failure?.errors ?? []) this.place(error);
    this.focusFault();
    this.say(this.quietResult, isSaved);
  }

  /** Puts what the service said of a member at its field. */
  private place({ member, message }: MemberError): void {
    const name = member.split(".").at(-1) ?? "";
    const { texts } = this.host;
    if (name === "time_zone") this.setFault(this.zone, texts.badZone);
    else if (name === "start") this.setFault(this.start, message);
    else if (name === "end") this.setFault(this.end, message);
    else if (name === "days") this.setFault(this.days.get("mon")?.closest("fieldset") ?? this.zone, message);
  }

  private setFault(element: HTMLElement, words: string): void {
    const fault = this.faults.get(element);
    if (!fault) return;
    write(fault, words);
    fault.hidden = words === "";
    if (element instanceof HTMLInputElement) put(element, "aria-invalid", words ? "true" : null);
  }

  /** Puts the focus on the first field with a fault; false if there is none. */
  private focusFault(): boolean {
    for (const [element, fault] of this.faults) {
      if (fault.hidden) continue;
      (element.querySelector("input") ?? element).focus();
      return true;
    }
    return false;
  }

  private say(result: HTMLElement, isSaved: boolean): void {
    const { texts, inbox } = this.host;
    const { failure } = inbox.preferences.getSnapshot();
    result.classList.toggle("bad", !isSaved);
    const detail = failure?.code === "invalid" && failure.errors.length === 0 ? ` ${failure.detail}` : "";
    write(result, isSaved ? texts.saved : failure ? `${texts.failure(failure)}${detail}` : "");
  }

  private focused(): Element | null {
    return (this.element.getRootNode() as Document | ShadowRoot).activeElement ?? null;
  }
}

function zoneNames(): string[] {
  try {
    return Intl.supportedValuesOf("timeZone");
  } catch {
    return [];
  }
}

/** Whether the platform knows a time zone; the service has the last word. */
function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return name !== "";
  } catch {
    return false;
  }
}
