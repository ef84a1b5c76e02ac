// The words of the bell and the preferences: those of @fanfare/inbox in the page's language, with what an app replaces.

import { type Texts, textsFor } from "@fanfare/inbox";
import { useMemo, useSyncExternalStore } from "react";

/** All words. */
export interface Words extends Texts {
  readonly language: string;
  /** A category as people say it. */
  categoryName(name: string): string;
}

/** The words of a locale, by default the page's; with `own` in place of some. English while a server renders. */
export function useWords(locale: string | undefined, own: Partial<Words> | undefined): Words {
  const page = useSyncExternalStore(noChanges, pageLocale, () => "en");
  const wanted = locale ?? page;
  return useMemo(() => ({ ...wordsFor(wanted), ...own }), [wanted, own]);
}

function noChanges(): () => void {
  return () => {};
}

function pageLocale(): string {
  return document.documentElement.lang || navigator.language;
}

function wordsFor(wanted: string): Words {
  const texts = textsFor(wanted);
  const { locale } = texts;
  return {
    ...texts,
    language: locale.toLowerCase().startsWith("de") ? "Sprache" : "Language",
    categoryName(name) {
      const words = name.replaceAll(/[_.:-]+/g, " ").trim();
      return words.charAt(0).toLocaleUpperCase(locale) + words.slice(1);
    },
  };
}
