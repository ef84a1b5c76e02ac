// Toasts with sonner behind them, as a file of their own that is loaded after the first page.

export { EventToasts } from "@fanfare/react/toasts";
