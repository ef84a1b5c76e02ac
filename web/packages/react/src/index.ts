// The public door of `@fanfare/react`. TanStack Query and toasts have doors of their own, as they need other packages.

export { useChannel } from "./channels.js";
export { useEventBatch } from "./event-batch.js";
export { type EventHandler, type EventOfTypes, useEvent } from "./events.js";
export { useGap } from "./gap.js";
export { ConnectionIndicator, type ConnectionIndicatorProps, type IndicatorLabels } from "./indicator.js";
export { FanfareProvider, type FanfareProviderProps, useFanfare } from "./provider.js";
export { RefusedError, type RequestState, useRequest } from "./request.js";
export { useConnectionState } from "./state.js";
export { createHooks, type Hooks } from "./typed.js";
export { useWebSocket, type WebSocketBindings } from "./web-socket.js";
