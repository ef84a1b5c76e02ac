// The public door of `@fanfare/react/inbox`. What an inbox is, and its options, are types of `@fanfare/inbox`.

export { Inbox, type InboxProps } from "./bell.js";
export { NotificationPreferences, type NotificationPreferencesProps } from "./preferences.js";
export {
  type InboxBindings,
  InboxProvider,
  type InboxProviderProps,
  useInbox,
  useInboxStore,
  usePreferences,
} from "./provider.js";
export type { Words } from "./words.js";
