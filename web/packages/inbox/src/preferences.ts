// The user's preferences: fetched, and saved change by change, one after the other. What is being saved is shown already, and is taken
// back if the service refuses; what it answers is what it has.

import { listeners } from "./listeners.js";
import { record } from "./notification.js";
import { queue } from "./queue.js";
import { failed, type Rest } from "./rest.js";
import type {
  Clock,
  Day,
  Failure,
  Preferences,
  PreferencesChange,
  PreferencesSnapshot,
  PreferencesStore,
  QuietHours,
  Ways,
} from "./types.js";

const PATH = "/preferences";

const DAYS: readonly string[] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/** Preferences that are loaded when somebody asks for them. */
export function preferencesStore(call: Rest, clock: Clock): PreferencesStore {
  const changes = listeners();
  const saves = queue();
  const wishes = new Set<PreferencesChange>();
  let status: PreferencesSnapshot["status"] = "idle";
  let value: Preferences | null = null;
  let failure: Failure | null = null;
  let savedAt: number | null = null;
  let saving = 0;
  let loading: Promise<boolean> | null = null;
  let snapshot: PreferencesSnapshot | null = null;

  function emit(): void {
    snapshot = null;
    changes.call();
  }

  async function fetchThem(): Promise<boolean> {
    const outcome = await call({ action: "load_preferences", path: PATH });
    const found = outcome.ok ? preferencesOf(outcome.value) : null;
    loading = null;
    if (found) {
      value = found;
      failure = null;
      status = "ready";
    } else {
      const bad = () => failed({ action: "load_preferences" }, "bad_answer", 200).failure;
      failure = outcome.ok ? bad() : outcome.failure;
      if (!value) status = "failed";
    }
    emit();
    return found !== null;
  }

  return {
    getSnapshot() {
      if (!snapshot) {
        let shown = value;
        for (const wish of wishes) shown = shown && merged(shown, wish);
        snapshot = { status, value: shown, isSaving: saving > 0, failure, savedAt };
      }
      return snapshot;
    },
    subscribe: changes.add,
    load() {
      if (loading) return loading;
      if (!value) status = "loading";
      loading = fetchThem();
      emit();
      return loading;
    },
    save(change) {
      if (saves.isFull) {
        failure = failed({ action: "save_preferences" }, "too_many").failure;
        emit();
        return Promise.resolve(false);
      }
      wishes.add(change);
      saving += 1;
      emit();
      return saves.run(async () => {
        const outcome = await call({ action: "save_preferences", method: "PUT", path: PATH, body: change });
        wishes.delete(change);
        saving -= 1;
        failure = outcome.ok ? null : outcome.failure;
        if (outcome.ok) {
          savedAt = clock.now();
          value = preferencesOf(outcome.value) ?? (value && merged(value, change));
        }
        emit();
        return outcome.ok;
      });
    },
  };
}

/** What a change makes of preferences: what it does not name stays. */
function merged(value: Preferences, change: PreferencesChange): Preferences {
  const base = { ...value.default, ...change.default };
  const categories: Record<string, Ways> = { ...value.categories };
  for (const [name, ways] of Object.entries(change.categories ?? {})) {
    categories[name] = { ...base, ...categories[name], ...ways };
  }
  return {
    categories,
    default: base,
    quiet_hours: change.quiet_hours === undefined ? value.quiet_hours : change.quiet_hours,
    locale: change.locale ?? value.locale,
  };
}

/** Preferences; null if it is none. */
function preferencesOf(given: unknown): Preferences | null {
  const { categories, default: others, quiet_hours, locale } = record(given);
  if (typeof others !== "object" || others === null) return null;
  return {
    categories: Object.fromEntries(
      Object.entries(record(categories)).map(([name, ways]) => [name, waysOf(ways)]),
    ),
    default: waysOf(others),
    quiet_hours: quietHoursOf(quiet_hours),
    locale: typeof locale === "string" ? locale : null,
  };
}

function waysOf(given: unknown): Ways {
  const { in_app, push, sound } = record(given);
  return { in_app: in_app !== false, push: push !== false, sound: sound !== false };
}

function quietHoursOf(given: unknown): QuietHours | null {
  const { enabled, start, end, time_zone, days } = record(given);
  if (typeof start !== "string" || typeof end !== "string" || typeof time_zone !== "string") return null;
  const known = Array.isArray(days) ? days.filter((day): day is Day => DAYS.includes(day)) : null;
  return { enabled: enabled !== false, start, end, time_zone, ...(known ? { days: known } : {}) };
}
