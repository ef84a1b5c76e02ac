// /js/websocket-client.js: the global `DashboardWebSocketClient`. Nothing else happens when it is loaded.

import { DashboardWebSocketClient } from "./dashboard-client.js";

Object.assign(globalThis, { DashboardWebSocketClient });
