// When nothing makes a sound or is pushed: a form that is saved as a whole, since half of it means nothing. What was typed stays when
// it is refused, and what is wrong stands at its field.

import type { Day, QuietHours } from "@fanfare/inbox";
import { type FormEvent, type ReactNode, useId, useState } from "react";
import { useInboxStore, usePreferences } from "./provider.js";
import type { Words } from "./words.js";

const DAYS: readonly Day[] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/** What nobody chose yet: the night. */
const NIGHT = { enabled: false, start: "22:00", end: "07:00" } as const;

type Field = "start" | "end" | "time_zone" | "days";

/** The form. */
export function QuietHoursForm({ words }: { words: Words }): ReactNode {
  const { preferences } = useInboxStore();
  const { value, isSaving, failure } = usePreferences();
  const id = useId();
  /** What was changed since it was saved. */
  const [draft, setDraft] = useState<QuietHours | null>(null);
  const [faults, setFaults] = useState<Partial<Record<Field, string>>>({});
  const hours = draft ?? value?.quiet_hours ?? { ...NIGHT, time_zone: zoneHere() };
  const days = hours.days ?? DAYS;

  const change = (part: Partial<QuietHours>) => {
    setFaults({});
    setDraft({ ...hours, ...part });
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (isSaving) return;
    const wrong = faultsOf(hours, words);
    setFaults(wrong);
    const [first] = Object.keys(wrong);
    if (first !== undefined) return document.getElementById(`${id}${first}`)?.focus();
    if (await preferences.save({ quiet_hours: hours })) setDraft(null);
  };
  // What the service found wrong that is not known here, such as a zone that only this browser knows.
  const refused = new Map(failure?.errors.map(({ member, message }) => [member, message]));
  const faultOf = (field: Field) =>
    faults[field] ?? refused.get(`quiet_hours.${field}`) ?? (draft !== null ? refused.get(field) : undefined);
  const at = (field: Field) => {
    const fault = faultOf(field);
    return {
      id: `${id}${field}`,
      ...(fault === undefined ? {} : { "aria-invalid": true, "aria-describedby": `${id}${field}-fault` }),
    };
  };
  const fault = (field: Field) =>
    faultOf(field) !== undefined && (
      <p id={`${id}${field}-fault`} className="fanfare-preferences-fault">
        {faultOf(field)}
      </p>
    );

  return (
    <form
      className="fanfare-preferences-part"
      aria-labelledby={`${id}title`}
      noValidate
      onSubmit={(event) => void submit(event)}
    >
      <div>
        <label id={`${id}title`} className="fanfare-preferences-check fanfare-preferences-title">
          <input
            type="checkbox"
            aria-describedby={`${id}hint`}
            checked={hours.enabled}
            onChange={(event) => change({ enabled: event.target.checked })}
          />
          {words.quietHours}
        </label>
        <p id={`${id}hint`} className="fanfare-preferences-hint">
          {words.quietHint}
        </p>
      </div>
      {hours.enabled && (
        <>
          <div className="fanfare-preferences-fields">
            <div className="fanfare-preferences-field">
              <label htmlFor={`${id}start`}>{words.from}</label>
              <input
                type="time"
                {...at("start")}
                value={hours.start}
                onChange={(event) => change({ start: event.target.value })}
              />
              {fault("start")}
            </div>
            <div className="fanfare-preferences-field">
              <label htmlFor={`${id}end`}>{words.to}</label>
              <input
                type="time"
                {...at("end")}
                value={hours.end}
                onChange={(event) => change({ end: event.target.value })}
              />
              {fault("end")}
            </div>
            <div className="fanfare-preferences-field" data-wide="">
              <label htmlFor={`${id}time_zone`}>{words.timeZone}</label>
              <input
                {...at("time_zone")}
                list={`${id}zones`}
                autoComplete="off"
                spellCheck={false}
                value={hours.time_zone}
                onChange={(event) => change({ time_zone: event.target.value })}
              />
              <datalist id={`${id}zones`}>
                {zones().map((zone) => (
                  <option key={zone} value={zone} />
                ))}
              </datalist>
              {fault("time_zone")}
            </div>
          </div>
          <fieldset className="fanfare-preferences-days">
            <legend>{words.days}</legend>
            {DAYS.map((day, index) => (
              <label key={day} className="fanfare-preferences-check">
                <input
                  type="checkbox"
                  {...(index === 0 ? at("days") : {})}
                  checked={days.includes(day)}
                  onChange={(event) =>
                    change({
                      days: DAYS.filter((other) =>
                        other === day ? event.target.checked : days.includes(other),
                      ),
                    })
                  }
                />
                {words.day(day)}
              </label>
            ))}
          </fieldset>
          {fault("days")}
        </>
      )}
      {draft !== null && (
        <div className="fanfare-preferences-foot">
          <button
            type="submit"
            className="fanfare-inbox-button"
            data-look="main"
            aria-disabled={isSaving || undefined}
          >
            {isSaving ? words.saving : words.save}
          </button>
        </div>
      )}
    </form>
  );
}

/** What is wrong, field by field; nothing where they are off. */
function faultsOf({ enabled, start, end, time_zone, days }: QuietHours, words: Words) {
  const faults: Partial<Record<Field, string>> = {};
  if (!enabled) return faults;
  if (!/^\d\d:\d\d$/.test(start)) faults.start = words.badTime;
  if (!/^\d\d:\d\d$/.test(end)) faults.end = words.badTime;
  else if (start === end) faults.end = words.sameTimes;
  if (!isZone(time_zone)) faults.time_zone = words.badZone;
  if (days?.length === 0) faults.days = words.noDays;
  return faults;
}

function isZone(name: string): boolean {
  try {
    return name.includes("/") || name === "UTC"
      ? Boolean(new Intl.DateTimeFormat("en", { timeZone: name }))
      : false;
  } catch {
    return false;
  }
}

function zoneHere(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

function zones(): readonly string[] {
  return typeof Intl.supportedValuesOf === "function" ? Intl.supportedValuesOf("timeZone") : [];
}
