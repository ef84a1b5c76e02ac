// The public door of `@fanfare/react/toasts`. Needs sonner 2.

export { type Describe, describeEvent, type EventToast, type Viewer } from "./catalogue.js";
export { createOwnActions, type OwnActions, PAYCHAIN_ACTIONS } from "./own-actions.js";
export { EventToasts, type EventToastsProps, type ToastLabels } from "./toasts.js";
