// Parts of the app that are loaded after the first page: pages, menu, toasts, dialogs. One that can't be loaded is tried again
// by the boundary around it (failure.tsx), since a server that is away comes back. Which parts there are is said where they
// are used.

import { type ComponentType, use } from "react";

/** Thrown where a part could not be loaded: the server can't be reached, or has a newer version of the app. */
export class PartMissing extends Error {
  override readonly name = "PartMissing";
}

/** A component that is loaded when it is first shown; suspends until then, and throws {@link PartMissing}. */
export type Part<Props> = ComponentType<Props> & {
  /** Loads it ahead of time. That it can't be loaded now is no error. */
  readonly preload: () => void;
};

/** What forgets that a part could not be loaded. */
const failures = new Set<() => void>();

/** Lets the parts that could not be loaded be asked for again. */
export function forgetFailures(): void {
  for (const forget of [...failures]) forget();
}

/** Makes a part of what `load` imports. */
export function part<Props extends object>(load: () => Promise<ComponentType<Props>>): Part<Props> {
  let loading: Promise<ComponentType<Props>> | undefined;
  /** What was loaded ahead of time is shown without a pause. */
  let loaded: ComponentType<Props> | undefined;
  const forget = () => {
    loading = undefined;
    failures.delete(forget);
  };
  const get = () => {
    loading ??= load().then(
      (component) => {
        loaded = component;
        return component;
      },
      (cause: unknown) => {
        failures.add(forget);
        throw new PartMissing("a part of the app could not be loaded", { cause });
      },
    );
    return loading;
  };
  function Loaded(props: Props) {
    const Component = loaded ?? use(get());
    return <Component {...props} />;
  }
  // Nobody was shown a failure, so whoever needs the part begins anew.
  return Object.assign(Loaded, { preload: () => void get().catch(forget) });
}

/** Calls `run` when the page has nothing else to do, at the latest after 2 s. Returns the removal. */
export function whenIdle(run: () => void): () => void {
  if (typeof requestIdleCallback !== "function") {
    const timer = setTimeout(run, 200);
    return () => clearTimeout(timer);
  }
  const handle = requestIdleCallback(run, { timeout: 2_000 });
  return () => cancelIdleCallback(handle);
}
