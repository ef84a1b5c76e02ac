// What reaches the user, and how: a table of categories and ways, quiet hours (quiet-hours.tsx), the language of the notifications, and
// whether this browser shows them on the desktop. Each tick is saved at once; what the service refuses goes back, with its reason.

import type { Ways } from "@fanfare/inbox";
import { type ReactNode, useEffect, useId } from "react";
import { DesktopChoice } from "./desktop.js";
import { useInbox, useInboxStore, usePreferences } from "./provider.js";
import { QuietHoursForm } from "./quiet-hours.js";
import { useWords, type Words } from "./words.js";

/** What the preferences get. */
export interface NotificationPreferencesProps {
  /** Categories that the app has, whether or not one of their notifications was ever there. */
  readonly categories?: readonly string[];
  /** `en`, `de`, …: of the words. Default: the page's language. */
  readonly locale?: string;
  /** Words that replace those of the locale, one by one. */
  readonly words?: Partial<Words>;
  /** Further class names of the outer element. */
  readonly className?: string;
}

const WAYS = ["in_app", "push", "sound"] as const;

/** The languages that the service has notifications in. */
const LANGUAGES = ["en", "de"];

/**
 * The user's preferences: what reaches them by which way, quiet hours, language. Stands below an `InboxProvider`. Import
 * `@fanfare/react/inbox.css` for its looks.
 */
export function NotificationPreferences(props: NotificationPreferencesProps): ReactNode {
  const words = useWords(props.locale, props.words);
  const { preferences } = useInboxStore();
  const { status, value, failure, isSaving, savedAt } = usePreferences();
  useEffect(() => void preferences.load(), [preferences]);

  const { className } = props;
  return (
    <div
      className={className === undefined ? "fanfare-preferences" : `fanfare-preferences ${className}`}
      aria-busy={status === "loading" || isSaving}
    >
      {value === null ? (
        status === "failed" && failure !== null ? (
          <div className="fanfare-inbox-state" role="alert">
            <p>{words.failure(failure)}</p>
            <button type="button" className="fanfare-inbox-button" onClick={() => void preferences.load()}>
              {words.tryAgain}
            </button>
          </div>
        ) : (
          <p className="fanfare-preferences-hint">{words.loading}</p>
        )
      ) : (
        <>
          <WaysTable words={words} categories={props.categories ?? []} />
          <QuietHoursForm words={words} />
          <DesktopChoice words={words} />
          <Language words={words} />
          <p className="fanfare-preferences-said" aria-live="polite">
            {failure !== null ? (
              <span className="fanfare-preferences-fault">{words.failure(failure)}</span>
            ) : isSaving ? (
              words.saving
            ) : (
              savedAt !== null && words.saved
            )}
          </p>
        </>
      )}
    </div>
  );
}

/** A line for each category, and a tick for each way. */
function WaysTable({ words, categories }: { words: Words; categories: readonly string[] }): ReactNode {
  const inbox = useInboxStore();
  const { value } = usePreferences();
  const seen = useInbox((snapshot) => snapshot.categories);
  useEffect(() => inbox.watchCategories(), [inbox]);
  const title = useId();
  if (value === null) return null;

  const names = new Set([
    ...categories,
    ...Object.keys(value.categories),
    ...(seen?.map(({ name }) => name) ?? []),
  ]);
  const lines: { key: string; label: string; ways: Ways; save: (ways: Partial<Ways>) => void }[] = [
    ...[...names].map((name) => ({
      key: `category ${name}`,
      label: words.categoryName(name),
      ways: value.categories[name] ?? value.default,
      // Whole: a category that is named for the first time begins as all others are.
      save: (ways: Partial<Ways>) =>
        void inbox.preferences.save({
          categories: { [name]: { ...(value.categories[name] ?? value.default), ...ways } },
        }),
    })),
    {
      key: "default",
      label: words.otherCategories,
      ways: value.default,
      save: (ways) => void inbox.preferences.save({ default: ways }),
    },
  ];
  const labels: Record<(typeof WAYS)[number], string> = {
    in_app: words.inApp,
    push: words.push,
    sound: words.sound,
  };
  return (
    <section className="fanfare-preferences-part" aria-labelledby={title}>
      <h3 id={title} className="fanfare-preferences-title">
        {words.preferences}
      </h3>
      <table className="fanfare-preferences-table" aria-labelledby={title}>
        <thead>
          <tr>
            <th scope="col">{words.category}</th>
            {WAYS.map((way) => (
              <th key={way} scope="col">
                {labels[way]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {lines.map(({ key, label, ways, save }) => (
            <tr key={key}>
              <th scope="row">{label}</th>
              {WAYS.map((way) => (
                <td key={way}>
                  <label className="fanfare-preferences-check">
                    <input
                      type="checkbox"
                      aria-label={`${label}: ${labels[way]}`}
                      checked={ways[way]}
                      onChange={(event) => save({ [way]: event.target.checked })}
                    />
                  </label>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Language({ words }: { words: Words }): ReactNode {
  const { preferences } = useInboxStore();
  const { value } = usePreferences();
  const field = useId();
  const chosen = value?.locale ?? "en";
  // One that is known to the service alone stays what it is.
  const known = LANGUAGES.includes(chosen) ? LANGUAGES : [...LANGUAGES, chosen];
  return (
    <div className="fanfare-preferences-field">
      <label htmlFor={field} className="fanfare-preferences-title">
        {words.language}
      </label>
      <select
        id={field}
        value={chosen}
        onChange={(event) => void preferences.save({ locale: event.target.value })}
      >
        {known.map((locale) => (
          <option key={locale} value={locale}>
            {nameOf(locale)}
          </option>
        ))}
      </select>
    </div>
  );
}

/** A language in its own words. */
function nameOf(locale: string): string {
  try {
    return new Intl.DisplayNames(locale, { type: "language" }).of(locale) ?? locale;
  } catch {
    return locale;
  }
}
