// Lists of names that components give anew at each render. For channels and types of events alike.

import { useInsertionEffect, useRef } from "react";

/** The names given, each once, as the same array as before while they are the same. One text is a list of one, null of none. */
export function useSameList<T extends string>(list: T | readonly T[] | null): readonly T[] {
  const now = list === null ? [] : typeof list === "string" ? [list] : [...new Set(list)];
  const before = useRef<readonly T[]>(now);
  const same =
    before.current.length === now.length && before.current.every((name, index) => name === now[index]);
  const kept = same ? before.current : now;
  useInsertionEffect(() => {
    before.current = kept;
  });
  return kept;
}
